package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// row emits the product of one row with several groups of 32 columns, each with a
// pointer of its own; stepB, in bytes, is from one row of a group to the next. Each
// output is one chain of FMAs in increasing k, begun from C or from zero. With
// half, the columns are numbers of 16 bits. What lies at the pointers n, as far
// apart, is asked for meanwhile: the machine does not foresee where it goes on.
func (m machine) row(groups int, half bool) {
	name, kind, width := "row", "float32", 4
	if half {
		name, kind, width = "rowHalf", "uint16", 2
	}
	args := ""
	for g := range groups {
		args += fmt.Sprintf("b%d *%s, ", g, kind)
	}
	for g := range groups {
		args += fmt.Sprintf("n%d *%s, ", g, kind)
	}
	TEXT(fmt.Sprintf("%s%dx32%s", name, groups, m.name), NOSPLIT, "func(k int64, a *float32, "+args+"stepB int64, c *float32, add int64)")
	Pragma("noescape")
	k, a, stepB, c := pointer("k"), pointer("a"), pointer("stepB"), pointer("c")
	var b, next []reg.Register
	for g := range groups {
		b = append(b, pointer(fmt.Sprintf("b%d", g)))
	}
	each := columns / m.lanes
	acc := make([]reg.VecVirtual, each*groups)
	for i := range acc {
		acc[i] = m.reg()
	}
	add := pointer("add")
	TESTQ(add, add)
	JZ(LabelRef("zero"))
	for i := range acc {
		VMOVUPS(Mem{Base: c, Disp: 4 * m.lanes * i}, acc[i])
	}
	JMP(LabelRef("start"))
	Label("zero")
	for i := range acc {
		m.zero(acc[i])
	}
	Label("start")
	for g := range groups {
		next = append(next, pointer(fmt.Sprintf("n%d", g)))
	}
	Label("loop")
	t := m.reg()
	VBROADCASTSS(Mem{Base: a}, t)
	for g, p := range b {
		for at := 0; at < width*32; at += 64 {
			PREFETCHT0(Mem{Base: next[g], Disp: at})
		}
		for i := range each {
			if half {
				u := m.reg()
				VCVTPH2PS(Mem{Base: p, Disp: 2 * m.lanes * i}, u)
				VFMADD231PS(u, t, acc[each*g+i])
			} else {
				VFMADD231PS(Mem{Base: p, Disp: 4 * m.lanes * i}, t, acc[each*g+i])
			}
		}
		ADDQ(stepB, p)
		ADDQ(stepB, next[g])
	}
	ADDQ(Imm(4), a)
	DECQ(k)
	JNZ(LabelRef("loop"))
	for i := range acc {
		VMOVUPS(acc[i], Mem{Base: c, Disp: 4 * m.lanes * i})
	}
	VZEROUPPER()
	RET()
}
