package delta

import (
	"math"
	"sort"
)

// A scale is one byte: 0 stands for zero, c for 2^((c-208)/8), from 1.6e-8 to
// 58.7 in steps of an eighth of an octave.
const scaleBias = 208

// sixteenths holds 2^(k/16), rounded to float64.
var sixteenths = [16]float64{
	1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916,
	1.189207115002721, 1.241857812073484, 1.2968395546510096, 1.3542555469368927,
	1.4142135623730951, 1.4768261459394993, 1.5422108254079407, 1.6104903319492543,
	1.681792830507429, 1.7562521603732995, 1.8340080864093424, 1.9152065613971474,
}

var (
	scales   [256]float32 // the magnitude of each code
	midpoint [256]float64 // below midpoint[c], the nearest code in octaves is less than c
)

func init() {
	for c := 1; c < 256; c++ {
		scales[c] = float32(power(2 * (c - scaleBias)))
		midpoint[c] = power(2*(c-scaleBias) - 1)
	}
}

// power is 2^(n/16); multiplying by a power of two is exact.
func power(n int) float64 {
	octave := n >> 4
	return float64(sixteenths[n&15] * math.Float64frombits(uint64(octave+1023)<<52))
}

// nearest is the code whose magnitude is nearest in octaves.
func nearest(magnitude float64) uint8 {
	return uint8(sort.Search(255, func(i int) bool { return magnitude < midpoint[i+1] }))
}

// atLeast is the smallest code above zero whose magnitude is not below m, or
// the largest there is.
func atLeast(m float64) uint8 {
	return uint8(1 + sort.Search(254, func(i int) bool { return float64(scales[i+1]) >= m }))
}
