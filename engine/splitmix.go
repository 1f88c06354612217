package engine

import "math/bits"

// SplitMix is the counter-based generator of Steele, Lea and Flood (2014). Its
// stream is the same everywhere and any position can be reached at once. It is
// not for secrets.
type SplitMix struct{ state uint64 }

const splitMixGamma = 0x9e3779b97f4a7c15

// NewSplitMix returns the stream of a seed.
func NewSplitMix(seed uint64) *SplitMix { return &SplitMix{state: seed} }

// Uint64 returns the next 64 bits.
func (s *SplitMix) Uint64() uint64 {
	s.state += splitMixGamma
	return mix64(s.state)
}

// Float64 returns a number in [0, 1) with 53 random bits.
func (s *SplitMix) Float64() float64 { return float64(s.Uint64()>>11) / (1 << 53) }

// Intn returns a number in [0, n), for n from 1. Its bias is below n/2^64.
func (s *SplitMix) Intn(n int) int {
	hi, _ := bits.Mul64(s.Uint64(), uint64(n))
	return int(hi)
}

func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
