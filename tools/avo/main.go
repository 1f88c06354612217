// Command avo writes the assembly of package engine/internal/kernel.
//
// Every kernel exists once here and is emitted for AVX2 and for AVX-512. The
// arithmetic of each must be that of its twin in engine/internal/kernel/portable.go,
// operation by operation; the tests of that package compare the bits.
//
// To regenerate, from the root of the repository:
//
//	go -C tools run ./avo -out ../engine/internal/kernel/kernel_amd64.s -stubs ../engine/internal/kernel/stub_amd64.go -pkg kernel
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	cpuid()
	for _, m := range []machine{{name: "AVX512", wide: true}, {name: "AVX2"}} {
		m.vectors()
		for _, rows := range m.tileRows() {
			m.gemm(rows)
		}
	}
	transpose()
	Generate()
}

// A machine is an instruction set to emit for.
type machine struct {
	name string
	wide bool // 512 bits
}

// width is the number of lanes of a register.
func (m machine) width() int {
	if m.wide {
		return 16
	}
	return 8
}

func (m machine) tileRows() []int {
	if m.wide {
		return []int{12, 8, 4, 2, 1}
	}
	return []int{6, 4, 2, 1}
}

func (m machine) reg() reg.VecVirtual {
	if m.wide {
		return ZMM()
	}
	return YMM()
}

func (m machine) zero(v reg.VecVirtual) {
	if m.wide {
		VPXORD(v, v, v)
	} else {
		VXORPS(v, v, v)
	}
}

// start begins a function that the garbage collector need not trace.
func (m machine) start(name, signature string) {
	TEXT(name+m.name, NOSPLIT, signature)
	Pragma("noescape")
}

// spread loads a float32 argument into every lane.
func (m machine) spread(name string) reg.VecVirtual {
	x := Load(Param(name), XMM())
	v := m.reg()
	VBROADCASTSS(x, v)
	return v
}

func pointer(name string) reg.Register { return Load(Param(name), GP64()) }

var constants = map[uint32]Mem{}

// constant is a memory operand that holds the bits in each of 16 lanes.
func constant(name string, bits uint32) Mem {
	if c, ok := constants[bits]; ok {
		return c
	}
	c := GLOBL(name, RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(bits))
	}
	constants[bits] = c
	return c
}

// loop repeats body for each of n blocks of 16 elements; the AVX2 body sees each
// block as two halves. Every pointer moves on by one register's width.
func (m machine) loop(n reg.Register, pointers []reg.Register, body func()) {
	if !m.wide {
		ADDQ(n, n)
	}
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	body()
	for _, p := range pointers {
		ADDQ(Imm(uint64(4*m.width())), p)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("done")
}

// reduce repeats body for each block of 16 elements. body is given the half of
// the block to work on and the accumulator of that half, which is then stored.
func (m machine) reduce(n, out reg.Register, pointers []reg.Register, body func(half int, acc reg.VecVirtual)) {
	if free && m.wide {
		m.reduceFree(n, out, pointers, body)
	} else {
		m.reduceInOrder(n, out, pointers, body)
	}
}

func (m machine) reduceInOrder(n, out reg.Register, pointers []reg.Register, body func(half int, acc reg.VecVirtual)) {
	halves := 16 / m.width()
	acc := make([]reg.VecVirtual, halves)
	for h := range acc {
		acc[h] = m.reg()
		VMOVUPS(Mem{Base: out, Disp: 4 * h * m.width()}, acc[h])
	}
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	for h := range acc {
		body(h, acc[h])
	}
	for _, p := range pointers {
		ADDQ(Imm(64), p)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("done")
	for h := range acc {
		VMOVUPS(acc[h], Mem{Base: out, Disp: 4 * h * m.width()})
	}
}

func end() {
	VZEROUPPER()
	RET()
}
