package kernel

import "math"

// Constants of Exp. The first two are where it saturates; ln2 comes in two
// parts, the first short enough for n*ln2High to be exact.
const (
	expLow   = -88
	expHigh  = 88.37
	log2E    = 1.44269504
	magic    = 0x1.8p23 // adding it rounds to a whole number, ties to even
	ln2High  = 0.693359375
	ln2Low   = -2.12194440e-4
	expP0    = 1.9875691500e-4
	expP1    = 1.3981999507e-3
	expP2    = 8.3334519073e-3
	expP3    = 4.1665795894e-2
	expP4    = 1.6666665459e-1
	expP5    = 5.0000001201e-1
	expBias  = 127
	mantissa = 23
)

// Exp is the exponential of profile R0: Cephes' polynomial after reduction by
// multiples of ln 2. It is 0 where the power of two underflows and saturates at
// exp(expHigh). NaN stays NaN.
func Exp(x float32) float32 {
	if expLow > x {
		x = expLow
	}
	if expHigh < x {
		x = expHigh
	}
	t := float32(x*log2E) + magic
	n := t - magic
	r := x - float32(n*ln2High)
	r = r - float32(n*ln2Low)
	p := float32(float32(expP0)*r) + expP1
	p = float32(p*r) + expP2
	p = float32(p*r) + expP3
	p = float32(p*r) + expP4
	p = float32(p*r) + expP5
	p = float32(float32(p*r)*r) + r
	p = p + 1
	// The low bits of t hold n; a biased exponent of 0 makes the factor zero.
	return float32(p * math.Float32frombits((math.Float32bits(t)+expBias)<<mantissa))
}

// lanes is the number of partial results of a reduction.
const lanes = 16

// sumTree adds the lanes in the order of the profile.
func sumTree(s *[lanes]float32) float32 {
	for w := lanes / 2; w > 0; w /= 2 {
		for j := range w {
			s[j] += s[j+w]
		}
	}
	return s[0]
}

func maxTree(s *[lanes]float32) float32 {
	for w := lanes / 2; w > 0; w /= 2 {
		for j := range w {
			s[j] = larger(s[j], s[j+w])
		}
	}
	return s[0]
}

// larger is what the vector instruction computes: b if neither is larger.
func larger(a, b float32) float32 {
	if a > b {
		return a
	}
	return b
}

func maxPortable(x []float32, s *[lanes]float32) {
	for i, v := range x {
		s[i%lanes] = larger(s[i%lanes], v)
	}
}

func expSumPortable(x []float32, scale, top float32, s *[lanes]float32) {
	for i, v := range x {
		e := Exp(float32(v*scale) - top)
		x[i] = e
		s[i%lanes] += e
	}
}

func dotPortable(x, y []float32, s *[lanes]float32) {
	y = y[:len(x)]
	for i, v := range x {
		s[i%lanes] += float32(v * y[i])
	}
}

func dot3Portable(x, y, z []float32, s *[lanes]float32) {
	y, z = y[:len(x)], z[:len(x)]
	for i, v := range x {
		s[i%lanes] += float32(float32(v*y[i]) * z[i])
	}
}

func scalePortable(x []float32, a float32) {
	for i := range x {
		x[i] = float32(x[i] * a)
	}
}

func combinePortable(dst []float32, a float32, x []float32, b float32, y []float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		dst[i] = float32(a*x[i]) + float32(b*y[i])
	}
}

func scaleByPortable(dst, x, w []float32, a float32) {
	x, w = x[:len(dst)], w[:len(dst)]
	for i := range dst {
		dst[i] = float32(float32(x[i]*a) * w[i])
	}
}

func normGradPortable(dx, dy, x, w []float32, r, s float32) {
	dy, x, w = dy[:len(dx)], x[:len(dx)], w[:len(dx)]
	for i := range dx {
		dx[i] = (dx[i] + float32(float32(dy[i]*w[i])*r)) - float32(x[i]*s)
	}
}

func addProductPortable(dst, x, y []float32, a float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		dst[i] = dst[i] + float32(float32(x[i]*y[i])*a)
	}
}

func softmaxGradPortable(d, p []float32, s, scale float32) {
	p = p[:len(d)]
	for i := range d {
		d[i] = float32(float32((d[i]-s)*p[i]) * scale)
	}
}

func swiGLUPortable(dst, gate, up []float32) {
	gate, up = gate[:len(dst)], up[:len(dst)]
	for i, g := range gate {
		s := 1 / (1 + Exp(0-g))
		dst[i] = float32(float32(g*s) * up[i])
	}
}

func swiGLUGradPortable(dgate, dup, d, gate, up []float32) {
	dup, d, gate, up = dup[:len(dgate)], d[:len(dgate)], gate[:len(dgate)], up[:len(dgate)]
	for i, g := range gate {
		s := 1 / (1 + Exp(0-g))
		dup[i] = float32(d[i] * float32(g*s))
		slope := 1 + float32(g*(1-s))
		dgate[i] = float32(float32(float32(d[i]*up[i])*s) * slope)
	}
}

func rotatePortable(lo, hi, c, s []float32) {
	hi, c, s = hi[:len(lo)], c[:len(lo)], s[:len(lo)]
	for i, a := range lo {
		b := hi[i]
		lo[i] = float32(a*c[i]) - float32(b*s[i])
		hi[i] = float32(b*c[i]) + float32(a*s[i])
	}
}

func adamWPortable(w, g, m, v []float32, o *AdamW) {
	g, m, v = g[:len(w)], m[:len(w)], v[:len(w)]
	for i, x := range w {
		gi := float32(g[i] * o.GradScale)
		mi := float32(m[i]*o.Beta1) + float32(gi*o.Rest1)
		vi := float32(v[i]*o.Beta2) + float32(float32(gi*gi)*o.Rest2)
		m[i], v[i] = mi, vi
		root := float32(math.Sqrt(float64(float32(vi*o.Correct2)))) + o.Eps
		u := float32(mi*o.Correct1)/root + float32(x*o.Decay)
		w[i] = x - float32(u*o.LR)
	}
}
