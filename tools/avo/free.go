package main

import (
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// free drops what profile R0 asks for: products and sums are fused, reductions run
// in four chains, and divisions are estimates made better once. It is only for
// engine/free-order.sh, which measures what the profile costs. Products of
// matrices stay as they are: their 24 chains side by side hide the latency of the
// FMA already, so no other order of them would be faster.
var free = os.Getenv("CRESCENDO_FREE_ORDER") != ""

// addProduct emits acc += x*y, y being a register; t is overwritten.
func addProduct(x Op, y, acc, t reg.VecVirtual) {
	if free {
		VFMADD231PS(x, y, acc)
		return
	}
	VMULPS(x, y, t)
	VADDPS(t, acc, acc)
}

// subProduct emits acc -= x*y.
func subProduct(x Op, y, acc, t reg.VecVirtual) {
	if free {
		VFNMADD231PS(x, y, acc)
		return
	}
	VMULPS(x, y, t)
	VSUBPS(t, acc, acc)
}

// timesPlus emits p = p*x + c.
func timesPlus(p, x reg.VecVirtual, c Op) {
	if free {
		VFMADD213PS(c, x, p)
		return
	}
	VMULPS(x, p, p)
	VADDPS(c, p, p)
}

// divide emits q = x/y; y is overwritten.
func (m machine) divide(y, x, q reg.VecVirtual) {
	if !free || !m.wide {
		VDIVPS(y, x, q)
		return
	}
	r, e := m.reg(), m.reg()
	VRCP14PS(y, r)
	VMOVUPS(floatConstant("two", 2), e)
	VFNMADD231PS(r, y, e)
	VMULPS(e, r, r)
	VMULPS(r, x, q)
}

// reduceFree is reduce of a sum with four chains.
func (m machine) reduceFree(n, out reg.Register, pointers []reg.Register, body func(half int, acc reg.VecVirtual)) {
	var acc [4]reg.VecVirtual
	for i := range acc {
		acc[i] = m.reg()
		VMOVUPS(Mem{Base: out}, acc[i])
		if i > 0 {
			m.zero(acc[i])
		}
	}
	SUBQ(Imm(4), n)
	JL(LabelRef("tail"))
	Label("loop4")
	for i := range acc {
		body(i, acc[i])
	}
	for _, p := range pointers {
		ADDQ(U32(256), p)
	}
	SUBQ(Imm(4), n)
	JGE(LabelRef("loop4"))
	Label("tail")
	ADDQ(Imm(4), n)
	JZ(LabelRef("done"))
	Label("loop1")
	body(0, acc[0])
	for _, p := range pointers {
		ADDQ(Imm(64), p)
	}
	DECQ(n)
	JNZ(LabelRef("loop1"))
	Label("done")
	for i := 2; i >= 1; i /= 2 {
		for j := range i {
			VADDPS(acc[j+i], acc[j], acc[j])
		}
	}
	VMOVUPS(acc[0], Mem{Base: out})
}
