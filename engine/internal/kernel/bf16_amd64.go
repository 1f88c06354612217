package kernel

func (s *Set) pairs(dst, src []float32) {
	pairsBF16(int64(len(src)/(2*lanes)), &dst[0], &src[0])
}

func (s *Set) weave(dst, low, high []float32) {
	weaveBF16(int64(len(dst)/lanes), &dst[0], &low[0], &high[0])
}

func (s *Set) multiplyPairs(rows, k int, a []float32, rowA, stepA int, b []float32, rowB int, c []float32, rowC int, add bool) {
	if s.isa == bf16Portable {
		multiplyPairs(rows, k, a, rowA, stepA, b, rowB, c, rowC, add)
		return
	}
	var begin int64
	if add {
		begin = 1
	}
	kk, ra, sa, rb, rc := int64(k), int64(4*rowA), int64(4*stepA), int64(4*rowB), int64(4*rowC)
	switch rows {
	case 12:
		gemm12x32BF16(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case 8:
		gemm8x32BF16(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case 4:
		gemm4x32BF16(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case 2:
		gemm2x32BF16(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	default:
		gemm1x32BF16(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	}
}
