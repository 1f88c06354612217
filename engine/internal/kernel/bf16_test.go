package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// pairSets are the emulation first, then the machine's own instructions.
func pairSets() []*Set {
	list := []*Set{sets[0].BF16()}
	for _, s := range Available() {
		if own := s.BF16(); own.isa == bf16 {
			list = append(list, own)
		}
	}
	return list
}

// exactStep is acc + x*y by way of arbitrary precision: one rounding to 24 bits
// with an exponent of any size, and then zero if that is below the normal range.
func exactStep(acc, x, y float32) float32 {
	f := func(v float32) *big.Float { return new(big.Float).SetPrec(2000).SetFloat64(float64(v)) }
	sum := new(big.Float).SetPrec(2000).Mul(f(x), f(y))
	sum.Add(sum, f(acc))
	if sum.Sign() == 0 {
		return acc + x*y // the sign of zero is as ever
	}
	sum.SetMode(big.ToNearestEven).SetPrec(24)
	if v, _ := new(big.Float).Abs(sum).Float64(); v < 0x1p-126 {
		if sum.Signbit() {
			return float32(math.Copysign(0, -1))
		}
		return 0
	}
	v, _ := sum.Float32()
	return v
}

// randomPair draws a pair whose numbers have exponents within some distance of
// center, with now and then a zero or a subnormal.
func randomPair(rng *rand.Rand, center, spread int) float32 {
	half := func() uint32 {
		e := min(254, max(0, center+rng.IntN(2*spread+1)-spread))
		return rng.Uint32()&0x807f | uint32(e)<<7
	}
	return math.Float32frombits(half() | half()<<16)
}

func TestDotPairIsRoundedOnceAndFlushed(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for i := range 60_000 {
		center, spread := 127, 12
		if i%3 == 0 { // products near the bottom of the range
			center, spread = 64, 13
		}
		x, y := randomPair(rng, center, spread), randomPair(rng, center, spread)
		acc := math.Float32frombits(uint32(max(0, 2*center-127+rng.IntN(30)-15))<<23 | rng.Uint32()&0x807fffff)
		xl, xh := halves(x)
		yl, yh := halves(y)
		want := exactStep(exactStep(flushed(math.Float32bits(acc)), xh, yh), xl, yl)
		if got := dotPair(acc, x, y); math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("dotPair(%08x, %08x, %08x) is %08x, exactly %08x", math.Float32bits(acc), math.Float32bits(x), math.Float32bits(y), math.Float32bits(got), math.Float32bits(want))
		}
	}
	// Here a result is normal or zero by what it would round to with more range.
	for _, c := range []struct {
		x, y float32
		want uint32
	}{{0x1p-74, -0x1p-75, 0}, {0x1p-75, -0x1p-75, 0}, {0x1p-75, -0x1p-76, 0x00800000}} {
		if got := flushingFMA(c.x, c.y, 0x1p-126); math.Float32bits(got) != c.want {
			t.Errorf("2^-126 + %v*%v is %08x, want %08x", c.x, c.y, math.Float32bits(got), c.want)
		}
	}
}

func TestRoundBF16(t *testing.T) {
	for _, c := range []struct{ in, want uint32 }{
		{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, {0x7f7fffff, 0x7f80},
		{0x80000000, 0x8000}, {0x007fffff, 0}, {0x807fffff, 0x8000}, {0x00800000, 0x0080}, {0x7f800000, 0x7f80}, {0x7fffffff, 0x7fff}, {0xff800001, 0xffc0},
	} {
		if got := roundBF16(math.Float32frombits(c.in)); uint32(got) != c.want {
			t.Errorf("%08x rounds to %04x, want %04x", c.in, got, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(9, 9))
	for _, n := range []int{1, 2, 31, 32, 33, 100, 1000} {
		low, high := make([]float32, n), make([]float32, n)
		for i := range low {
			low[i], high[i] = math.Float32frombits(rng.Uint32()), math.Float32frombits(rng.Uint32())
			if i%4 == 0 {
				low[i], high[i] = special[rng.IntN(len(special))], special[rng.IntN(len(special))]
			}
		}
		var want [3][]float32
		for i, s := range pairSets() {
			got := [3][]float32{make([]float32, (n+1)/2), make([]float32, n), make([]float32, n)}
			s.Pairs(got[0], low)
			s.Weave(got[1], low, high)
			s.Weave(got[2], low, nil)
			if i == 0 {
				want = got
			}
			for k := range got {
				for j, v := range got[k] {
					if math.Float32bits(v) != math.Float32bits(want[k][j]) {
						t.Fatalf("%s: %d elements, result %d: pair %d is %08x, want %08x", s.name, n, k, j, math.Float32bits(v), math.Float32bits(want[k][j]))
					}
				}
			}
		}
	}
}

func TestProductsOfPairsMatchEmulation(t *testing.T) {
	for _, c := range [][3]int{{1, 1, 1}, {12, 32, 8}, {13, 33, 5}, {25, 70, 17}, {15, 65, 520}, {8, 96, 3}} {
		m, n, k := c[0], c[1], c[2]
		for _, center := range []int{127, 64} {
			for _, add := range []bool{false, true} {
				rng := rand.New(rand.NewPCG(uint64(m*n), uint64(k*center)))
				a, b, start := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
				for i := range a {
					a[i] = randomPair(rng, center, 14)
				}
				for i := range b {
					b[i] = randomPair(rng, center, 14)
				}
				for i := range start {
					start[i] = float32(rng.NormFloat64())
				}
				var want []float32
				for i, s := range pairSets() {
					for _, left := range []Left{{a, k, 1}, {transposed(a, m, k), 1, m}} {
						packed := make([]float32, s.PackedLen(k, n))
						s.Pack(packed, transposed(b, k, n), k, k, n, 0, s.Panels(n))
						for _, right := range []Right{{Data: b, Row: n}, {Data: packed, Packed: true}} {
							got := append([]float32(nil), start...)
							s.Multiply(m, n, k, left, right, got, n, add, new(Scratch))
							if i == 0 && want == nil {
								want = got
							}
							sameBits(t, fmt.Sprintf("%s %dx%dx%d add %v packed %v, exponents near %d", s.name, m, n, k, add, right.Packed, center), want, got)
						}
					}
				}
			}
		}
	}
}

func transposed(x []float32, rows, columns int) []float32 {
	y := make([]float32, len(x))
	for i := range rows {
		for j := range columns {
			y[j*rows+i] = x[i*columns+j]
		}
	}
	return y
}

// FuzzPairsMatchEmulation compares one step of any bits.
func FuzzPairsMatchEmulation(f *testing.F) {
	f.Add([]byte("\x00\x00\x80\x00\x80\x20\x80\x20\x80\x9f\x80\x9f"))
	f.Add([]byte("\x01\x00\x80\x7f\x00\x00\x80\x3f\xff\xff\x7f\x7f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 12 {
			return
		}
		v := func(i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])) }
		want := dotPair(v(0), v(1), v(2))
		for _, s := range pairSets()[1:] {
			var b, c [maxColumns]float32
			b[7], c[7] = v(2), v(0)
			s.product(1, 1, []float32{v(1)}, 1, 1, b[:], maxColumns, c[:], maxColumns, true)
			sameBits(t, fmt.Sprintf("%s, %x", s.name, data[:12]), []float32{want}, c[7:8])
		}
	})
}

const pairVectorsFile = "testdata/bf16.txt"

// TestPairVectors holds the vectors of profile bf16: operands and result of single
// steps, and a product.
func TestPairVectors(t *testing.T) {
	for _, s := range pairSets() {
		var b strings.Builder
		for _, x := range []uint32{0x3f800000, 0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff, 0x007fffff, 0x807fffff, 0xc2f6e979} {
			p := make([]float32, 1)
			s.Pairs(p, []float32{math.Float32frombits(x), 1})
			fmt.Fprintf(&b, "pair(%08x, 1) %08x\n", x, math.Float32bits(p[0]))
		}
		for _, c := range [][3]uint32{
			{0, 0x40003f80, 0x40803f80}, {0x3f800000, 0x33803380, 0x33803380}, {0x4b800000, 0x3f80bf80, 0x3f803f80}, {0x4b800000, 0xbf803f80, 0x3f803f80},
			{0x00800000, 0x1a000000, 0x9a000000}, {0x00800000, 0x1a001a00, 0x99809980}, {0x00000001, 0, 0x3f80}, {0x80000000, 0, 0}, {0x00400000, 0x00403f80, 0x7f007f00}, {0x7f7fffff, 0x7f00bf80, 0x40003f80},
		} {
			var row, acc [maxColumns]float32
			row[0], acc[0] = math.Float32frombits(c[2]), math.Float32frombits(c[0])
			s.product(1, 1, []float32{math.Float32frombits(c[1])}, 1, 1, row[:], maxColumns, acc[:], maxColumns, true)
			fmt.Fprintf(&b, "dotPair(%08x, %08x, %08x) %08x\n", c[0], c[1], c[2], math.Float32bits(acc[0]))
		}
		const m, n, k = 2, 3, 5
		x, y, z := sequence(m*k, 5, 1, 4), sequence(n*k, 7, 3, 8), make([]float32, m*n)
		xp, yp := make([]float32, m*3), make([]float32, n*3)
		for i := range m {
			s.Pairs(xp[3*i:], x[k*i:k*i+k])
		}
		for i := range n {
			s.Pairs(yp[3*i:], y[k*i:k*i+k])
		}
		packed := make([]float32, s.PackedLen(3, n))
		s.Pack(packed, yp, 3, 3, n, 0, s.Panels(n))
		s.Multiply(m, n, 3, Left{xp, 3, 1}, Right{Data: packed, Packed: true}, z, n, false, new(Scratch))
		b.WriteString("x(2x5) times transpose of y(3x5)")
		for _, v := range z {
			fmt.Fprintf(&b, " %08x", math.Float32bits(v))
		}
		b.WriteByte('\n')
		if *rewrite {
			if err := os.WriteFile(pairVectorsFile, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(pairVectorsFile)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s gives\n%s\nwant\n%s", s.name, b.String(), want)
		}
	}
}
