package delta

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"lukechampine.com/blake3"
	"pgregory.net/rapid"
)

var codecs = []Codec{F32, Int8, Q2}

func layout(t testing.TB, lengths ...int) Layout {
	t.Helper()
	l, err := NewLayout(lengths)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// noise is a vector of about normal numbers, the same on every machine.
func noise(n int, seed uint64, scale float32) []float32 {
	rng := engine.NewSplitMix(seed)
	v := make([]float32, n)
	for i := range v {
		sum := -6.0
		for range 12 {
			sum += rng.Float64()
		}
		v[i] = float32(sum) * scale
	}
	return v
}

func mustEncode(t testing.TB, c Codec, l Layout, v []float32) []byte {
	t.Helper()
	data, err := Encode(c, l, v)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != c.Size(l) {
		t.Fatalf("%s: %d bytes, Size says %d", c, len(data), c.Size(l))
	}
	return data
}

func mustDecode(t testing.TB, c Codec, l Layout, data []byte) []float32 {
	t.Helper()
	dst := make([]float32, l.Parameters())
	if err := Decode(c, l, data, dst); err != nil {
		t.Fatal(err)
	}
	return dst
}

func TestGolden(t *testing.T) {
	l := layout(t, 5000, 7, 4096, 1)
	v := noise(l.Parameters(), 1, 0.01)
	v[5000], v[5001], v[9103] = 0, float32(math.Copysign(0, -1)), -3
	want := map[Codec]string{
		F32:  "4c0ba0534a5d91db",
		Int8: "f3a43e5b48d10026",
		Q2:   "64744278bdc01830",
	}
	for _, c := range codecs {
		h := blake3.Sum256(mustEncode(t, c, l, v))
		if got := hex.EncodeToString(h[:8]); got != want[c] {
			t.Errorf("%s: %s, want %s", c, got, want[c])
		}
	}
	small := layout(t, 6)
	data := mustEncode(t, Q2, small, []float32{0.5, -0.5, 0.125, -0.125, 0.5, -0.125})
	const q2 = "43525344454c544101000300000000000600000000000000276c010b12b3e116f138cc74db4db665c8b2311a2461968730303a5df6c2ee7ab8c88d09"
	if got := hex.EncodeToString(data); got != q2 {
		t.Errorf("q2 vector\n got %s\nwant %s", got, q2)
	}
}

func TestScales(t *testing.T) {
	if scales[0] != 0 || scales[scaleBias] != 1 || scales[scaleBias-8] != 0.5 || scales[255] < 58 || scales[255] > 59 {
		t.Error(scales[scaleBias], scales[255])
	}
	for c := 1; c < 256; c++ {
		if want := math.Exp2(float64(c-scaleBias) / 8); math.Abs(float64(scales[c])/want-1) > 1e-7 {
			t.Errorf("code %d: %v, want %v", c, scales[c], want)
		}
		if got := nearest(float64(scales[c])); int(got) != c {
			t.Errorf("nearest(scale %d) = %d", c, got)
		}
		if got := atLeast(float64(scales[c])); int(got) != c {
			t.Errorf("atLeast(scale %d) = %d", c, got)
		}
	}
	if nearest(0) != 0 || nearest(1e-9) != 0 || nearest(math.Inf(1)) != 255 || atLeast(0) != 1 || atLeast(1e9) != 255 {
		t.Error("ends of the table")
	}
}

// What a codec loses stays within what its description promises.
func TestErrorBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(1, 5000), 1, 3).Draw(t, "lengths")
		l, err := NewLayout(lengths)
		if err != nil {
			t.Fatal(err)
		}
		scale := float32(math.Exp2(rapid.Float64Range(-12, 3).Draw(t, "octave")))
		v := noise(l.Parameters(), rapid.Uint64().Draw(t, "seed"), scale)
		for _, c := range codecs {
			data, err := Encode(c, l, v)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float32, len(v))
			if err := Decode(c, l, data, got); err != nil {
				t.Fatal(c, err)
			}
			var lost, energy, top float64
			for i := range v {
				d := float64(v[i]) - float64(got[i])
				lost += d * d
				energy += float64(v[i]) * float64(v[i])
				top = max(top, math.Abs(float64(v[i])))
				switch {
				case c == F32 && d != 0:
					t.Fatalf("f32 changed %v to %v", v[i], got[i])
				case c == Int8 && math.Abs(d) > float64(scales[atLeast(maxAbs(v)/127)])*0.5001:
					t.Fatalf("int8 changed %v to %v", v[i], got[i])
				case c == Q2 && got[i]*v[i] < 0:
					t.Fatalf("q2 turned %v into %v", v[i], got[i])
				}
			}
			if c == Q2 && len(v) > 4096 && lost > 0.15*energy {
				t.Fatalf("q2 lost %.3f of the energy of normal noise", lost/energy)
			}
		}
	})
}

func maxAbs(v []float32) float64 {
	var m float64
	for _, x := range v {
		m = max(m, math.Abs(float64(x)))
	}
	return m
}

func TestEdges(t *testing.T) {
	tiny, huge := float32(1e-30), float32(3e38)
	for name, v := range map[string][]float32{
		"zeros":            make([]float32, 9),
		"negative zeros":   {float32(math.Copysign(0, -1)), 0, 0},
		"one value":        {0.25, 0.25, 0.25, -0.25, 0.25},
		"below the table":  {tiny, -tiny, tiny},
		"above the table":  {huge, -huge, huge, huge},
		"mixed far apart":  {huge, -tiny, tiny, huge, -1},
		"zeros and a few":  {0, 0, 0, 1, 0, 0, -1, 0, 0},
		"single":           {-0.3},
		"one large, small": {1, 1e-4, -1e-4, 1e-4, 0},
	} {
		l := layout(t, len(v))
		for _, c := range codecs {
			got := mustDecode(t, c, l, mustEncode(t, c, l, v))
			for i := range v {
				if got[i]*v[i] < 0 || (c != F32 && math.Signbit(float64(got[i])) && got[i] == 0) {
					t.Errorf("%s, %s: %v became %v", name, c, v, got)
					break
				}
			}
		}
	}
	l := layout(t, 2)
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		for _, c := range codecs {
			if _, err := Encode(c, l, []float32{1, bad}); !errors.Is(err, ErrNotFinite) {
				t.Errorf("%s of %v: %v", c, bad, err)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	l, other := layout(t, 6), layout(t, 3, 3)
	v := []float32{0.5, -0.5, 0.125, -0.125, 0.5, -0.125}
	q2, i8, f32 := mustEncode(t, Q2, l, v), mustEncode(t, Int8, l, v), mustEncode(t, F32, l, v)
	change := func(data []byte, at int, to ...byte) []byte {
		data = slices.Clone(data)
		copy(data[at:], to)
		return data
	}
	for name, c := range map[string]struct {
		codec Codec
		l     Layout
		data  []byte
	}{
		"empty":                {Q2, l, nil},
		"truncated":            {Q2, l, q2[:len(q2)-1]},
		"trailing":             {Q2, l, append(slices.Clone(q2), 0)},
		"another codec":        {Int8, l, q2},
		"another layout":       {Q2, other, mustEncode(t, Q2, l, v)},
		"magic":                {Q2, l, change(q2, 0, 'X')},
		"version":              {Q2, l, change(q2, 8, 2)},
		"reserved":             {Q2, l, change(q2, 12, 1)},
		"count":                {Q2, l, change(q2, 16, 7)},
		"scales swapped":       {Q2, l, change(q2, HeaderSize, 200, 184)},
		"equal scales, levels": {Q2, l, change(q2, HeaderSize, 200, 200)},
		"only the high level":  {Q2, l, change(q2, HeaderSize+2, 0x55, 0x05)},
		"only the low level":   {Q2, l, change(q2, HeaderSize+2, 0, 0)},
		"padding":              {Q2, l, change(q2, HeaderSize+3, q2[HeaderSize+3]|0x10)},
		"sign of a zero":       {Q2, l, change(q2, HeaderSize, 0, 200)},
		"all zero, signed":     {Q2, l, change(q2, HeaderSize, 0, 0, 0x02, 0)},
		"minus 128":            {Int8, l, change(i8, HeaderSize+1, 0x80)},
		"scale too large":      {Int8, l, change(i8, HeaderSize+1, 1, 2, 3, 4, 5, 6)},
		"zero scale":           {Int8, l, change(i8, HeaderSize, 0)},
		"NaN":                  {F32, l, change(f32, HeaderSize, 0, 0, 0xc0, 0x7f)},
		"infinity":             {F32, l, change(f32, HeaderSize, 0, 0, 0x80, 0xff)},
	} {
		if err := Decode(c.codec, c.l, c.data, make([]float32, 6)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
	if err := Decode(Q2, l, q2, make([]float32, 5)); err == nil {
		t.Error("decoded into a short vector")
	}
	if err := Decode(9, l, q2, make([]float32, 6)); !errors.Is(err, ErrUnknownCodec) {
		t.Error(err)
	}
	if _, err := Parse("topk"); !errors.Is(err, ErrUnknownCodec) {
		t.Error(err)
	}
	for _, lengths := range [][]int{nil, {0}, {-1}, {MaxParameters, 1}} {
		if _, err := NewLayout(lengths); err == nil {
			t.Errorf("layout of %v", lengths)
		}
	}
}

// FuzzDecode looks for panics and for two payloads of one vector.
func FuzzDecode(f *testing.F) {
	l := layout(f, 9, 4100, 3)
	for _, c := range codecs {
		f.Add(uint16(c), mustEncode(f, c, l, noise(l.Parameters(), 2, 0.01))[HeaderSize:])
		f.Add(uint16(c), mustEncode(f, c, l, make([]float32, l.Parameters()))[HeaderSize:])
	}
	f.Fuzz(func(t *testing.T, kind uint16, body []byte) {
		c := Codec(kind)
		got := make([]float32, l.Parameters())
		if Decode(c, l, append(c.header(l), body...), got) != nil {
			return
		}
		for i, v := range got {
			if v != v || c != F32 && v == 0 && math.Signbit(float64(v)) {
				t.Fatalf("element %d is %v", i, v)
			}
		}
		if c == F32 {
			if again := mustEncode(t, c, l, got); string(again[HeaderSize:]) != string(body) {
				t.Fatal("two payloads of one vector")
			}
		}
	})
}

// A payload of small chunks is the only one that decodes to its vector: all
// bodies of two elements are tried.
func TestCanonicalByExhaustion(t *testing.T) {
	l := layout(t, 2)
	for _, c := range []Codec{Q2, Int8} {
		seen := map[string]int{}
		got := make([]float32, 2)
		scales := []int{0, 1, 2, 9, 10, 200, 208, 216, 255} // a sample, with ratios of two
		for n := range len(scales) << 16 {
			a, b, d := byte(scales[n>>16]), byte(n>>8), byte(n)
			if c == Q2 && !slices.Contains(scales, int(b)) {
				continue
			}
			if Decode(c, l, append(c.header(l), a, b, d), got) != nil {
				continue
			}
			key := fmt.Sprint(math.Float32bits(got[0]), math.Float32bits(got[1]))
			if old, ok := seen[key]; ok {
				t.Fatalf("%s: bodies %06x and %06x both mean %v", c, old, n, got)
			}
			seen[key] = n
		}
		if len(seen) < 250 {
			t.Errorf("%s: only %d canonical bodies", c, len(seen))
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	l := layout(b, 262144, 4096*61, 513728-262144-4096*61)
	v := noise(l.Parameters(), 3, 0.001)
	for _, c := range codecs {
		b.Run("encode/"+c.String(), func(b *testing.B) {
			b.SetBytes(int64(4 * len(v)))
			for b.Loop() {
				mustEncode(b, c, l, v)
			}
		})
		data, dst := mustEncode(b, c, l, v), make([]float32, len(v))
		b.Run("decode/"+c.String(), func(b *testing.B) {
			b.SetBytes(int64(4 * len(v)))
			for b.Loop() {
				if err := Decode(c, l, data, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
