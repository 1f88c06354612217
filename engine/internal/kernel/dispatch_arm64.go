package kernel

//go:noescape
func gemm6x16NEON(k int64, a *float32, rowA int64, stepA int64, b *float32, stepB int64, c *float32, rowC int64, add int64)

//go:noescape
func gemm4x16NEON(k int64, a *float32, rowA int64, stepA int64, b *float32, stepB int64, c *float32, rowC int64, add int64)

//go:noescape
func gemm2x16NEON(k int64, a *float32, rowA int64, stepA int64, b *float32, stepB int64, c *float32, rowC int64, add int64)

//go:noescape
func gemm1x16NEON(k int64, a *float32, rowA int64, stepA int64, b *float32, stepB int64, c *float32, rowC int64, add int64)

// multiply computes one tile; add is whether to begin from C.
func (s *Set) multiply(rows, k int, a []float32, rowA, stepA int, b []float32, rowB int, c []float32, rowC int, add bool) {
	if s.isa == portable {
		multiplyPortable(rows, k, a, rowA, stepA, b, rowB, c, rowC, add)
		return
	}
	var begin int64
	if add {
		begin = 1
	}
	kk, ra, sa, rb, rc := int64(k), int64(4*rowA), int64(4*stepA), int64(4*rowB), int64(4*rowC)
	switch rows {
	case 6:
		gemm6x16NEON(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case 4:
		gemm4x16NEON(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case 2:
		gemm2x16NEON(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	default:
		gemm1x16NEON(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	}
}

// supported: every arm64 has NEON with fused multiply-add.
func supported(i isa) bool { return i == portable || i == neon }
