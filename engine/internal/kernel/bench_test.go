package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// best repeats f and returns its shortest time in seconds, which is what other
// work on the machine disturbs least.
func best(b *testing.B, f func()) float64 {
	shortest := time.Hour
	for b.Loop() {
		start := time.Now()
		f()
		shortest = min(shortest, time.Since(start))
	}
	return shortest.Seconds()
}

// BenchmarkProducts has the products of a training step of the 12-million model,
// and small ones. Forward reads a packed factor; back a direct one; weights a
// transposed left one.
func BenchmarkProducts(b *testing.B) {
	for _, s := range Available()[1:] {
		for _, c := range []struct {
			kind    string
			m, n, k int
		}{
			{"forward", 64, 64, 64}, {"forward", 192, 384, 384}, {"forward", 192, 1152, 384}, {"forward", 192, 2048, 384}, {"forward", 192, 384, 1024}, {"forward", 64, 4096, 384},
			{"back", 192, 384, 1152}, {"back", 192, 384, 2048}, {"back", 192, 1024, 384}, {"back", 64, 384, 4096},
			{"weights", 384, 384, 2048}, {"weights", 1152, 384, 2048}, {"weights", 4096, 384, 64}, {"weights", 384, 1024, 2048},
		} {
			b.Run(fmt.Sprintf("%s/%s/%dx%dx%d", s.name, c.kind, c.m, c.n, c.k), func(b *testing.B) {
				x, y, z, w := make([]float32, c.m*c.k), make([]float32, c.k*c.n), make([]float32, c.m*c.n), new(Scratch)
				left, right := Left{x, c.k, 1}, Right{Data: y, Row: c.n}
				if c.kind == "weights" {
					left = Left{x, 1, c.m}
				}
				if c.kind == "forward" {
					packed := make([]float32, s.PackedLen(c.k, c.n))
					s.Pack(packed, y, c.k, c.k, c.n, 0, s.Panels(c.n))
					right = Right{Data: packed, Packed: true}
				}
				seconds := best(b, func() { s.Multiply(c.m, c.n, c.k, left, right, z, c.n, c.kind == "weights", w) })
				b.ReportMetric(2*float64(c.m*c.n*c.k)/seconds/1e9, "best-GFLOP/s")
			})
		}
	}
}

// BenchmarkPairs has a product of pairs in cache, by instructions and emulated; a pair
// is four operations.
func BenchmarkPairs(b *testing.B) {
	const n = 96
	for _, s := range pairSets() {
		b.Run(s.name, func(b *testing.B) {
			x, y, z, w := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n), new(Scratch)
			s.Pairs(x, noise(rand.New(rand.NewPCG(1, 1)), 2*n*n, false))
			s.Pairs(y, noise(rand.New(rand.NewPCG(1, 2)), 2*n*n, false))
			seconds := best(b, func() { s.Multiply(n, n, n, Left{x, n, 1}, Right{Data: y, Row: n}, z, n, false, w) })
			b.ReportMetric(4*n*n*n/seconds/1e9, "best-GFLOP/s")
		})
	}
}

// BenchmarkInt8 has products in 8 bits of a panel's columns with few and many rows,
// in cache, and what they and attention need besides.
func BenchmarkInt8(b *testing.B) {
	const in, out, step = 384, 384, 64
	rng := rand.New(rand.NewPCG(1, 1))
	m := NewInt8(out, in)
	for j := range out {
		if err := m.SetRow(j, noise(rng, in, false)); err != nil {
			b.Fatal(err)
		}
	}
	a, wide := noise(rng, in, false), noise(rng, step*in, false)
	half, at := make([]uint16, len(wide)), []int{0, GroupColumns}
	Narrow(half, wide)
	for _, s := range Available() {
		x, y := NewSmall(48, in), make([]float32, 48*out)
		for r := range 48 {
			x.Set(s, r, noise(rng, in, false))
		}
		for _, rows := range []int{1, 2, 6, 48} {
			b.Run(fmt.Sprintf("%s/product/%dx%dx%d", s.name, rows, out, in), func(b *testing.B) {
				seconds := best(b, func() { m.Multiply(s, rows, x, 0, 1, y, out, false) })
				b.ReportMetric(2*float64(rows*out*in)/seconds/1e9, "best-GOP/s")
			})
		}
		for _, c := range []struct {
			name string
			n    int
			f    func()
		}{
			{"round", in, func() { x.Set(s, 0, a) }},
			{"widen", len(half), func() { s.Widen(wide, half) }},
			{"row", len(half), func() { s.RowGroups(in, a, wide, at, nil, step, y, false) }},
			{"rowHalf", len(half), func() { s.RowGroupsHalf(in, a, half, at, nil, step, y, false) }},
		} {
			b.Run(s.name+"/"+c.name, func(b *testing.B) {
				b.ReportMetric(float64(c.n)/best(b, c.f)/1e9, "best-Gelements/s")
			})
		}
	}
}

func BenchmarkVectors(b *testing.B) {
	const n = 4096
	rng := rand.New(rand.NewPCG(1, 1))
	fresh := func() []float32 { return noise(rng, n, false) }
	x, y, z, out, other := fresh(), fresh(), fresh(), fresh(), fresh()
	cos, sin, second := fresh(), fresh(), fresh()
	for i := range cos { // a true rotation, so that what is turned keeps its size
		cos[i], sin[i], second[i] = 0.8, 0.6, 1
	}
	o := AdamW{GradScale: 1, Beta1: 0.9, Rest1: 0.1, Beta2: 0.999, Rest2: 0.001, Correct1: 2, Correct2: 3, Eps: 1e-8, LR: 1e-9}
	for _, s := range Available() {
		for _, c := range []struct {
			name string
			f    func()
		}{
			{"dot", func() { s.Dot(x, y) }},
			{"expSum", func() { s.ExpSum(other, 0, 1) }}, // stays near exp(-1)
			{"swiGLU", func() { s.SwiGLU(out, y, z) }},
			{"swiGLUGrad", func() { s.SwiGLUGrad(out, other, x, y, z) }},
			{"rotate", func() { s.Rotate(out, other, cos, sin) }},
			{"adamW", func() { s.AdamW(out, x, other, second, &o) }},
			{"combine", func() { s.Combine(out, 1, x, 2, y) }},
			{"normGrad", func() { s.NormGrad(out, x, y, z, 1e-9, 1e-9) }},
		} {
			b.Run(s.name+"/"+c.name, func(b *testing.B) {
				b.ReportMetric(n/best(b, c.f)/1e9, "best-Gelements/s")
			})
		}
	}
}
