// Package half converts between float32 and the two 16-bit floating-point formats
// of model files: IEEE binary16 and bfloat16. Widening is exact; narrowing rounds
// to nearest, ties to even. It does no arithmetic in 16 bits.
package half

import "math"

// Float32 widens an IEEE binary16.
func Float32(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exponent {
	case 0:
		f := float32(fraction) * 0x1p-24
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// FromFloat32 narrows to IEEE binary16. Numbers of 65520 and more become
// infinite; NaN stays NaN.
func FromFloat32(f float32) uint16 {
	bits := math.Float32bits(f)
	sign, magnitude := uint16(bits>>16&0x8000), bits&0x7fffffff
	switch {
	case magnitude > 0x7f800000: // NaN, kept quiet
		return sign | 0x7e00 | uint16(magnitude>>13&0x3ff)
	case magnitude >= 0x477ff000: // 65520
		return sign | 0x7c00
	case magnitude < 0x33000000: // less than half of the smallest subnormal
		return sign
	case magnitude < 0x38800000: // subnormal: units of 2^-24
		shift := 126 - magnitude>>23
		return sign | uint16(roundedShift(magnitude&0x7fffff|0x800000, shift))
	}
	return sign | uint16(roundedShift(magnitude-112<<23, 13))
}

// roundedShift is v >> n rounded to nearest, ties to even.
func roundedShift(v, n uint32) uint32 {
	q, rest, tie := v>>n, v&(1<<n-1), uint32(1)<<(n-1)
	if rest > tie || rest == tie && q&1 == 1 {
		q++
	}
	return q
}

// BrainFloat32 widens a bfloat16.
func BrainFloat32(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// BrainFromFloat32 narrows to bfloat16. NaN stays NaN.
func BrainFromFloat32(f float32) uint16 {
	bits := math.Float32bits(f)
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40
	}
	return uint16(roundedShift(bits&0x7fffffff, 16)) | uint16(bits>>16&0x8000)
}
