package kernel

// The methods here call the assembly. The first slice is a whole number of blocks
// and not empty, the others are at least as long.

//go:noescape
func maxNEON(n int64, x, lanes *float32)

//go:noescape
func expSumNEON(n int64, x *float32, scale, top float32, lanes *float32)

//go:noescape
func dotNEON(n int64, x, y, lanes *float32)

//go:noescape
func dot3NEON(n int64, x, y, z, lanes *float32)

//go:noescape
func scaleNEON(n int64, x *float32, a float32)

//go:noescape
func combineNEON(n int64, dst *float32, a float32, x *float32, b float32, y *float32)

//go:noescape
func scaleByNEON(n int64, dst, x, w *float32, a float32)

//go:noescape
func normGradNEON(n int64, dx, dy, x, w *float32, r, s float32)

//go:noescape
func addProductNEON(n int64, dst, x, y *float32, a float32)

//go:noescape
func softmaxGradNEON(n int64, d, p *float32, s, scale float32)

//go:noescape
func swiGLUNEON(n int64, dst, gate, up *float32)

//go:noescape
func swiGLUGradNEON(n int64, dgate, dup, d, gate, up *float32)

//go:noescape
func rotateNEON(n int64, lo, hi, c, s *float32)

//go:noescape
func adamWNEON(n int64, w, grad, m, v, settings *float32)

func blocks(x []float32) int64 { return int64(len(x) / lanes) }

func (s *Set) max(x []float32, top *[lanes]float32) { maxNEON(blocks(x), &x[0], &top[0]) }

func (s *Set) expSum(x []float32, scale, top float32, sum *[lanes]float32) {
	expSumNEON(blocks(x), &x[0], scale, top, &sum[0])
}

func (s *Set) dot(x, y []float32, sum *[lanes]float32) { dotNEON(blocks(x), &x[0], &y[0], &sum[0]) }

func (s *Set) dot3(x, y, z []float32, sum *[lanes]float32) {
	dot3NEON(blocks(x), &x[0], &y[0], &z[0], &sum[0])
}

func (s *Set) scale(x []float32, a float32) { scaleNEON(blocks(x), &x[0], a) }

func (s *Set) combine(dst []float32, a float32, x []float32, b float32, y []float32) {
	combineNEON(blocks(dst), &dst[0], a, &x[0], b, &y[0])
}

func (s *Set) scaleBy(dst, x, w []float32, a float32) {
	scaleByNEON(blocks(dst), &dst[0], &x[0], &w[0], a)
}

func (s *Set) normGrad(dx, dy, x, w []float32, r, c float32) {
	normGradNEON(blocks(dx), &dx[0], &dy[0], &x[0], &w[0], r, c)
}

func (s *Set) addProduct(dst, x, y []float32, a float32) {
	addProductNEON(blocks(dst), &dst[0], &x[0], &y[0], a)
}

func (s *Set) softmaxGrad(d, p []float32, c, scale float32) {
	softmaxGradNEON(blocks(d), &d[0], &p[0], c, scale)
}

func (s *Set) swiGLU(dst, gate, up []float32) { swiGLUNEON(blocks(dst), &dst[0], &gate[0], &up[0]) }

func (s *Set) swiGLUGrad(dgate, dup, d, gate, up []float32) {
	swiGLUGradNEON(blocks(dgate), &dgate[0], &dup[0], &d[0], &gate[0], &up[0])
}

func (s *Set) rotate(lo, hi, c, sn []float32) {
	rotateNEON(blocks(lo), &lo[0], &hi[0], &c[0], &sn[0])
}

func (s *Set) adamW(w, g, m, v []float32, o *AdamW) {
	adamWNEON(blocks(w), &w[0], &g[0], &m[0], &v[0], &o.GradScale)
}

// transpose is not reached: see transposes.
func (s *Set) transpose(dst []float32, rowDst int, src []float32, rowSrc, blocks int) {}
