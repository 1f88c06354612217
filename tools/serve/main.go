// Command serve writes the assembly that only serving needs, of package
// engine/internal/kernel: products in 8 bits, for machines with AVX-512 VNNI and for
// those with AVX2, and products of one row. Their arithmetic is that of the portable forms beside their
// callers; tests compare the bits.
//
// To regenerate, from the root of the repository:
//
//	go -C tools run ./serve -out ../engine/internal/kernel/serve_amd64.s -stubs ../engine/internal/kernel/serve_stub_amd64.go -pkg kernel
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	block   = 32 // numbers that share a scale
	columns = 32 // of a panel: two registers
)

func main() {
	for _, rows := range []int{6, 4, 2, 1} {
		product(rows)
	}
	for _, rows := range []int{2, 1} {
		productAVX2(rows)
	}
	wide, narrow := machine{"AVX512", 16}, machine{"AVX2", 8}
	for _, groups := range []int{4, 2} {
		wide.row(groups, false)
		wide.row(groups, true)
	}
	for _, groups := range []int{2, 1} {
		narrow.row(groups, false)
		narrow.row(groups, true)
	}
	wide.widen()
	narrow.widen()
	small()
	smallAVX2()
	Generate()
}

// A machine is an instruction set, and how many numbers its registers hold.
type machine struct {
	name  string
	lanes int
}

func (m machine) reg() reg.VecVirtual {
	if m.lanes == 16 {
		return ZMM()
	}
	return YMM()
}

func (m machine) zero(v reg.VecVirtual) {
	if m.lanes == 16 {
		VPXORD(v, v, v)
	} else {
		VXORPS(v, v, v)
	}
}

func pointer(name string) reg.Register { return Load(Param(name), GP64()) }

// product emits the kernel of rows by 32 outputs. row is how many blocks rows of x
// are apart, rowC is in bytes.
func product(rows int) {
	TEXT(fmt.Sprintf("int8x%dVNNI", rows), NOSPLIT,
		"func(blocks int64, w *uint8, scales *uint16, x *int8, xScales *float32, xOffsets *int32, row int64, c *float32, rowC int64, add int64)")
	Pragma("noescape")
	blocks, w, scales := pointer("blocks"), pointer("w"), pointer("scales")
	x, xs, xo := pointer("x"), pointer("xScales"), pointer("xOffsets")
	row := pointer("row")
	sums := make([]reg.VecVirtual, 2*rows)
	acc := make([]reg.VecVirtual, 2*rows)
	for i := range acc {
		sums[i], acc[i] = ZMM(), ZMM()
	}
	begin(rows, acc)

	// Rows of x, of its scales and of its offsets: each base serves three rows.
	row4, row32 := GP64(), GP64()
	MOVQ(row, row4)
	SHLQ(Imm(2), row4)
	MOVQ(row, row32)
	SHLQ(Imm(5), row32)
	bases := bases(rows, x, row32)
	element := func(i, at int) Mem { return indexed(bases, row32, i, at) }

	Label("loop")
	for i := range rows {
		VPBROADCASTD(strided(xo, row4, i), sums[2*i])
		VMOVDQA32(sums[2*i], sums[2*i+1])
	}
	for g := range block / 4 {
		w0, w1 := ZMM(), ZMM()
		VMOVDQU32(Mem{Base: w, Disp: 4 * columns * g}, w0)
		VMOVDQU32(Mem{Base: w, Disp: 4*columns*g + 64}, w1)
		for i := range rows {
			t := ZMM()
			VPBROADCASTD(element(i, 4*g), t)
			VPDPBUSD(t, w0, sums[2*i])
			VPDPBUSD(t, w1, sums[2*i+1])
		}
	}
	s0, s1 := ZMM(), ZMM()
	VCVTPH2PS(Mem{Base: scales}, s0)
	VCVTPH2PS(Mem{Base: scales, Disp: 32}, s1)
	for i := range rows {
		t := ZMM()
		u := ZMM()
		VBROADCASTSS(strided(xs, row4, i), t)
		VMULPS(t, s1, u)
		VMULPS(t, s0, t)
		VCVTDQ2PS(sums[2*i], sums[2*i])
		VCVTDQ2PS(sums[2*i+1], sums[2*i+1])
		VFMADD231PS(sums[2*i], t, acc[2*i])
		VFMADD231PS(sums[2*i+1], u, acc[2*i+1])
	}
	ADDQ(U32(block*columns), w)
	ADDQ(Imm(2*columns), scales)
	for _, b := range bases {
		ADDQ(Imm(block), b)
	}
	ADDQ(Imm(4), xs)
	ADDQ(Imm(4), xo)
	DECQ(blocks)
	JNZ(LabelRef("loop"))
	c, rowC := pointer("c"), pointer("rowC")
	for i := range rows {
		VMOVUPS(acc[2*i], Mem{Base: c})
		VMOVUPS(acc[2*i+1], Mem{Base: c, Disp: 64})
		ADDQ(rowC, c)
	}
	VZEROUPPER()
	RET()
}

// begin sets the results to C or to zero.
func begin(rows int, acc []reg.VecVirtual) {
	add := pointer("add")
	TESTQ(add, add)
	JZ(LabelRef("zero"))
	c, rowC := pointer("c"), pointer("rowC")
	for i := range rows {
		VMOVUPS(Mem{Base: c}, acc[2*i])
		VMOVUPS(Mem{Base: c, Disp: 64}, acc[2*i+1])
		ADDQ(rowC, c)
	}
	JMP(LabelRef("start"))
	Label("zero")
	for _, v := range acc {
		VPXORD(v, v, v)
	}
	Label("start")
}

func bases(rows int, first, stride reg.Register) []reg.Register {
	list := []reg.Register{first}
	for i := 3; i < rows; i += 3 {
		b := GP64()
		LEAQ(Mem{Base: list[len(list)-1], Index: stride, Scale: 2}, b)
		ADDQ(stride, b)
		list = append(list, b)
	}
	return list
}

func indexed(bases []reg.Register, stride reg.Register, i, at int) Mem {
	m := Mem{Base: bases[i/3], Disp: at}
	if i%3 > 0 {
		m.Index, m.Scale = stride, uint8(i%3)
	}
	return m
}

// strided is element i of rows that are stride apart, for what is read once a
// block: the address may be computed.
func strided(base, stride reg.Register, i int) Mem {
	switch i {
	case 0:
		return Mem{Base: base}
	case 1, 2, 4:
		return Mem{Base: base, Index: stride, Scale: uint8(i)}
	}
	t := GP64()
	LEAQ(Mem{Base: base, Index: stride, Scale: uint8(i - 1)}, t) // i is 3 or 5
	return Mem{Base: t, Index: stride, Scale: 1}
}
