package delta

import (
	"math"

	"github.com/crescendo-network/crescendo/engine/r0"
)

const signBit = 1 << 31

// lloydIterations is part of the format only in so far as replays must arrive
// at the same bytes: a decoder does not care how the magnitudes were found.
const lloydIterations = 6

// levels finds two magnitudes for a chunk and the threshold between them, by
// Lloyd's algorithm from a fixed start.
func levels(v []float32) (low, high float64, threshold uint32) {
	n := len(v)
	rms := math.Sqrt(float64(r0.SumSquares(v)) / float64(n))
	low, high = float64(0.45*rms), float64(1.5*rms)
	total, _ := sumBelow(v, signBit)
	for range lloydIterations {
		sum, count := sumBelow(v, between(low, high))
		if count > 0 {
			low = sum / float64(count)
		}
		if count < n {
			high = max(low, (total-sum)/float64(n-count))
		}
	}
	return low, high, between(low, high)
}

// between is the bit pattern of the middle; magnitudes compare as integers.
func between(low, high float64) uint32 {
	return math.Float32bits(float32(float64((low + high) * 0.5)))
}

// sumBelow adds the magnitudes below a bit pattern, in four lanes, without
// branches: which side an element falls on is as good as random.
func sumBelow(v []float32, threshold uint32) (sum float64, count int) {
	var lane [4]float64
	var hits [4]uint64
	i := 0
	for ; i+4 <= len(v); i += 4 {
		w := v[i : i+4 : i+4]
		for j := range lane {
			m := math.Float32bits(w[j]) &^ signBit
			below := uint32(int64(uint64(m)-uint64(threshold)) >> 63) // all ones if m < threshold
			lane[j] += float64(math.Float32frombits(m & below))
			hits[j] += uint64(below & 1)
		}
	}
	for ; i < len(v); i++ {
		if m := math.Float32bits(v[i]) &^ signBit; m < threshold {
			lane[0] += float64(math.Float32frombits(m))
			hits[0]++
		}
	}
	return (lane[0] + lane[1]) + (lane[2] + lane[3]), int(hits[0] + hits[1] + hits[2] + hits[3])
}

// appendQ2 writes two scales and two bits per element: bit 0 picks the scale,
// bit 1 is the sign; four elements to a byte, the first in the lowest bits.
func appendQ2(b []byte, v []float32) []byte {
	low, high, threshold := levels(v)
	lo, hi := nearest(low), nearest(high)
	if _, below := sumBelow(v, threshold); below == len(v) {
		hi = lo
	} else if below == 0 {
		lo = hi
	}
	b = append(b, lo, hi)
	for i := 0; i < len(v); i += 4 {
		var packed byte
		for j, x := range v[i:min(i+4, len(v))] {
			bits := math.Float32bits(x)
			var two byte
			code := lo
			if lo != hi && bits&^signBit >= threshold {
				two, code = 1, hi
			}
			if code != 0 {
				two |= byte(bits>>31) << 1
			}
			packed |= two << (2 * j)
		}
		b = append(b, packed)
	}
	return b
}

// decodeQ2 reads one chunk. Canonical are: scales in order; if they are equal,
// no level bits, else both levels in use; no sign on a zero; no padding bits.
func decodeQ2(data []byte, dst []float32) (int, bool) {
	const levelBits, signBits = 0x55, 0xaa
	n := len(dst)
	lo, hi := data[0], data[1]
	size := (n + 3) / 4
	packed := data[2 : 2+size]
	if lo > hi {
		return 0, false
	}
	value := [4]float32{scales[lo], scales[hi], -scales[lo], -scales[hi]}
	var union, signedLow byte
	common := byte(0xff)
	for i, p := range packed {
		union |= p
		signedLow |= p >> 1 &^ p & levelBits
		if tail := n - 4*i; tail < 4 {
			for j := range tail {
				dst[4*i+j] = value[p>>(2*j)&3]
			}
			pad := byte(0xff) << (2 * tail)
			if p&pad != 0 {
				return 0, false
			}
			common &= p | pad
			break
		}
		common &= p
		d := dst[4*i : 4*i+4 : 4*i+4]
		d[0], d[1], d[2], d[3] = value[p&3], value[p>>2&3], value[p>>4&3], value[p>>6]
	}
	ok := union&levelBits == 0
	if lo < hi {
		ok = union&levelBits != 0 && common&levelBits != levelBits
	}
	if lo == 0 && signedLow != 0 || hi == 0 && union&signBits != 0 {
		ok = false
	}
	return 2 + size, ok
}
