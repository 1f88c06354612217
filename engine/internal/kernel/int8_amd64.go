package kernel

import "sync"

// vnni is whether the machine has AVX-512 and its dot products of bytes.
var vnni = sync.OnceValue(func() bool {
	if !supported(avx512) {
		return false
	}
	_, _, c7, _ := cpuid(7, 0)
	return c7&(1<<11) != 0
})

func (s *Set) int8Rows(left int) int {
	for _, n := range []int{6, 4, 2} {
		if left >= n {
			return n
		}
	}
	return 1
}

func (s *Set) multiplyInt8(rows, blocks int, data []uint8, scales []uint16, x *Small, r int, c []float32, rowC int, add bool) {
	if s.isa != avx512 || !vnni() {
		multiplyInt8Portable(rows, blocks, data, scales, x, r, c, rowC, add)
		return
	}
	var begin int64
	if add {
		begin = 1
	}
	at := r * x.blocks
	n, row, rowC4 := int64(blocks), int64(x.blocks), int64(4*rowC)
	w, ws, left, ls, lo := &data[0], &scales[0], &x.data[at*block], &x.scales[at], &x.offsets[at]
	switch rows {
	case 6:
		int8x6VNNI(n, w, ws, left, ls, lo, row, &c[0], rowC4, begin)
	case 4:
		int8x4VNNI(n, w, ws, left, ls, lo, row, &c[0], rowC4, begin)
	case 2:
		int8x2VNNI(n, w, ws, left, ls, lo, row, &c[0], rowC4, begin)
	default:
		int8x1VNNI(n, w, ws, left, ls, lo, row, &c[0], rowC4, begin)
	}
}
