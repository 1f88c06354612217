package kernel

import "math"

// FMA is x*y+z rounded once, in float64 arithmetic. The product of two float32
// is exact in float64, so only the sum is rounded before the result is.
func FMA(x, y, z float32) float32 {
	p := float64(float64(x) * float64(y))
	s := p + float64(z)
	if delicate(math.Float64bits(s)) {
		return roundOnce(p, float64(z), s)
	}
	return float32(s)
}

// delicate reports whether rounding a rounded sum again, from float64 to float32,
// might go wrong: if it lies halfway between two float32, where what the first
// rounding lost decides, or is not zero and below the normal range of float32,
// where halfway points look different.
func delicate(u uint64) bool { return u<<35 == 1<<63 || u<<1-1 < 897<<53-1 }

// roundOnce redoes the sum s of p and z with rounding to odd, which makes the
// second rounding harmless.
//
//go:noinline
func roundOnce(p, z, s float64) float32 {
	b := s - p
	lost := (p - (s - b)) + (z - b)
	u := math.Float64bits(s)
	if lost == lost && lost != 0 && u&1 == 0 {
		if (lost > 0) == (s > 0) {
			u++
		} else {
			u--
		}
	}
	return float32(math.Float64frombits(u))
}
