package kernel

import "sync"

// f16c is whether the machine has AVX2's companion for numbers of 16 bits. Those
// with AVX-512 need no other.
var f16c = sync.OnceValue(func() bool {
	_, _, c1, _ := cpuid(1, 0)
	return supported(avx2) && c1&(1<<29) != 0
})

// together is how many of n groups the assembly takes at a time, 0 if none.
func (s *Set) together(n int, half bool) int {
	switch {
	case s.isa == avx512 && n > 1:
		return among([]int{4, 2}, n)
	case s.isa == avx512 && half && f16c():
		return 1
	case s.isa == avx2 && (!half || f16c()):
		return among([]int{2, 1}, n)
	}
	return 0
}

func (s *Set) row(k int, a, data []float32, at, next []int, step int, c []float32, add bool) {
	var begin int64
	if add {
		begin = 1
	}
	kk, step4 := int64(k), int64(4*step)
	switch {
	case len(at) == 4:
		row4x32AVX512(kk, &a[0], &data[at[0]], &data[at[1]], &data[at[2]], &data[at[3]],
			&data[next[0]], &data[next[1]], &data[next[2]], &data[next[3]], step4, &c[0], begin)
	case len(at) == 1:
		row1x32AVX2(kk, &a[0], &data[at[0]], &data[next[0]], step4, &c[0], begin)
	case s.isa == avx512:
		row2x32AVX512(kk, &a[0], &data[at[0]], &data[at[1]], &data[next[0]], &data[next[1]], step4, &c[0], begin)
	default:
		row2x32AVX2(kk, &a[0], &data[at[0]], &data[at[1]], &data[next[0]], &data[next[1]], step4, &c[0], begin)
	}
}

func (s *Set) rowHalf(k int, a []float32, data []uint16, at, next []int, step int, c []float32, add bool) {
	var begin int64
	if add {
		begin = 1
	}
	kk, step2 := int64(k), int64(2*step)
	switch {
	case len(at) == 4:
		rowHalf4x32AVX512(kk, &a[0], &data[at[0]], &data[at[1]], &data[at[2]], &data[at[3]],
			&data[next[0]], &data[next[1]], &data[next[2]], &data[next[3]], step2, &c[0], begin)
	case len(at) == 1:
		rowHalf1x32AVX2(kk, &a[0], &data[at[0]], &data[next[0]], step2, &c[0], begin)
	case s.isa == avx512:
		rowHalf2x32AVX512(kk, &a[0], &data[at[0]], &data[at[1]], &data[next[0]], &data[next[1]], step2, &c[0], begin)
	default:
		rowHalf2x32AVX2(kk, &a[0], &data[at[0]], &data[at[1]], &data[next[0]], &data[next[1]], step2, &c[0], begin)
	}
}

// widenBlocks does whole blocks and returns how many numbers it did.
func (s *Set) widenBlocks(dst []float32, x []uint16) int {
	n := len(x) / lanes
	switch {
	case n == 0:
	case s.isa == avx512:
		widenAVX512(int64(n), &dst[0], &x[0])
	case s.isa == avx2 && f16c():
		widenAVX2(int64(n), &dst[0], &x[0])
	default:
		return 0
	}
	return n * lanes
}

// smallBlocks rounds n blocks, at least one, if there is assembly for it.
func (s *Set) smallBlocks(n int, x []float32, data []int8, scales []float32, offsets []int32) bool {
	switch s.isa {
	case avx512:
		smallAVX512(int64(n), &x[0], &data[0], &scales[0], &offsets[0])
	case avx2:
		smallAVX2(int64(n), &x[0], &data[0], &scales[0], &offsets[0])
	default:
		return false
	}
	return true
}
