package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo/modelfile/half"
)

// TestHalf compares the conversions of scales with those of model files.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		got, want := widen(uint16(h)), half.Float32(uint16(h))
		if got != want && (got == got || want == want) || math.Signbit(float64(got)) != math.Signbit(float64(want)) && got == got {
			t.Fatalf("%#04x is %v, want %v", h, got, want)
		}
	}
	for u := uint32(0); u < math.Float32bits(65520); u += 997 {
		for _, v := range []uint32{u, u &^ 0x1fff, u&^0x1fff | 0x1000, u&^0x1fff | 0x1001} {
			f := math.Float32frombits(v)
			if got, want := narrow(f), half.FromFloat32(f); f < 65520 && got != want {
				t.Fatalf("%v (%#08x) is %#04x in 16 bits, want %#04x", f, v, got, want)
			}
		}
	}
}

// TestHalfOfAny: of any sign and size too.
func TestHalfOfAny(t *testing.T) {
	for i := uint64(0); i < 1<<32; i += 9973 {
		f := math.Float32frombits(uint32(i))
		if got, want := narrowAny(f), half.FromFloat32(f); got != want && f == f {
			t.Fatalf("%v (%#08x) is %#04x in 16 bits, want %#04x", f, i, got, want)
		} else if f != f && widen(got) == widen(got) {
			t.Fatalf("NaN %#08x is %#04x in 16 bits", i, got)
		}
	}
}

// TestSmall compares how rows are rounded to 8 bits by every kernel.
func TestSmall(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 3))
		x := make([]float32, 1+rng.IntN(300))
		for i := range x {
			x[i] = float32(rng.NormFloat64() * math.Exp2(float64(rng.IntN(9))))
			switch rng.IntN(400) {
			case 0:
				x[i] = math.Float32frombits(rng.Uint32()) // anything
			case 1:
				x[i] = float32(math.Inf(1 - 2*rng.IntN(2)))
			case 2:
				x[i] = float32(math.NaN())
			}
		}
		if scale := rng.IntN(6); scale < 2 {
			for i := range x[:len(x)/2] { // halves, and blocks that are tiny or zero
				x[i] = []float32{float32(rng.IntN(255) - 127), float32(rng.IntN(3)) * 0x1p-101}[scale]
			}
		}
		want := NewSmall(2, len(x)+50)
		want.Set(sets[0], 1, x)
		for _, set := range Available() {
			got := NewSmall(2, len(x)+50)
			for i := range got.data {
				got.data[i] = 77 // left over
			}
			got.Set(set, 1, x)
			for b := range (len(x) + block - 1) / block {
				at := want.blocks + b
				same := got.scales[at] == want.scales[at] || got.scales[at] != got.scales[at] && want.scales[at] != want.scales[at]
				if !same || got.offsets[at] != want.offsets[at] || !slices.Equal(got.data[at*block:(at+1)*block], want.data[at*block:(at+1)*block]) {
					t.Fatalf("seed %d, %s: block %d is %v %v %v, want %v %v %v", seed, set.Name(), b, got.scales[at], got.offsets[at],
						got.data[at*block:(at+1)*block], want.scales[at], want.offsets[at], want.data[at*block:(at+1)*block])
				}
			}
		}
	}
}
