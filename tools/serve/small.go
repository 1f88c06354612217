package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// small emits the rounding of n blocks of 32 numbers to 8 bits, as Small.Set does
// it.
func small() {
	TEXT("smallAVX512", NOSPLIT, "func(n int64, x *float32, q *int8, scales *float32, offsets *int32)")
	Pragma("noescape")
	n, x, q, scales, offsets := pointer("n"), pointer("x"), pointer("q"), pointer("scales"), pointer("offsets")
	mask, top := ZMM(), GP32()
	MOVL(U32(0x7fffffff), top)
	VPBROADCASTD(top, mask)
	f127 := XMM()
	MOVL(U32(0x42fe0000), top)
	VMOVD(top, f127)

	Label("loop")
	v0, v1, m, t := ZMM(), ZMM(), ZMM(), ZMM()
	VMOVUPS(Mem{Base: x}, v0)
	VMOVUPS(Mem{Base: x, Disp: 64}, v1)
	VPANDD(v0, mask, m)
	VPANDD(v1, mask, t)
	VPMAXUD(t, m, m)
	fold(m, func(a, b, c reg.Register) { VPMAXUD(a, b, c) })
	VMOVD(m.AsX(), top)
	CMPL(top, U32((127-100)<<23))
	JB(LabelRef("zero"))
	CMPL(top, U32(0x7f800000))
	JAE(LabelRef("bad"))

	d := XMM()
	VDIVSS(m.AsX(), f127, d) // 127 / largest
	inverse := ZMM()
	VBROADCASTSS(d, inverse)
	VMULPS(inverse, v0, v0)
	VMULPS(inverse, v1, v1)
	VCVTPS2DQ(v0, v0)
	VCVTPS2DQ(v1, v1)
	VPMOVDB(v0, Mem{Base: q})
	VPMOVDB(v1, Mem{Base: q, Disp: 16})
	s := XMM()
	VDIVSS(f127, m.AsX(), s)
	VMOVSS(s, Mem{Base: scales})
	VPADDD(v1, v0, v0)
	fold(v0, func(a, b, c reg.Register) { VPADDD(a, b, c) })
	smallEnd(v0, n, x, q, scales, offsets)
}

// smallEnd stores what zero8 adds to a sum, the first lane of v, and goes on with
// the next block.
func smallEnd(v reg.VecVirtual, n, x, q, scales, offsets reg.Register) {
	sum := GP32()
	VMOVD(v.AsX(), sum)
	SHLL(Imm(7), sum)
	NEGL(sum)
	MOVL(sum, Mem{Base: offsets})

	Label("next")
	ADDQ(U32(128), x)
	ADDQ(Imm(32), q)
	ADDQ(Imm(4), scales)
	ADDQ(Imm(4), offsets)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()

	word := GP32()
	Label("bad")
	MOVL(U32(0x7fc00000), word)
	JMP(LabelRef("clear"))
	Label("zero")
	XORL(word, word)
	Label("clear")
	MOVL(word, Mem{Base: scales})
	XORL(word, word)
	MOVL(word, Mem{Base: offsets})
	none := YMM()
	VPXOR(none, none, none)
	VMOVDQU(none, Mem{Base: q})
	JMP(LabelRef("next"))
}

// fold reduces 16 lanes to the first.
func fold(v reg.VecVirtual, op func(a, b, c reg.Register)) {
	y := YMM()
	VEXTRACTI64X4(Imm(1), v, y)
	op(y, v.AsY(), v.AsY())
	foldHalf(v, op)
}

// foldHalf reduces 8 lanes to the first.
func foldHalf(v reg.VecVirtual, op func(a, b, c reg.Register)) {
	x := XMM()
	VEXTRACTI128(Imm(1), v.AsY(), x)
	op(x, v.AsX(), v.AsX())
	for _, order := range []uint64{0x4e, 0xb1} {
		VPSHUFD(Imm(order), v.AsX(), x)
		op(x, v.AsX(), v.AsX())
	}
}
