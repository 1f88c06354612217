package native

import (
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// rotary holds cosines and sines by position and pair. Pairs are (j, j+half), as
// in Hugging Face's weights.
type rotary struct {
	half             int
	frequency        []float64
	cos, sin, negSin []float32
}

func newRotary(s engine.Shape) *rotary {
	t := &rotary{half: s.HeadDim() / 2}
	step := float64(-2*r0.Log64(float64(s.RopeTheta))) / float64(s.HeadDim())
	for j := range t.half {
		t.frequency = append(t.frequency, s.RopeScaling.Scale(r0.Exp64(float64(float64(j)*step))))
	}
	return t
}

// grow makes the table cover n positions.
func (t *rotary) grow(n int) {
	for p := len(t.cos) / t.half; p < n; p++ {
		for _, f := range t.frequency {
			angle := float64(float64(p) * f)
			s := float32(r0.Sin64(angle))
			t.cos, t.sin, t.negSin = append(t.cos, float32(r0.Cos64(angle))), append(t.sin, s), append(t.negSin, -s)
		}
	}
}

// turn rotates heads consecutive heads of one row by a position; back undoes it.
func (t *rotary) turn(set *kernel.Set, row []float32, heads, position int, back bool) {
	from, to := position*t.half, (position+1)*t.half
	sin := t.sin
	if back {
		sin = t.negSin
	}
	for h := range heads {
		x := row[2*h*t.half:]
		set.Rotate(x[:t.half], x[t.half:2*t.half], t.cos[from:to], sin[from:to])
	}
}
