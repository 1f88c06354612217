package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// productAVX2 is product for machines without VNNI. Their products of bytes
// saturate, so the bytes of each group of four are multiplied as words, the even
// ones and the odd ones apart. The sums take half of the registers; results are
// kept in memory, where they are needed once a block.
func productAVX2(rows int) {
	TEXT(fmt.Sprintf("int8x%dAVX2", rows), NOSPLIT,
		"func(blocks int64, w *uint8, scales *uint16, x *int8, xScales *float32, xOffsets *int32, row int64, c *float32, rowC int64, add int64)")
	Pragma("noescape")
	const registers = columns / 8
	low := GLOBL(fmt.Sprintf("lowBytes%d", rows), RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(0x00ff00ff))
	}
	blocks, w, scales := pointer("blocks"), pointer("w"), pointer("scales")
	x, xs, xo := pointer("x"), pointer("xScales"), pointer("xOffsets")
	row, c, rowC := pointer("row"), pointer("c"), pointer("rowC")
	add := pointer("add")
	result := func(i, j int) Mem { m := strided(c, rowC, i); m.Disp = 32 * j; return m }
	TESTQ(add, add)
	JNZ(LabelRef("start"))
	none := YMM()
	VPXOR(none, none, none)
	for i := range rows {
		for j := range registers {
			VMOVUPS(none, result(i, j))
		}
	}
	Label("start")
	row4, row32 := GP64(), GP64()
	MOVQ(row, row4)
	SHLQ(Imm(2), row4)
	MOVQ(row, row32)
	SHLQ(Imm(5), row32)

	Label("loop")
	sums := make([]reg.VecVirtual, rows*registers)
	for i := range sums {
		sums[i] = YMM()
		VPBROADCASTD(strided(xo, row4, i/registers), sums[i])
	}
	for g := range block / 4 {
		even, odd := make([]reg.VecVirtual, rows), make([]reg.VecVirtual, rows)
		for i := range rows {
			even[i], odd[i] = YMM(), YMM()
			four := strided(x, row32, i)
			four.Disp = 4 * g
			VPBROADCASTD(four, odd[i])
			VPSLLW(Imm(8), odd[i], even[i])
			VPSRAW(Imm(8), even[i], even[i])
			VPSRAW(Imm(8), odd[i], odd[i])
		}
		for j := range registers {
			w0, w1, t := YMM(), YMM(), YMM()
			VMOVDQU(Mem{Base: w, Disp: 4*columns*g + 32*j}, w1)
			VPAND(low, w1, w0)
			VPSRLW(Imm(8), w1, w1)
			for i := range rows {
				VPMADDWD(even[i], w0, t)
				VPADDD(t, sums[i*registers+j], sums[i*registers+j])
				VPMADDWD(odd[i], w1, t)
				VPADDD(t, sums[i*registers+j], sums[i*registers+j])
			}
		}
	}
	for j := range registers {
		s := YMM()
		VCVTPH2PS(Mem{Base: scales, Disp: 16 * j}, s)
		for i := range rows {
			t, acc, sum := YMM(), YMM(), sums[i*registers+j]
			VBROADCASTSS(strided(xs, row4, i), t)
			VMULPS(t, s, t)
			VCVTDQ2PS(sum, sum)
			VMOVUPS(result(i, j), acc)
			VFMADD231PS(sum, t, acc)
			VMOVUPS(acc, result(i, j))
		}
	}
	ADDQ(U32(block*columns), w)
	ADDQ(Imm(2*columns), scales)
	ADDQ(Imm(block), x)
	ADDQ(Imm(4), xs)
	ADDQ(Imm(4), xo)
	DECQ(blocks)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// smallAVX2 is small with registers of eight numbers.
func smallAVX2() {
	TEXT("smallAVX2", NOSPLIT, "func(n int64, x *float32, q *int8, scales *float32, offsets *int32)")
	Pragma("noescape")
	order := GLOBL("packedOrder", RODATA|NOPTR)
	for i, at := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} { // two packs leave quarters like this
		DATA(4*i, U32(at))
	}
	n, x, q, scales, offsets := pointer("n"), pointer("x"), pointer("q"), pointer("scales"), pointer("offsets")
	mask, places, top, f127 := YMM(), YMM(), GP32(), XMM()
	MOVL(U32(0x7fffffff), top)
	VMOVD(top, mask.AsX())
	VPBROADCASTD(mask.AsX(), mask)
	VMOVDQU(order, places)
	MOVL(U32(0x42fe0000), top)
	VMOVD(top, f127)

	Label("loop")
	var v [4]reg.VecVirtual
	m, t := YMM(), YMM()
	for i := range v {
		v[i] = YMM()
		VMOVUPS(Mem{Base: x, Disp: 32 * i}, v[i])
		if i == 0 {
			VPAND(v[i], mask, m)
			continue
		}
		VPAND(v[i], mask, t)
		VPMAXUD(t, m, m)
	}
	foldHalf(m, func(a, b, c reg.Register) { VPMAXUD(a, b, c) })
	VMOVD(m.AsX(), top)
	CMPL(top, U32((127-100)<<23))
	JB(LabelRef("zero"))
	CMPL(top, U32(0x7f800000))
	JAE(LabelRef("bad"))

	d, inverse := XMM(), YMM()
	VDIVSS(m.AsX(), f127, d) // 127 / largest
	VBROADCASTSS(d, inverse)
	for i := range v {
		VMULPS(inverse, v[i], v[i])
		VCVTPS2DQ(v[i], v[i])
	}
	p, s := YMM(), YMM()
	VPACKSSDW(v[1], v[0], p)
	VPACKSSDW(v[3], v[2], s)
	VPACKSSWB(s, p, p)
	VPERMD(p, places, p)
	VMOVDQU(p, Mem{Base: q})
	VDIVSS(f127, m.AsX(), s.AsX())
	VMOVSS(s.AsX(), Mem{Base: scales})
	for _, more := range v[1:] {
		VPADDD(more, v[0], v[0])
	}
	foldHalf(v[0], func(a, b, c reg.Register) { VPADDD(a, b, c) })
	smallEnd(v[0], n, x, q, scales, offsets)
}
