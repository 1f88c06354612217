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
func row(groups int, half bool) {
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
	TEXT(fmt.Sprintf("%s%dx32AVX512", name, groups), NOSPLIT, "func(k int64, a *float32, "+args+"stepB int64, c *float32, add int64)")
	Pragma("noescape")
	k, a, stepB, c := pointer("k"), pointer("a"), pointer("stepB"), pointer("c")
	var b, next []reg.Register
	for g := range groups {
		b = append(b, pointer(fmt.Sprintf("b%d", g)))
	}
	acc := make([]reg.VecVirtual, 2*groups)
	for i := range acc {
		acc[i] = ZMM()
	}
	add := pointer("add")
	TESTQ(add, add)
	JZ(LabelRef("zero"))
	for i := range acc {
		VMOVUPS(Mem{Base: c, Disp: 64 * i}, acc[i])
	}
	JMP(LabelRef("start"))
	Label("zero")
	for i := range acc {
		VPXORD(acc[i], acc[i], acc[i])
	}
	Label("start")
	for g := range groups {
		next = append(next, pointer(fmt.Sprintf("n%d", g)))
	}
	Label("loop")
	t := ZMM()
	VBROADCASTSS(Mem{Base: a}, t)
	for g, p := range b {
		for at := 0; at < width*32; at += 64 {
			PREFETCHT0(Mem{Base: next[g], Disp: at})
		}
		for i := range 2 {
			if half {
				u := ZMM()
				VCVTPH2PS(Mem{Base: p, Disp: 32 * i}, u)
				VFMADD231PS(u, t, acc[2*g+i])
			} else {
				VFMADD231PS(Mem{Base: p, Disp: 64 * i}, t, acc[2*g+i])
			}
		}
		ADDQ(stepB, p)
		ADDQ(stepB, next[g])
	}
	ADDQ(Imm(4), a)
	DECQ(k)
	JNZ(LabelRef("loop"))
	for i := range acc {
		VMOVUPS(acc[i], Mem{Base: c, Disp: 64 * i})
	}
	VZEROUPPER()
	RET()
}
