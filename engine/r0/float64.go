package r0

import "math"

// Pi is the float64 nearest to pi.
const Pi = 3.14159265358979323846264338327950288419716939937510582097494459

// The float64 functions below follow the FreeBSD msun library (Sun's fdlibm),
// with every product converted explicitly so that no compiler may fuse it. They
// serve tables, schedules and losses, not inner loops.

// Sqrt64 is the correctly rounded square root.
func Sqrt64(x float64) float64 { return math.Sqrt(x) }

const (
	ln2Hi = 6.93147180369123816490e-01
	ln2Lo = 1.90821492927058770002e-10
)

// Log64 is the natural logarithm, within one unit in the last place for normal
// numbers. It is -Inf at 0 and NaN below.
func Log64(x float64) float64 {
	switch {
	case x != x || x > math.MaxFloat64:
		return x
	case x < 0:
		return math.Float64frombits(0x7ff8000000000001)
	case x == 0:
		return math.Float64frombits(0xfff0000000000000)
	}
	k := 0
	if x < 0x1p-1022 {
		x, k = float64(x*0x1p54), -54
	}
	bits := math.Float64bits(x)
	k += int(bits>>52) - 1023
	m := math.Float64frombits(bits&(1<<52-1) | 1023<<52)
	if m > math.Sqrt2 {
		m, k = float64(m*0.5), k+1
	}
	f := m - 1
	s := f / (2 + f)
	z := float64(s * s)
	w := float64(z * z)
	t1 := float64(w * horner64(w, 1.531383769920937332e-01, 2.222219843214978396e-01, 3.999999999940941908e-01))
	t2 := float64(z * horner64(w, 1.479819860511658591e-01, 1.818357216161805012e-01, 2.857142874366239149e-01, 6.666666666666735130e-01))
	half := float64(0.5 * float64(f*f))
	kf := float64(k)
	inner := float64(s*(half+(t1+t2))) + float64(kf*ln2Lo)
	return float64(kf*ln2Hi) - ((half - inner) - f)
}

// Exp64 is the exponential, within about one unit in the last place; it is 0 below
// -708 and +Inf above 709.
func Exp64(x float64) float64 {
	switch {
	case x != x:
		return x
	case x > 709:
		return math.Float64frombits(0x7ff0000000000000)
	case x < -708:
		return 0
	}
	n := roundEven64(float64(x * 1.44269504088896338700))
	hi := x - float64(n*ln2Hi)
	lo := float64(n * ln2Lo)
	r := hi - lo
	z := float64(r * r)
	c := r - float64(z*horner64(z, 4.13813679705723846039e-08, -1.65339022054652515390e-06, 6.61375632143793436117e-05,
		-2.77777777770155933842e-03, 1.66666666666666019037e-01))
	y := 1 - ((lo - float64(r*c)/(2-c)) - hi)
	return float64(y * math.Float64frombits(uint64(int64(n)+1023)<<52))
}

// Sin64 is the sine, accurate for arguments up to about a million.
func Sin64(x float64) float64 {
	r, tail, quadrant := reduce(x)
	switch quadrant {
	case 0:
		return sinKernel(r, tail)
	case 1:
		return cosKernel(r, tail)
	case 2:
		return -sinKernel(r, tail)
	}
	return -cosKernel(r, tail)
}

// Cos64 is the cosine, accurate for arguments up to about a million.
func Cos64(x float64) float64 {
	r, tail, quadrant := reduce(x)
	switch quadrant {
	case 0:
		return cosKernel(r, tail)
	case 1:
		return -sinKernel(r, tail)
	case 2:
		return -cosKernel(r, tail)
	}
	return sinKernel(r, tail)
}

// Pow64 is x to a whole power from 0 up, by repeated squaring.
func Pow64(x float64, n int) float64 {
	y := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			y = float64(y * x)
		}
		x = float64(x * x)
	}
	return y
}

// reduce takes away the nearest multiple of pi/2, in two parts of 33 bits and a
// rest. Arguments beyond its range give a wrong but deterministic answer.
func reduce(x float64) (r, tail float64, quadrant int) {
	const (
		part1 = 1.57079632673412561417e+00
		part2 = 6.07710050630396597660e-11
		part3 = 2.02226624879595063154e-21
	)
	if !(x > -0x1p30 && x < 0x1p30) {
		return x - x, 0, 0
	}
	n := roundEven64(float64(x * 6.36619772367581382433e-01))
	t := x - float64(n*part1)
	w := float64(n * part2)
	r0 := t - w
	w = float64(n*part3) - ((t - r0) - w)
	r = r0 - w
	return r, (r0 - r) - w, int(int64(n)) & 3
}

func sinKernel(x, y float64) float64 {
	z := float64(x * x)
	v := float64(z * x)
	r := horner64(z, 1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
		-1.98412698298579493134e-04, 8.33333333332248946124e-03)
	inner := float64(z*(float64(0.5*y)-float64(v*r))) - y
	return x - (inner - float64(v*-1.66666666666666324348e-01))
}

func cosKernel(x, y float64) float64 {
	z := float64(x * x)
	r := float64(z * horner64(z, -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
		2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02))
	half := float64(0.5 * z)
	w := 1 - half
	return w + (((1 - w) - half) + (float64(z*r) - float64(x*y)))
}

// horner64 evaluates a polynomial, highest coefficient first.
func horner64(x float64, c ...float64) float64 {
	y := c[0]
	for _, a := range c[1:] {
		y = float64(y*x) + a
	}
	return y
}

// roundEven64 rounds to the nearest whole number, ties to even, for |x| < 2^51.
func roundEven64(x float64) float64 {
	const magic = 0x1.8p52
	return (x + magic) - magic
}
