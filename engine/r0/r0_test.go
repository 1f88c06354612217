package r0

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"
)

// ulps is the distance of got from want in units of want's last place.
func ulps(got, want float64) float64 {
	if got == want {
		return 0
	}
	unit := math.Nextafter(math.Abs(want), math.Inf(1)) - math.Abs(want)
	return math.Abs(got-want) / unit
}

// arguments spreads n numbers over [lo, hi].
func arguments(lo, hi float64, n int) []float64 {
	x := make([]float64, n+1)
	for i := range x {
		x[i] = lo + (hi-lo)*float64(i)/float64(n)
	}
	return x
}

func TestFloat64Functions(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want func(float64) float64
		lo, hi    float64
		limit     float64
	}{
		{"Log64 near one", Log64, math.Log, 0.5, 2, 1},
		{"Log64", Log64, math.Log, 1e-300, 1e9, 1},
		{"Exp64", Exp64, math.Exp, -700, 700, 2},
		{"Exp64 near zero", Exp64, math.Exp, -1, 1, 2},
		{"Sin64", Sin64, math.Sin, -10, 10, 1},
		{"Cos64", Cos64, math.Cos, -10, 10, 1},
		{"Sin64 far", Sin64, math.Sin, 1e3, 1e5, 1},
		{"Cos64 far", Cos64, math.Cos, 1e3, 1e5, 1},
	} {
		worst, at := 0.0, 0.0
		for _, x := range arguments(c.lo, c.hi, 100003) {
			if u := ulps(c.got(x), c.want(x)); u > worst {
				worst, at = u, x
			}
		}
		if worst > c.limit {
			t.Errorf("%s is off by %.2f units in the last place at %v: %v, want %v", c.name, worst, at, c.got(at), c.want(at))
		}
	}
}

func TestFloat64Edges(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"log 0", Log64(0), -inf}, {"log 1", Log64(1), 0}, {"log inf", Log64(inf), inf}, {"log -1", Log64(-1), nan}, {"log NaN", Log64(nan), nan},
		{"log of a subnormal", Log64(5e-324), -744.4400719213812},
		{"exp 0", Exp64(0), 1}, {"exp 1000", Exp64(1000), inf}, {"exp -1000", Exp64(-1000), 0}, {"exp NaN", Exp64(nan), nan}, {"exp -inf", Exp64(-inf), 0},
		{"sin inf", Sin64(inf), nan}, {"cos NaN", Cos64(nan), nan}, {"sin 0", Sin64(0), 0}, {"cos 0", Cos64(0), 1},
		{"pow 0", Pow64(0.9, 0), 1}, {"pow 10", Pow64(2, 10), 1024},
	} {
		if c.got != c.want && !(c.got != c.got && c.want != c.want) {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
}

// TestGoldenBits pins the functions that others build on.
func TestGoldenBits(t *testing.T) {
	h := sha256.New()
	put := func(v float64) { h.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))) }
	for _, x := range arguments(-90, 90, 9973) {
		put(Exp64(x))
		put(Sin64(x))
		put(Cos64(x))
		put(Log64(x * x))
		put(float64(Exp(float32(x))))
		put(float64(Log(float32(x * x))))
		put(float64(Sigmoid(float32(x))))
		put(float64(Sqrt(float32(x * x))))
		put(float64(FMA32(float32(x), float32(x)*1e-3, 0.1)))
	}
	vector := make([]float32, 10007)
	for i := range vector {
		vector[i] = float32(Sin64(float64(i)))
	}
	put(float64(Dot(vector[:999], vector[1:])))
	put(SumSquares64(vector))
	put(float64(Max(vector)))
	if got, want := hex.EncodeToString(h.Sum(nil)[:16]), "1e138a0283d7f252ac3c5afc431418ec"; got != want {
		t.Errorf("hash is %s, want %s", got, want)
	}
}

func TestVectors(t *testing.T) {
	x := []float32{3, -4, 0.5}
	y := []float32{1, 2, 4}
	if got := Dot(x, y); got != -3 {
		t.Errorf("dot product is %v, want -3", got)
	}
	if got := Norm(x[:2]); got != 5 {
		t.Errorf("norm is %v, want 5", got)
	}
	if got := Max(nil); !math.IsInf(float64(got), -1) {
		t.Errorf("largest of none is %v", got)
	}
	Axpy(y, 2, x)
	if y[0] != 7 || y[1] != -6 || y[2] != 5 {
		t.Errorf("axpy gives %v", y)
	}
	Combine(y, 0.5, y, -1, x)
	Scale(y, 2)
	if y[0] != 1 || y[1] != 2 || y[2] != 4 {
		t.Errorf("combine and scale give %v", y)
	}
	if !Finite(x) || Finite([]float32{1, float32(math.NaN())}) || Finite([]float32{float32(math.Inf(-1))}) {
		t.Error("Finite is wrong")
	}
}
