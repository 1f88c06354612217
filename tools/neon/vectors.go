package main

import (
	"fmt"
	"math"
	"strings"
)

// The Go assembler has no vector arithmetic on floats but the fused product, so
// instructions are spelled as words: three registers, d = n op m, four lanes each.
const (
	addFloat  = 0x4e20d400
	subFloat  = 0x4ea0d400
	mulFloat  = 0x6e20dc00
	divFloat  = 0x6e20fc00
	rootFloat = 0x6ea1f800 // of n
	greater   = 0x6ea0e400 // all ones where n > m
	choose    = 0x6e601c00 // n where d has ones, else m
	addInt    = 0x4ea08400
	shift23   = 0x4f375400 // n to the left by 23 bits
)

func op(code uint32, d, n, m int) { line("WORD $0x%08x", code|uint32(m)<<16|uint32(n)<<5|uint32(d)) }

func add(d, n, m int) { op(addFloat, d, n, m) }
func sub(d, n, m int) { op(subFloat, d, n, m) }
func mul(d, n, m int) { op(mulFloat, d, n, m) }
func div(d, n, m int) { op(divFloat, d, n, m) }

// A function is one kernel on blocks of 16 elements. Its first argument is n, the
// number of blocks, in R0; pointers are in R1 and up, in the order given.
type function struct {
	pointers map[string]int
	spread   int // the next register for a number in all lanes, going down
}

// begin emits the head of a function. Arguments are pointers, or with a final
// dollar sign float32, which get a register with the number in all lanes.
func begin(name string, arguments ...string) (f *function, numbers map[string]int) {
	f, numbers = &function{map[string]int{}, 31}, map[string]int{}
	signature, offset := "n int64", 8
	var loads []string
	for _, a := range arguments {
		n, number := strings.CutSuffix(a, "$")
		if number {
			signature += fmt.Sprintf(", %s float32", n)
			numbers[n] = f.register()
			loads = append(loads, fmt.Sprintf("MOVWU %s+%d(FP), R19", n, offset), fmt.Sprintf("VDUP R19, V%d.S4", numbers[n]))
			offset += 4
			continue
		}
		offset = (offset + 7) &^ 7
		f.pointers[n] = 1 + len(f.pointers)
		signature += fmt.Sprintf(", %s *float32", n)
		loads = append(loads, fmt.Sprintf("MOVD %s+%d(FP), R%d", n, offset, f.pointers[n]))
		offset += 8
	}
	fmt.Printf("\n// func %sNEON(%s)\nTEXT ·%sNEON(SB), NOSPLIT, $0-%d\n", name, signature, name, offset)
	line("MOVD n+0(FP), R0")
	for _, l := range loads {
		line("%s", l)
	}
	return f, numbers
}

func (f *function) register() int {
	f.spread--
	return f.spread + 1
}

// constant gives a number, or other bits, in all lanes.
func (f *function) constant(x float32) int { return f.bits(math.Float32bits(x)) }

func (f *function) bits(u uint32) int {
	r := f.register()
	line("MOVD $0x%08x, R19", u)
	line("VDUP R19, V%d.S4", r)
	return r
}

func (f *function) load(p string, to int) { line("VLD1 (R%d), [V%d.S4]", f.pointers[p], to) }

// next loads and moves on.
func (f *function) next(p string, to int) { line("VLD1.P 16(R%d), [V%d.S4]", f.pointers[p], to) }

// store stores and moves on.
func (f *function) store(from int, p string) {
	line("VST1.P [V%d.S4], 16(R%d)", from, f.pointers[p])
}

// each repeats body for every four elements.
func (f *function) each(body func()) {
	line("LSL $2, R0, R0")
	fmt.Println("loop:")
	body()
	line("SUB $1, R0, R0")
	line("CBNZ R0, loop")
	line("RET")
}

// reduce repeats body for every block, four elements at a time, with the register
// that holds the lanes of those, V0 to V3.
func (f *function) reduce(body func(acc int)) {
	line("VLD1 (R%d), [V0.S4, V1.S4, V2.S4, V3.S4]", f.pointers["lanes"])
	fmt.Println("loop:")
	for acc := range 4 {
		body(acc)
	}
	line("SUB $1, R0, R0")
	line("CBNZ R0, loop")
	line("VST1 [V0.S4, V1.S4, V2.S4, V3.S4], (R%d)", f.pointers["lanes"])
	line("RET")
}

// exponential prepares the constants of Exp and returns what emits it: of x, which
// it overwrites, into p, with t and n for temporaries.
func (f *function) exponential() func(x, p, t, n int) {
	low, high := f.constant(-88), f.constant(88.37)
	log2E, magic := f.constant(1.44269504), f.constant(0x1.8p23)
	ln2High, ln2Low := f.constant(0.693359375), f.constant(-2.12194440e-4)
	var poly []int
	for _, c := range []float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1} {
		poly = append(poly, f.constant(c))
	}
	one, bias := f.constant(1), f.bits(127)
	return func(x, p, t, n int) {
		op(greater, t, low, x)
		op(choose, t, low, x)
		op(greater, x, t, high)
		op(choose, x, high, t)
		mul(t, x, log2E)
		add(t, t, magic)
		sub(n, t, magic)
		mul(p, n, ln2High)
		sub(x, x, p)
		mul(p, n, ln2Low)
		sub(x, x, p)
		mul(p, poly[0], x)
		for _, c := range poly[1:] {
			add(p, p, c)
			mul(p, p, x)
		}
		mul(p, p, x)
		add(p, p, x)
		add(p, p, one)
		op(addInt, t, t, bias)
		op(shift23, t, t, 0)
		mul(p, p, t)
	}
}

func reductions() {
	f, _ := begin("max", "x", "lanes")
	f.reduce(func(acc int) {
		f.next("x", 4)
		op(greater, 5, acc, 4)
		op(choose, 5, acc, 4)
		line("VORR V5.B16, V5.B16, V%d.B16", acc)
	})
	f, c := begin("expSum", "x", "scale$", "top$", "lanes")
	exp := f.exponential()
	f.reduce(func(acc int) {
		f.load("x", 4)
		mul(4, 4, c["scale"])
		sub(4, 4, c["top"])
		exp(4, 5, 6, 7)
		f.store(5, "x")
		add(acc, acc, 5)
	})
	f, _ = begin("dot", "x", "y", "lanes")
	f.reduce(func(acc int) {
		f.next("x", 4)
		f.next("y", 5)
		mul(4, 4, 5)
		add(acc, acc, 4)
	})
	f, _ = begin("dot3", "x", "y", "z", "lanes")
	f.reduce(func(acc int) {
		f.next("x", 4)
		f.next("y", 5)
		f.next("z", 6)
		mul(4, 4, 5)
		mul(4, 4, 6)
		add(acc, acc, 4)
	})
}

func elementwise() {
	f, c := begin("scale", "x", "a$")
	f.each(func() {
		f.load("x", 0)
		mul(0, 0, c["a"])
		f.store(0, "x")
	})
	f, c = begin("combine", "dst", "a$", "x", "b$", "y")
	f.each(func() {
		f.next("x", 0)
		f.next("y", 1)
		mul(0, c["a"], 0)
		mul(1, c["b"], 1)
		add(0, 0, 1)
		f.store(0, "dst")
	})
	f, c = begin("scaleBy", "dst", "x", "w", "a$")
	f.each(func() {
		f.next("x", 0)
		f.next("w", 1)
		mul(0, 0, c["a"])
		mul(0, 0, 1)
		f.store(0, "dst")
	})
	f, c = begin("normGrad", "dx", "dy", "x", "w", "r$", "s$")
	f.each(func() {
		f.load("dx", 0)
		f.next("dy", 1)
		f.next("x", 2)
		f.next("w", 3)
		mul(1, 1, 3)
		mul(1, 1, c["r"])
		add(0, 0, 1)
		mul(2, 2, c["s"])
		sub(0, 0, 2)
		f.store(0, "dx")
	})
	f, c = begin("addProduct", "dst", "x", "y", "a$")
	f.each(func() {
		f.load("dst", 0)
		f.next("x", 1)
		f.next("y", 2)
		mul(1, 1, 2)
		mul(1, 1, c["a"])
		add(0, 0, 1)
		f.store(0, "dst")
	})
	f, c = begin("softmaxGrad", "d", "p", "s$", "scale$")
	f.each(func() {
		f.load("d", 0)
		f.next("p", 1)
		sub(0, 0, c["s"])
		mul(0, 0, 1)
		mul(0, 0, c["scale"])
		f.store(0, "d")
	})
}

// sigmoid prepares 1/(1+exp(0-g)) of g, into s; the two after it are temporaries.
func (f *function) sigmoid() (emit func(g, s int), one int) {
	exp := f.exponential()
	one = f.constant(1)
	zero := f.bits(0)
	return func(g, s int) {
		sub(s+1, zero, g)
		exp(s+1, s, s+2, s+3)
		add(s, one, s)
		div(s, one, s)
	}, one
}

func activations() {
	f, _ := begin("swiGLU", "dst", "gate", "up")
	sigmoid, _ := f.sigmoid()
	f.each(func() {
		f.next("gate", 0)
		f.next("up", 1)
		sigmoid(0, 2)
		mul(0, 0, 2)
		mul(0, 0, 1)
		f.store(0, "dst")
	})
	f, _ = begin("swiGLUGrad", "dgate", "dup", "d", "gate", "up")
	sigmoid, one := f.sigmoid()
	f.each(func() {
		f.next("gate", 0)
		f.next("up", 1)
		f.next("d", 2)
		sigmoid(0, 3)
		mul(4, 0, 3)
		mul(4, 2, 4)
		f.store(4, "dup")
		sub(4, one, 3)
		mul(4, 0, 4)
		add(4, one, 4)
		mul(2, 2, 1)
		mul(2, 2, 3)
		mul(2, 2, 4)
		f.store(2, "dgate")
	})
	f, _ = begin("rotate", "lo", "hi", "c", "s")
	f.each(func() {
		f.load("lo", 0)
		f.load("hi", 1)
		f.next("c", 2)
		f.next("s", 3)
		mul(4, 0, 2)
		mul(5, 1, 3)
		sub(4, 4, 5)
		f.store(4, "lo")
		mul(4, 1, 2)
		mul(5, 0, 3)
		add(4, 4, 5)
		f.store(4, "hi")
	})
}

// adamW reads its settings from a struct of float32 in the order of AdamW's fields.
func adamW() {
	f, _ := begin("adamW", "w", "grad", "m", "v", "settings")
	var s [10]int
	for i := range s {
		s[i] = f.register()
		line("MOVWU %d(R%d), R19", 4*i, f.pointers["settings"])
		line("VDUP R19, V%d.S4", s[i])
	}
	f.each(func() {
		f.load("w", 0)
		f.next("grad", 1)
		f.load("m", 2)
		f.load("v", 3)
		mul(1, 1, s[0])
		mul(2, 2, s[1])
		mul(4, 1, s[2])
		add(2, 2, 4)
		f.store(2, "m")
		mul(3, 3, s[3])
		mul(4, 1, 1)
		mul(4, 4, s[4])
		add(3, 3, 4)
		f.store(3, "v")
		mul(3, 3, s[6])
		op(rootFloat, 3, 3, 0)
		add(3, 3, s[7])
		mul(2, 2, s[5])
		div(2, 2, 3)
		mul(4, 0, s[8])
		add(2, 2, 4)
		mul(2, 2, s[9])
		sub(0, 0, 2)
		f.store(0, "w")
	})
}
