package kernel

import "math"

// Profile bf16 multiplies pairs of bfloat16. Two that are neighbours along the
// depth of a product are kept in the 32 bits of one float32, the first in the
// lower half, so that packing and arranging serve both profiles; such a float32
// is moved and never computed with.

// BF16 is the set for products of pairs: of the machine's own instructions if s
// uses AVX-512 and there are any, else emulated to the same bits. Of its methods
// only those of products are for pairs, with half the depth.
func (s *Set) BF16() *Set {
	if s.isa == avx512 && supported(bf16) {
		return &Set{"avx512-bf16", bf16, s.tile}
	}
	return &Set{"portable-bf16", bf16Portable, tile{columns: 16, rows: []int{4, 1}}}
}

// Pairs rounds neighbours of src to pairs; a last one alone gets a zero. dst has
// half as many elements, rounded up.
func (s *Set) Pairs(dst, src []float32) {
	dst = dst[:(len(src)+1)/2]
	n := 0
	if s.isa == bf16 {
		if n = len(src) &^ (2*lanes - 1); n > 0 {
			s.pairs(dst, src[:n])
		}
	}
	for ; n+1 < len(src); n += 2 {
		dst[n/2] = pair(src[n], src[n+1])
	}
	if n < len(src) {
		dst[n/2] = pair(src[n], 0)
	}
}

// Weave rounds the elements of two rows to pairs; there may be no second row.
func (s *Set) Weave(dst, low, high []float32) {
	dst = dst[:len(low)]
	if len(high) == 0 {
		for i, v := range low {
			dst[i] = pair(v, 0)
		}
		return
	}
	high = high[:len(low)]
	n := 0
	if s.isa == bf16 {
		if n = len(low) &^ (lanes - 1); n > 0 {
			s.weave(dst[:n], low, high)
		}
	}
	for ; n < len(low); n++ {
		dst[n] = pair(low[n], high[n])
	}
}

func pair(low, high float32) float32 {
	return math.Float32frombits(uint32(roundBF16(low)) | uint32(roundBF16(high))<<16)
}

// roundBF16 rounds to the nearest bfloat16, ties to even. Subnormals become zero
// of their sign, and NaN stays one.
func roundBF16(x float32) uint16 {
	u := math.Float32bits(x)
	switch {
	case x != x:
		return uint16(u>>16) | 0x40
	case u&0x7f800000 == 0:
		return uint16(u>>16) & 0x8000
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// halves are the two numbers of a pair, subnormals taken as zero.
func halves(p float32) (low, high float32) {
	u := math.Float32bits(p)
	return flushed(u << 16), flushed(u & 0xffff0000)
}

func flushed(u uint32) float32 {
	if u&0x7f800000 == 0 {
		u &= 1 << 31
	}
	return math.Float32frombits(u)
}

// dotPair is acc + x.high*y.high, then + x.low*y.low, each rounded once. Subnormal
// operands and results are zero.
func dotPair(acc, x, y float32) float32 {
	xl, xh := halves(x)
	yl, yh := halves(y)
	return flushingFMA(xl, yl, flushingFMA(xh, yh, flushed(math.Float32bits(acc))))
}

// flushingFMA is FMA of which a result is zero if, rounded with an exponent of any
// size, it lies below the normal range.
func flushingFMA(x, y, z float32) float32 {
	p := float64(float64(x) * float64(y))
	s := p + float64(z)
	if delicate(math.Float64bits(s)) {
		const up = 0x1p100 // far from the range's end, and exact
		if -0x1p-120 < s && s < 0x1p-120 {
			r := roundOnce(float64(p*up), float64(float64(z)*up), float64(s*up))
			if -0x1p-26 < r && r < 0x1p-26 {
				return math.Float32frombits(math.Float32bits(r) & (1 << 31))
			}
			return float32(float64(r) * (1 / up))
		}
		return roundOnce(p, float64(z), s)
	}
	return float32(s)
}

// multiplyPairs computes a tile of pairs one element at a time.
func multiplyPairs(rows, k int, a []float32, rowA, stepA int, b []float32, rowB int, c []float32, rowC int, add bool) {
	const width = 16
	for i := range rows {
		row := (*[width]float32)(c[i*rowC:])
		var acc [width]float32
		if add {
			acc = *row
		}
		for p := range k {
			x := a[i*rowA+p*stepA]
			for j, y := range (*[width]float32)(b[p*rowB:]) {
				acc[j] = dotPair(acc[j], x, y)
			}
		}
		*row = acc
	}
}
