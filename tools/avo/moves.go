package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose emits a kernel that writes n blocks of 8 by 8 transposed: eight rows of src,
// 8n long, become 8n rows of dst, 8 wide. Strides are in bytes.
func transpose() {
	TEXT("transpose8", NOSPLIT, "func(n int64, dst *float32, rowDst int64, src *float32, rowSrc int64)")
	Pragma("noescape")
	n, dst, rowDst := pointer("n"), pointer("dst"), pointer("rowDst")
	src, rowSrc := pointer("src"), pointer("rowSrc")
	Label("loop")
	var r [8]reg.VecVirtual
	p := GP64()
	MOVQ(src, p)
	for i := range r {
		r[i] = YMM()
		VMOVUPS(Mem{Base: p}, r[i])
		if i < 7 {
			ADDQ(rowSrc, p)
		}
	}
	var t [8]reg.VecVirtual
	for i := 0; i < 8; i += 2 {
		t[i], t[i+1] = YMM(), YMM()
		VUNPCKLPS(r[i+1], r[i], t[i])
		VUNPCKHPS(r[i+1], r[i], t[i+1])
	}
	var u [8]reg.VecVirtual
	for i := 0; i < 8; i += 4 {
		for j := range 2 {
			u[i+2*j], u[i+2*j+1] = YMM(), YMM()
			VSHUFPS(Imm(0x44), t[i+2+j], t[i+j], u[i+2*j])
			VSHUFPS(Imm(0xee), t[i+2+j], t[i+j], u[i+2*j+1])
		}
	}
	for half := range 2 {
		for i := range 4 {
			v := YMM()
			VPERM2F128(Imm(uint64(0x20+0x11*half)), u[i+4], u[i], v)
			VMOVUPS(v, Mem{Base: dst})
			ADDQ(rowDst, dst)
		}
	}
	ADDQ(Imm(32), src)
	DECQ(n)
	JNZ(LabelRef("loop"))
	end()
}

// cpuid emits access to the two instructions that say what the machine can do.
func cpuid() {
	TEXT("cpuid", NOSPLIT, "func(leaf, sub uint32) (a, b, c, d uint32)")
	Load(Param("leaf"), reg.EAX)
	Load(Param("sub"), reg.ECX)
	CPUID()
	Store(reg.EAX, Return("a"))
	Store(reg.EBX, Return("b"))
	Store(reg.ECX, Return("c"))
	Store(reg.EDX, Return("d"))
	RET()

	TEXT("xgetbv", NOSPLIT, "func() (a, d uint32)")
	XORL(reg.ECX, reg.ECX)
	XGETBV()
	Store(reg.EAX, Return("a"))
	Store(reg.EDX, Return("d"))
	RET()
}
