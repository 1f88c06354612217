//go:build !amd64 && !arm64

package kernel

// Without assembly of vector steps no length is whole, so none of these is reached.

func (s *Set) max(x []float32, top *[lanes]float32)                                   {}
func (s *Set) expSum(x []float32, scale, top float32, sum *[lanes]float32)            {}
func (s *Set) dot(x, y []float32, sum *[lanes]float32)                                {}
func (s *Set) dot3(x, y, z []float32, sum *[lanes]float32)                            {}
func (s *Set) scale(x []float32, a float32)                                           {}
func (s *Set) combine(dst []float32, a float32, x []float32, b float32, y []float32)  {}
func (s *Set) scaleBy(dst, x, w []float32, a float32)                                 {}
func (s *Set) normGrad(dx, dy, x, w []float32, r, c float32)                          {}
func (s *Set) addProduct(dst, x, y []float32, a float32)                              {}
func (s *Set) softmaxGrad(d, p []float32, c, scale float32)                           {}
func (s *Set) swiGLU(dst, gate, up []float32)                                         {}
func (s *Set) swiGLUGrad(dgate, dup, d, gate, up []float32)                           {}
func (s *Set) rotate(lo, hi, c, sn []float32)                                         {}
func (s *Set) adamW(w, g, m, v []float32, o *AdamW)                                   {}
func (s *Set) transpose(dst []float32, rowDst int, src []float32, rowSrc, blocks int) {}
