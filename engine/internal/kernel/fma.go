package kernel

import "math"

// FMA is x*y+z rounded once, in float64 arithmetic. The product of two float32
// is exact in float64, so rounding the float64 sum to float32 is wrong only if
// that sum lies halfway between two float32 (where what the first rounding lost
// decides) or below the normal range, where halfway points look different.
func FMA(x, y, z float32) float32 {
	p := float64(float64(x) * float64(y))
	s := p + float64(z)
	u := math.Float64bits(s)
	if u&(1<<29-1) != 1<<28 && u<<1 >= 897<<53 || u<<1 == 0 {
		return float32(s)
	}
	return roundOnce(p, float64(z), s)
}

// roundOnce redoes the sum s of p and z with rounding to odd, which makes the
// second rounding harmless.
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
