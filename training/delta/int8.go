package delta

import "math"

// int8Floor is the least magnitude that the largest element of a chunk may
// have: with a smaller one the next smaller scale would have done.
const int8Floor = 116

// appendInt8 writes one scale, then one signed byte per element.
func appendInt8(b []byte, v []float32) []byte {
	var top uint32
	for _, x := range v {
		top = max(top, math.Float32bits(x)&^signBit)
	}
	largest := math.Float32frombits(top)
	code := atLeast(float64(largest) / 127)
	s := scales[code]
	if roundInt8(largest/s) == 0 { // only with the smallest scale
		b = append(b, 0)
		return append(b, make([]byte, len(v))...)
	}
	b = append(b, code)
	for _, x := range v {
		b = append(b, byte(roundInt8(x/s)))
	}
	return b
}

// roundInt8 rounds to the nearest whole number, ties to even, within ±127.
func roundInt8(x float32) int8 {
	const magic = 0x1.8p23
	x = max(-127, min(127, x))
	return int8((x + magic) - magic)
}

func decodeInt8(data []byte, dst []float32) (int, bool) {
	n := len(dst)
	code := data[0]
	s := scales[code]
	top := 0
	for i, q := range data[1 : 1+n] {
		k := int(int8(q))
		top = max(top, k, -k)
		dst[i] = float32(float32(k) * s)
	}
	switch {
	case top > 127:
		return 0, false
	case code == 0:
		return 1 + n, top == 0
	case code == 1:
		return 1 + n, top >= 1
	}
	return 1 + n, top >= int8Floor
}
