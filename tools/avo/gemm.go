package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gemm emits the kernel of one tile: rows by two registers of C. Each element
// is one chain of FMAs in increasing k, begun from C or from zero. A may have any
// strides, B any row stride; all strides are in bytes.
func (m machine) gemm(rows int) {
	const columns = 2
	m.start(fmt.Sprintf("gemm%dx%d", rows, columns*m.width()),
		"func(k int64, a *float32, rowA, stepA int64, b *float32, stepB int64, c *float32, rowC int64, add int64)")
	k, a, rowA, stepA := pointer("k"), pointer("a"), pointer("rowA"), pointer("stepA")
	b, stepB, c, rowC := pointer("b"), pointer("stepB"), pointer("c"), pointer("rowC")
	acc := make([]reg.VecVirtual, rows*columns)
	for i := range acc {
		acc[i] = m.reg()
	}
	m.gemmStart(acc, rows, c, rowC)

	// One base register serves three rows: itself, plus one and plus two strides.
	bases := []reg.Register{a}
	for i := 3; i < rows; i += 3 {
		base := GP64()
		LEAQ(Mem{Base: bases[len(bases)-1], Index: rowA, Scale: 2}, base)
		ADDQ(rowA, base)
		bases = append(bases, base)
	}
	element := func(i int) Mem {
		e := Mem{Base: bases[i/3]}
		if i%3 > 0 {
			e.Index, e.Scale = rowA, uint8(i%3)
		}
		return e
	}
	step := func() {
		bv := make([]reg.VecVirtual, columns)
		for j := range bv {
			bv[j] = m.reg()
			VMOVUPS(Mem{Base: b, Disp: 4 * j * m.width()}, bv[j])
		}
		ADDQ(stepB, b)
		for i := range rows {
			t := m.reg()
			VBROADCASTSS(element(i), t)
			for j := range bv {
				VFMADD231PS(t, bv[j], acc[i*columns+j])
			}
		}
		for _, base := range bases {
			ADDQ(stepA, base)
		}
	}
	SUBQ(Imm(4), k)
	JL(LabelRef("tail"))
	Label("loop4")
	for range 4 {
		step()
	}
	SUBQ(Imm(4), k)
	JGE(LabelRef("loop4"))
	Label("tail")
	ADDQ(Imm(4), k)
	JZ(LabelRef("done"))
	Label("loop1")
	step()
	DECQ(k)
	JNZ(LabelRef("loop1"))
	Label("done")
	for i := range rows {
		for j := range columns {
			VMOVUPS(acc[i*columns+j], Mem{Base: c, Disp: 4 * j * m.width()})
		}
		ADDQ(rowC, c)
	}
	end()
}

// gemmStart sets the accumulators to C or to zero.
func (m machine) gemmStart(acc []reg.VecVirtual, rows int, c, rowC reg.Register) {
	add := pointer("add")
	TESTQ(add, add)
	JZ(LabelRef("zero"))
	cp := GP64()
	MOVQ(c, cp)
	for i := range rows {
		for j := range len(acc) / rows {
			VMOVUPS(Mem{Base: cp, Disp: 4 * j * m.width()}, acc[i*len(acc)/rows+j])
		}
		ADDQ(rowC, cp)
	}
	JMP(LabelRef("start"))
	Label("zero")
	for _, v := range acc {
		m.zero(v)
	}
	Label("start")
}
