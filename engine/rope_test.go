package engine

import (
	"math"
	"testing"
)

// TestRopeScaling has figures worked out from the definition of the method: with
// an original context of 8192, frequencies that turn more than 4 times in it
// stay, those that turn less than once are divided by 8.
func TestRopeScaling(t *testing.T) {
	llama := RopeScaling{Kind: RopeLlama3, Factor: 8, LowFactor: 1, HighFactor: 4, Original: 8192}
	per := 2 * math.Pi / 8192
	for _, c := range []struct {
		scaling RopeScaling
		f, want float64
	}{
		{RopeScaling{}, 0.3, 0.3}, {RopeScaling{Kind: RopeLinear, Factor: 4}, 0.3, 0.075},
		{llama, 1, 1}, {llama, 4.01 * per, 4.01 * per}, {llama, 0.99 * per, 0.99 * per / 8},
		{llama, 2.5 * per, 2.5 * per * (0.5 + 0.5/8)}, {llama, 1e-9, 1.25e-10},
	} {
		if got := c.scaling.Scale(c.f); math.Abs(got-c.want) > 1e-12*c.want {
			t.Errorf("%+v scales %v to %v, want %v", c.scaling, c.f, got, c.want)
		}
	}
}
