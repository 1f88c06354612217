package half

import (
	"math"
	"testing"
)

// Every 16-bit pattern survives the way there and back.
func TestEveryPattern(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f, b := Float32(h), BrainFloat32(h)
		if f != f {
			if got := Float32(FromFloat32(f)); got == got {
				t.Errorf("binary16 %04x: NaN became %v", h, got)
			}
		} else if got := FromFloat32(f); got != h {
			t.Errorf("binary16 %04x is %v, which narrows to %04x", h, f, got)
		}
		if b != b {
			if got := BrainFloat32(BrainFromFloat32(b)); got == got {
				t.Errorf("bfloat16 %04x: NaN became %v", h, got)
			}
		} else if got := BrainFromFloat32(b); got != h {
			t.Errorf("bfloat16 %04x is %v, which narrows to %04x", h, b, got)
		}
	}
}

// nearest is the definition of rounding: of the two neighbours the nearer, of
// two equally near the one with the even pattern.
func nearest(f float32, low uint16, widen func(uint16) float32) uint16 {
	a, b := math.Abs(float64(f)-float64(widen(low))), math.Abs(float64(widen(low+1))-float64(f))
	if a < b || a == b && low&1 == 0 {
		return low
	}
	return low + 1
}

// Between two neighbouring 16-bit numbers the quarter points, the middle and what
// lies just beside it go to the nearer one.
func TestRoundsToNearestEven(t *testing.T) {
	for _, format := range []struct {
		name   string
		widen  func(uint16) float32
		narrow func(float32) uint16
		last   uint16 // the greatest finite number
	}{{"binary16", Float32, FromFloat32, 0x7bff}, {"bfloat16", BrainFloat32, BrainFromFloat32, 0x7f7f}} {
		for low := uint16(0); low < format.last; low++ {
			a, b := float64(format.widen(low)), float64(format.widen(low+1))
			middle := float32((a + b) / 2)
			for _, f := range []float32{float32(a + (b-a)/4), float32(a + (b-a)*3/4), middle,
				math.Nextafter32(middle, 0), math.Nextafter32(middle, math.MaxFloat32)} {
				want := nearest(f, low, format.widen)
				if got := format.narrow(f); got != want {
					t.Fatalf("%s: %v narrows to %04x, want %04x", format.name, f, got, want)
				}
				if got := format.narrow(-f); got != want|0x8000 {
					t.Fatalf("%s: %v narrows to %04x, want %04x", format.name, -f, got, want|0x8000)
				}
			}
		}
	}
}

func TestOverflow(t *testing.T) {
	for f, want := range map[float32]uint16{65519.996: 0x7bff, 65520: 0x7c00, math.MaxFloat32: 0x7c00, float32(math.Inf(-1)): 0xfc00} {
		if got := FromFloat32(f); got != want {
			t.Errorf("%v narrows to %04x, want %04x", f, got, want)
		}
	}
	if got := BrainFromFloat32(math.MaxFloat32); got != 0x7f80 {
		t.Errorf("the greatest float32 narrows to bfloat16 %04x, want infinity", got)
	}
}
