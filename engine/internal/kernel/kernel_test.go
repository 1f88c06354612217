package kernel

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"regexp"
	"testing"
)

// special are the values on which implementations tend to differ.
var special = []float32{
	0, float32(math.Copysign(0, -1)), 1, -1, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()),
	math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, math.MaxFloat32, -math.MaxFloat32,
	0x1p-126, -0x1p-126, 0x1.fffffep-127, 88, -88, 88.37, -87.5, -87.7, 0.5, 1 + 0x1p-23, 1e-20, -1e20,
}

// noise returns n values; with odd, every fifth or so is a special one.
func noise(rng *rand.Rand, n int, odd bool) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * 3)
		if odd && rng.IntN(5) == 0 {
			x[i] = special[rng.IntN(len(special))]
		}
	}
	return x
}

// sameBits compares bits, taking any NaN for any other.
func sameBits(t *testing.T, what string, want, got []float32) {
	t.Helper()
	for i, w := range want {
		g := got[i]
		if math.Float32bits(w) != math.Float32bits(g) && (w == w || g == g) {
			t.Fatalf("%s: element %d of %d is %x (%v), portable gives %x (%v)", what, i, len(want), math.Float32bits(g), g, math.Float32bits(w), w)
		}
	}
}

// operations runs every kernel but the products on copies of the same six
// vectors and returns all results.
func operations(s *Set, in [6][]float32, a, b float32) map[string][]float32 {
	fresh := func() (v [6][]float32) {
		for i := range in {
			v[i] = append([]float32(nil), in[i]...)
		}
		return v
	}
	out := map[string][]float32{}
	v := fresh()
	out["max"] = []float32{s.Max(v[0])}
	out["dot"] = []float32{s.Dot(v[0], v[1])}
	out["dot3"] = []float32{s.Dot3(v[0], v[1], v[2])}
	sum := s.ExpSum(v[0], a, b)
	out["expSum"] = append(v[0], sum)
	v = fresh()
	s.Scale(v[0], a)
	out["scale"] = v[0]
	v = fresh()
	s.Combine(v[0], a, v[1], b, v[0])
	out["combine"] = v[0]
	v = fresh()
	s.ScaleBy(v[0], v[1], v[2], a)
	out["scaleBy"] = v[0]
	v = fresh()
	s.NormGrad(v[0], v[1], v[2], v[3], a, b)
	out["normGrad"] = v[0]
	v = fresh()
	s.AddProduct(v[0], v[1], v[2], a)
	out["addProduct"] = v[0]
	v = fresh()
	s.SoftmaxGrad(v[0], v[1], a, b)
	out["softmaxGrad"] = v[0]
	v = fresh()
	s.SwiGLU(v[0], v[1], v[2])
	out["swiGLU"] = v[0]
	v = fresh()
	s.SwiGLUGrad(v[0], v[1], v[2], v[3], v[4])
	out["swiGLUGrad"] = append(v[0], v[1]...)
	v = fresh()
	s.Rotate(v[0], v[1], v[2], v[3])
	out["rotate"] = append(v[0], v[1]...)
	v = fresh()
	o := AdamW{GradScale: a, Beta1: 0.9, Rest1: 0.1, Beta2: 0.999, Rest2: 0.001, Correct1: 2, Correct2: 3, Eps: 1e-8, Decay: 0.1, LR: b}
	s.AdamW(v[0], v[1], v[2], v[3], &o)
	out["adamW"] = append(append(v[0], v[2]...), v[3]...)
	return out
}

func compareOperations(t *testing.T, in [6][]float32, a, b float32) {
	t.Helper()
	want := operations(sets[0], in, a, b)
	for _, s := range Available()[1:] {
		for name, got := range operations(s, in, a, b) {
			sameBits(t, fmt.Sprintf("%s %s of %d", s.name, name, len(in[0])), want[name], got)
		}
	}
}

func TestVectorsMatchPortable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for trial := range 400 {
		n := trial % 100
		odd := trial%3 == 0
		var in [6][]float32
		for i := range in {
			in[i] = noise(rng, n, odd)
		}
		compareOperations(t, in, noise(rng, 1, odd)[0], noise(rng, 1, odd)[0])
	}
}

func FuzzVectorsMatchPortable(f *testing.F) {
	f.Add([]byte("some bytes that make a few floats, at least sixteen of them for one block, so this must be rather long text"), float32(1), float32(-2))
	f.Fuzz(func(t *testing.T, data []byte, a, b float32) {
		n := min(len(data)/4, 200)
		if n == 0 {
			return
		}
		var in [6][]float32
		for k := range in {
			in[k] = make([]float32, n)
			for i := range n {
				at := 4 * ((i + 7*k) % n)
				in[k][i] = math.Float32frombits(uint32(data[at]) | uint32(data[at+1])<<8 | uint32(data[at+2])<<16 | uint32(data[at+3])<<24)
			}
		}
		compareOperations(t, in, a, b)
	})
}

func TestMultiplyMatchesChain(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for trial := range 150 {
		m, n, k := 1+rng.IntN(40), 1+rng.IntN(80), 1+rng.IntN(40)
		if trial%10 == 0 {
			k = 250 + rng.IntN(300)
		}
		rowA, rowB, rowC := k+rng.IntN(5), n+rng.IntN(5), n+rng.IntN(5)
		odd := trial%4 == 1
		a, b, c := noise(rng, m*rowA, odd), noise(rng, k*rowB, odd), noise(rng, m*rowC, odd)
		left := Left{a, rowA, 1}
		if trial%2 == 1 {
			a = noise(rng, k*m, odd)
			left = Left{a, 1, m}
		}
		add := trial%3 == 0
		want := append([]float32(nil), c...)
		for i := range m {
			for j := range n {
				var x float32
				if add {
					x = want[i*rowC+j]
				}
				for p := range k {
					x = FMA(left.Data[i*left.Row+p*left.Step], b[p*rowB+j], x)
				}
				want[i*rowC+j] = x
			}
		}
		transposed := make([]float32, n*k)
		for p := range k {
			for j := range n {
				transposed[j*k+p] = b[p*rowB+j]
			}
		}
		for _, s := range Available() {
			packed := make([]float32, s.PackedLen(k, n))
			s.Pack(packed, transposed, k, k, n, 0, s.Panels(n))
			for _, right := range []Right{{Data: b, Row: rowB}, {Data: packed, Packed: true}} {
				got := append([]float32(nil), c...)
				s.Multiply(m, n, k, left, right, got, rowC, add, new(Scratch))
				sameBits(t, fmt.Sprintf("%s %dx%dx%d packed %v add %v", s.name, m, n, k, right.Packed, add), want, got)
			}
		}
	}
}

func TestMultiplySymmetric(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, n := range []int{1, 31, 64, 65, 200} {
		const k = 37
		x, want := noise(rng, n*k, false), make([]float32, n*n)
		for _, s := range Available() {
			packed, got := make([]float32, s.PackedLen(k, n)), make([]float32, n*n)
			s.Pack(packed, x, k, k, n, 0, s.Panels(n))
			right := Right{Data: packed, Packed: true}
			s.Multiply(n, n, k, Left{x, k, 1}, right, want, n, false, new(Scratch))
			s.MultiplySymmetric(n, k, Left{x, k, 1}, right, got, new(Scratch))
			sameBits(t, s.name+" x*xT", want, got)
			square := make([]float32, n*n)
			s.Multiply(n, n, n, Left{want, n, 1}, Right{Data: want, Row: n}, square, n, false, new(Scratch))
			s.MultiplySymmetric(n, n, Left{want, n, 1}, Right{Data: want, Row: n}, got, new(Scratch))
			sameBits(t, s.name+" squared", square, got)
		}
	}
}

// TestMultiplyCopiesFarRows covers the path that copies panels of a wide factor.
func TestMultiplyCopiesFarRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const m, n, k = 30, 600, 7
	a, b := noise(rng, m*k, false), noise(rng, k*n, false)
	want := make([]float32, m*n)
	sets[0].Multiply(m, n, k, Left{a, k, 1}, Right{Data: b, Row: n}, want, n, false, new(Scratch))
	for _, s := range Available()[1:] {
		got := make([]float32, m*n)
		s.Multiply(m, n, k, Left{a, k, 1}, Right{Data: b, Row: n}, got, n, false, new(Scratch))
		sameBits(t, s.name, want, got)
	}
}

// TestFMA compares with exact arithmetic.
func TestFMA(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	random := func() float32 {
		for {
			v := math.Float32frombits(rng.Uint32())
			if rng.IntN(3) == 0 {
				v = float32(rng.IntN(1<<12)) * float32(math.Ldexp(1, rng.IntN(40)-20))
			}
			if rng.IntN(4) == 0 {
				v = special[rng.IntN(len(special))]
			}
			if v == v && !math.IsInf(float64(v), 0) {
				return v
			}
		}
	}
	for range 300000 {
		x, y, z := random(), random(), random()
		if rng.IntN(2) == 0 { // near cancellation, where rounding is delicate
			z = -float32(float64(x)*float64(y)) * (1 + float32(rng.IntN(3)-1)*0x1p-23)
			if z != z || math.IsInf(float64(z), 0) {
				continue
			}
		}
		exact := new(big.Float).SetPrec(1000).SetFloat64(float64(x))
		exact.Mul(exact, new(big.Float).SetFloat64(float64(y)))
		exact.Add(exact, new(big.Float).SetFloat64(float64(z)))
		want, _ := exact.Float32()
		got := FMA(x, y, z)
		if want != got {
			t.Fatalf("FMA(%x, %x, %x) = %x, want %x", x, y, z, got, want)
		}
	}
}

func TestExp(t *testing.T) {
	worst := 0.0
	for i := -870000; i <= 883000; i++ {
		x := float32(i) * 1e-4
		want := math.Exp(float64(x))
		if want < 0x1p-126 {
			continue
		}
		worst = max(worst, math.Abs(float64(Exp(x))-want)/want)
	}
	if worst > 2.5e-7 {
		t.Errorf("relative error %g, want at most 2.5e-7", worst)
	}
	for _, c := range []struct{ in, want float32 }{{0, 1}, {-88, 0}, {-1000, 0}, {float32(math.Inf(-1)), 0}, {1000, Exp(88.37)}, {float32(math.Inf(1)), Exp(88.37)}} {
		if got := Exp(c.in); got != c.want {
			t.Errorf("Exp(%v) = %v, want %v", c.in, got, c.want)
		}
	}
	if v := Exp(float32(math.NaN())); v == v {
		t.Errorf("Exp(NaN) = %v", v)
	}
}

func TestNamed(t *testing.T) {
	if _, err := Named("abacus"); err == nil {
		t.Error("an unknown kernel was found")
	}
	if s, err := Named("portable"); err != nil || s.Name() != "portable" {
		t.Errorf("portable: %v", err)
	}
}

// TestAVX2Registers checks that nothing in the assembly needs the half-width
// forms of AVX-512, which a machine with AVX2 only does not have.
func TestAVX2Registers(t *testing.T) {
	source, err := os.ReadFile("kernel_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`\b[XY](1[6-9]|2[0-9]|3[01])\b`).Find(source); m != nil {
		t.Errorf("register %s is used", m)
	}
}
