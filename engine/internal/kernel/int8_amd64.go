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
	return among([]int{6, 4, 2, 1}, left)
}

func (s *Set) multiplyInt8(rows, blocks int, data []uint8, scales []uint16, x *Small, r int, c []float32, rowC int, add bool) {
	var begin int64
	if add {
		begin = 1
	}
	at := r * x.blocks
	n, row, rowC4 := int64(blocks), int64(x.blocks), int64(4*rowC)
	w, ws, left, ls, lo := &data[0], &scales[0], &x.data[at*block], &x.scales[at], &x.offsets[at]
	switch {
	case s.isa != avx2 && s.isa != avx512:
		multiplyInt8Portable(rows, blocks, data, scales, x, r, c, rowC, add)
	case s.isa == avx2 || !vnni():
		multiplyInt8AVX2(rows, blocks, data, scales, x, r, c, rowC, add, begin)
	case rows == 6:
		int8x6VNNI(n, w, ws, left, ls, lo, row, &c[0], rowC4, begin)
	case rows == 4:
		int8x4VNNI(n, w, ws, left, ls, lo, row, &c[0], rowC4, begin)
	case rows == 2:
		int8x2VNNI(n, w, ws, left, ls, lo, row, &c[0], rowC4, begin)
	default:
		int8x1VNNI(n, w, ws, left, ls, lo, row, &c[0], rowC4, begin)
	}
}

// multiplyInt8AVX2 takes two rows at a time, which is all that the registers hold.
func multiplyInt8AVX2(rows, blocks int, data []uint8, scales []uint16, x *Small, r int, c []float32, rowC int, add bool, begin int64) {
	if !f16c() {
		multiplyInt8Portable(rows, blocks, data, scales, x, r, c, rowC, add)
		return
	}
	for i := 0; i < rows; {
		at, n, row, rowC4 := (r+i)*x.blocks, int64(blocks), int64(x.blocks), int64(4*rowC)
		w, ws, left, ls, lo := &data[0], &scales[0], &x.data[at*block], &x.scales[at], &x.offsets[at]
		if rows-i > 1 {
			int8x2AVX2(n, w, ws, left, ls, lo, row, &c[i*rowC], rowC4, begin)
			i += 2
		} else {
			int8x1AVX2(n, w, ws, left, ls, lo, row, &c[i*rowC], rowC4, begin)
			i++
		}
	}
}
