package kernel

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/vectors.txt anew")

const vectorsFile = "testdata/vectors.txt"

// sequence is n values that are easy to write down in any language: element i is
// ((i*a + b) mod 17 - 8) / d, exact in float32 for d a power of two.
func sequence(n, a, b int, d float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32((i*a+b)%17-8) / d
	}
	return x
}

// vectors has a line for every primitive of profile R0: its name, and the bits
// of its results on short inputs that docs/formats/numerics.md names.
func vectors(s *Set) string {
	var b strings.Builder
	put := func(name string, x ...float32) {
		fmt.Fprintf(&b, "%s", name)
		for _, v := range x {
			fmt.Fprintf(&b, " %08x", math.Float32bits(v))
		}
		b.WriteByte('\n')
	}
	const n = 21 // a block of 16 and a rest
	x, y, z := sequence(n, 5, 1, 4), sequence(n, 7, 3, 8), sequence(n, 11, 2, 2)
	u, v := sequence(n, 3, 9, 16), sequence(n, 13, 4, 4)
	fresh := func(x []float32) []float32 { return append([]float32(nil), x...) }
	for _, a := range []float32{0, 1, -1, 0.5, 10, -87, -88, 88.37, 89} {
		put(fmt.Sprintf("exp(%v)", a), Exp(a))
	}
	put("fma(1+2^-12, 1+2^-12, -1)", FMA(1+0x1p-12, 1+0x1p-12, -1))
	put("fma(1+2^-23, 1-2^-23, -1)", FMA(1+0x1p-23, 1-0x1p-23, -1))
	put("fma(2^-149, 0.5, 2^-149)", FMA(0x1p-149, 0.5, 0x1p-149))
	put("max(x)", s.Max(x))
	put("dot(x, y)", s.Dot(x, y))
	put("dot3(x, y, z)", s.Dot3(x, y, z))
	e := fresh(x)
	put("expSum(x, 0.7, 0.3)", append(e, s.ExpSum(e, 0.7, 0.3))...)
	e = fresh(x)
	s.Scale(e, 0.3)
	put("scale(x, 0.3)", e...)
	s.Combine(e, 0.3, x, 0.7, y)
	put("combine(0.3, x, 0.7, y)", e...)
	s.ScaleBy(e, x, y, 0.3)
	put("scaleBy(x, y, 0.3)", e...)
	e = fresh(x)
	s.NormGrad(e, y, z, u, 0.3, 0.7)
	put("normGrad(x, y, z, u, 0.3, 0.7)", e...)
	e = fresh(x)
	s.AddProduct(e, y, z, 0.3)
	put("addProduct(x, y, z, 0.3)", e...)
	e = fresh(x)
	s.SoftmaxGrad(e, y, 0.3, 0.7)
	put("softmaxGrad(x, y, 0.3, 0.7)", e...)
	s.SwiGLU(e, x, y)
	put("swiGLU(x, y)", e...)
	f := fresh(x)
	s.SwiGLUGrad(e, f, z, x, y)
	put("swiGLUGrad(z, x, y).gate", e...)
	put("swiGLUGrad(z, x, y).up", f...)
	e, f = fresh(x), fresh(y)
	s.Rotate(e, f, u, v)
	put("rotate(x, y, u, v).low", e...)
	put("rotate(x, y, u, v).high", f...)
	w, m1, m2 := fresh(x), fresh(u), fresh(u)
	for i := range m2 {
		m2[i] = m2[i] * m2[i]
	}
	s.AdamW(w, y, m1, m2, &AdamW{GradScale: 0.3, Beta1: 0.9, Rest1: 1 - float32(0.9), Beta2: 0.99, Rest2: 1 - float32(0.99), Correct1: 10, Correct2: 100, Eps: 1e-8, Decay: 0.1, LR: 0.01})
	put("adamW(x, y, u, u*u).w", w...)
	put("adamW(x, y, u, u*u).m", m1...)
	put("adamW(x, y, u, u*u).v", m2...)
	product := make([]float32, 9)
	for i := range x {
		x[i] /= 3 // so that sums round
	}
	s.Multiply(3, 3, 7, Left{x, 7, 1}, Right{Data: y, Row: 3}, product, 3, false, new(Scratch))
	put("multiply(x/3 as 3 by 7, y as 7 by 3)", product...)
	return b.String()
}

// TestGoldenVectors compares every kernel with the published vectors.
func TestGoldenVectors(t *testing.T) {
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsFile, []byte(vectors(sets[0])), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(want), "\n")
	for _, s := range Available() {
		for i, got := range strings.Split(vectors(s), "\n") {
			if i >= len(lines) || got != lines[i] {
				t.Errorf("%s, line %d of %s: got %q", s.name, i+1, vectorsFile, got)
			}
		}
	}
}
