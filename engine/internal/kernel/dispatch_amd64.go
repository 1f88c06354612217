package kernel

// The methods here choose the assembly. The first slice is a whole number of
// blocks and not empty, the others are at least as long.

// supported reports whether the machine and the operating system have the
// instructions: AVX2 and FMA, or AVX-512 F with its registers saved, or BF16 with that.
func supported(i isa) bool {
	if i == portable || i == neon {
		return i == portable
	}
	top, _, _, _ := cpuid(0, 0)
	if top < 7 {
		return false
	}
	_, _, c1, _ := cpuid(1, 0)
	const fma, osxsave, avx = 1 << 12, 1 << 27, 1 << 28
	if c1&(fma|osxsave|avx) != fma|osxsave|avx {
		return false
	}
	_, b7, _, _ := cpuid(7, 0)
	saved, _ := xgetbv()
	if i == bf16 {
		a7, _, _, _ := cpuid(7, 1)
		return supported(avx512) && a7&(1<<5) != 0
	}
	if i == avx2 {
		return b7&(1<<5) != 0 && saved&0x6 == 0x6
	}
	return b7&(1<<5) != 0 && b7&(1<<16) != 0 && saved&0xe6 == 0xe6
}

func (s *Set) max(x []float32, top *[lanes]float32) {
	if s.isa == avx512 {
		maxAVX512(int64(len(x)/lanes), &x[0], &top[0])
	} else {
		maxAVX2(int64(len(x)/lanes), &x[0], &top[0])
	}
}

func (s *Set) expSum(x []float32, scale, top float32, sum *[lanes]float32) {
	if s.isa == avx512 {
		expSumAVX512(int64(len(x)/lanes), &x[0], scale, top, &sum[0])
	} else {
		expSumAVX2(int64(len(x)/lanes), &x[0], scale, top, &sum[0])
	}
}

func (s *Set) dot(x, y []float32, sum *[lanes]float32) {
	if s.isa == avx512 {
		dotAVX512(int64(len(x)/lanes), &x[0], &y[0], &sum[0])
	} else {
		dotAVX2(int64(len(x)/lanes), &x[0], &y[0], &sum[0])
	}
}

func (s *Set) dot3(x, y, z []float32, sum *[lanes]float32) {
	if s.isa == avx512 {
		dot3AVX512(int64(len(x)/lanes), &x[0], &y[0], &z[0], &sum[0])
	} else {
		dot3AVX2(int64(len(x)/lanes), &x[0], &y[0], &z[0], &sum[0])
	}
}

func (s *Set) scale(x []float32, a float32) {
	if s.isa == avx512 {
		scaleAVX512(int64(len(x)/lanes), &x[0], a)
	} else {
		scaleAVX2(int64(len(x)/lanes), &x[0], a)
	}
}

func (s *Set) combine(dst []float32, a float32, x []float32, b float32, y []float32) {
	if s.isa == avx512 {
		combineAVX512(int64(len(dst)/lanes), &dst[0], a, &x[0], b, &y[0])
	} else {
		combineAVX2(int64(len(dst)/lanes), &dst[0], a, &x[0], b, &y[0])
	}
}

func (s *Set) scaleBy(dst, x, w []float32, a float32) {
	if s.isa == avx512 {
		scaleByAVX512(int64(len(dst)/lanes), &dst[0], &x[0], &w[0], a)
	} else {
		scaleByAVX2(int64(len(dst)/lanes), &dst[0], &x[0], &w[0], a)
	}
}

func (s *Set) normGrad(dx, dy, x, w []float32, r, c float32) {
	if s.isa == avx512 {
		normGradAVX512(int64(len(dx)/lanes), &dx[0], &dy[0], &x[0], &w[0], r, c)
	} else {
		normGradAVX2(int64(len(dx)/lanes), &dx[0], &dy[0], &x[0], &w[0], r, c)
	}
}

func (s *Set) addProduct(dst, x, y []float32, a float32) {
	if s.isa == avx512 {
		addProductAVX512(int64(len(dst)/lanes), &dst[0], &x[0], &y[0], a)
	} else {
		addProductAVX2(int64(len(dst)/lanes), &dst[0], &x[0], &y[0], a)
	}
}

func (s *Set) softmaxGrad(d, p []float32, c, scale float32) {
	if s.isa == avx512 {
		softmaxGradAVX512(int64(len(d)/lanes), &d[0], &p[0], c, scale)
	} else {
		softmaxGradAVX2(int64(len(d)/lanes), &d[0], &p[0], c, scale)
	}
}

func (s *Set) swiGLU(dst, gate, up []float32) {
	if s.isa == avx512 {
		swiGLUAVX512(int64(len(dst)/lanes), &dst[0], &gate[0], &up[0])
	} else {
		swiGLUAVX2(int64(len(dst)/lanes), &dst[0], &gate[0], &up[0])
	}
}

func (s *Set) swiGLUGrad(dgate, dup, d, gate, up []float32) {
	if s.isa == avx512 {
		swiGLUGradAVX512(int64(len(dgate)/lanes), &dgate[0], &dup[0], &d[0], &gate[0], &up[0])
	} else {
		swiGLUGradAVX2(int64(len(dgate)/lanes), &dgate[0], &dup[0], &d[0], &gate[0], &up[0])
	}
}

func (s *Set) rotate(lo, hi, c, sn []float32) {
	if s.isa == avx512 {
		rotateAVX512(int64(len(lo)/lanes), &lo[0], &hi[0], &c[0], &sn[0])
	} else {
		rotateAVX2(int64(len(lo)/lanes), &lo[0], &hi[0], &c[0], &sn[0])
	}
}

func (s *Set) adamW(w, g, m, v []float32, o *AdamW) {
	if s.isa == avx512 {
		adamWAVX512(int64(len(w)/lanes), &w[0], &g[0], &m[0], &v[0], &o.GradScale)
	} else {
		adamWAVX2(int64(len(w)/lanes), &w[0], &g[0], &m[0], &v[0], &o.GradScale)
	}
}

func (s *Set) transpose(dst []float32, rowDst int, src []float32, rowSrc, blocks int) {
	transpose8(int64(blocks), &dst[0], int64(4*rowDst), &src[0], int64(4*rowSrc))
}

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
	wide := s.isa == avx512
	switch {
	case rows == 12:
		gemm12x32AVX512(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case rows == 8:
		gemm8x32AVX512(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case rows == 6:
		gemm6x16AVX2(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case rows == 4 && wide:
		gemm4x32AVX512(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case rows == 4:
		gemm4x16AVX2(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case rows == 2 && wide:
		gemm2x32AVX512(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case rows == 2:
		gemm2x16AVX2(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	case wide:
		gemm1x32AVX512(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	default:
		gemm1x16AVX2(kk, &a[0], ra, sa, &b[0], rb, &c[0], rc, begin)
	}
}
