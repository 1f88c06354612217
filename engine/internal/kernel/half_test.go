package kernel

import (
	"math"
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
