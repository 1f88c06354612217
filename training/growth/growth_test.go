package growth

import (
	"errors"
	"math"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
)

func shapeOf(dim, layers, heads, kv, ffn int, tied bool) engine.Shape {
	return engine.Shape{Vocab: 53, Dim: dim, Layers: layers, Heads: heads, KVHeads: kv, FFN: ffn, Context: 32, Tied: tied, RopeTheta: 10000, NormEps: 1e-5}
}

// lively returns parameters as far from their first values as those of a trained
// model: large logits, sharp attention, gains that are not one.
func lively(s engine.Shape, seed uint64) []float32 {
	p := make([]float32, s.Parameters())
	engine.InitParams(s, p, seed)
	rng := engine.NewSplitMix(seed + 1)
	for _, t := range s.Tensors() {
		w := p[t.Offset : t.Offset+t.Len]
		for i := range w {
			switch {
			case len(t.Dims) == 1:
				w[i] = float32(0.5 + rng.Float64())
			case t.Matrix:
				w[i] *= 20 / float32(math.Sqrt(float64(s.Dim)))
			default:
				w[i] *= 20
			}
		}
	}
	return p
}

// logits feeds a text and returns what follows each token.
func logits(t *testing.T, s engine.Shape, params []float32, text []int32) [][]float32 {
	t.Helper()
	m, err := native.New(1).New(s)
	if err != nil {
		t.Fatal(err)
	}
	copy(m.Params(), params)
	session, err := m.Session(len(text))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var rows [][]float32
	for _, token := range text {
		row, err := session.Feed([]int32{token})
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, append([]float32{}, row...))
	}
	return rows
}

func sampleText(seed uint64, vocab, n int) []int32 {
	rng := engine.NewSplitMix(seed)
	text := make([]int32, n)
	for i := range text {
		text[i] = int32(rng.Intn(vocab))
	}
	return text
}

// distance is the largest difference of two logits, and the largest logit.
func distance(a, b [][]float32) (worst, largest float64) {
	for i := range a {
		for j := range a[i] {
			worst = max(worst, math.Abs(float64(a[i][j])-float64(b[i][j])))
			largest = max(largest, math.Abs(float64(a[i][j])))
		}
	}
	return worst, largest
}

// growths are the ways to grow: width, depth, feed-forward, heads, all at once.
func growths() map[string][2]engine.Shape {
	list := map[string][2]engine.Shape{}
	for name, tied := range map[string]bool{"tied ": true, "untied ": false} {
		small := shapeOf(16, 2, 2, 1, 24, tied)
		list[name+"nothing"] = [2]engine.Shape{small, small}
		list[name+"width twice"] = [2]engine.Shape{small, shapeOf(32, 2, 4, 2, 48, tied)}
		list[name+"width thrice"] = [2]engine.Shape{small, shapeOf(48, 2, 6, 3, 72, tied)}
		list[name+"heads on one key"] = [2]engine.Shape{small, shapeOf(32, 2, 4, 1, 24, tied)}
		list[name+"larger groups"] = [2]engine.Shape{shapeOf(16, 2, 4, 2, 24, tied), shapeOf(32, 2, 8, 2, 24, tied)}
		list[name+"feed-forward unevenly"] = [2]engine.Shape{small, shapeOf(16, 2, 2, 1, 41, tied)}
		list[name+"depth"] = [2]engine.Shape{small, shapeOf(16, 5, 2, 1, 24, tied)}
		list[name+"everything"] = [2]engine.Shape{shapeOf(24, 2, 6, 2, 31, tied), func() engine.Shape {
			s := shapeOf(72, 7, 18, 4, 100, tied)
			s.Context, s.KVHeads = 64, 6
			return s
		}()}
	}
	list["untied"] = [2]engine.Shape{shapeOf(16, 2, 2, 1, 24, true), shapeOf(32, 3, 4, 2, 48, false)}
	list["smaller groups"] = [2]engine.Shape{shapeOf(24, 2, 6, 1, 24, true), shapeOf(24, 2, 6, 3, 24, true)}
	list["smaller groups that do not divide"] = [2]engine.Shape{shapeOf(24, 2, 6, 2, 24, true), shapeOf(48, 2, 12, 6, 24, false)}
	all := [2]engine.Shape{shapeOf(16, 2, 2, 1, 24, true), shapeOf(32, 3, 4, 2, 48, true)}
	mixed := [2]engine.Shape{shapeOf(16, 2, 2, 1, 24, false), shapeOf(32, 3, 4, 2, 48, false)}
	for i := range 2 {
		all[i].QKVBias, all[i].OutBias, all[i].FFNBias = true, true, true
		mixed[i].Experts, mixed[i].ExpertsPerToken = 4, 2
	}
	list["all biases"], list["experts"] = all, mixed
	upcycled, wider := [2]engine.Shape{shapeOf(16, 2, 2, 1, 24, true), shapeOf(16, 2, 2, 1, 24, true)}, [2]engine.Shape{shapeOf(16, 2, 2, 1, 24, true), shapeOf(32, 5, 4, 2, 41, false)}
	for _, to := range []*engine.Shape{&upcycled[1], &wider[1]} {
		to.Experts, to.ExpertsPerToken, to.Balance = 5, 2, 0.01
	}
	list["plain to experts"], list["plain to experts and everything"] = upcycled, wider
	shorter := shapeOf(32, 2, 4, 2, 48, true)
	shorter.Context = 16
	list["a shorter context"] = [2]engine.Shape{shapeOf(16, 2, 2, 1, 24, true), shorter}
	biased := [2]engine.Shape{shapeOf(16, 2, 2, 1, 24, true), shapeOf(32, 3, 4, 2, 48, true)}
	for i := range biased {
		biased[i].QKVBias = true
		biased[i].RopeScaling = engine.RopeScaling{Kind: engine.RopeLinear, Factor: 2}
	}
	list["biases, scaled rotation"] = biased
	// From the first to the second rung of the thousandth ladder, with fewer tokens.
	rung := func(dim, layers, heads, ffn int) engine.Shape {
		return engine.Shape{Vocab: 512, Dim: dim, Layers: layers, Heads: heads, KVHeads: heads, FFN: ffn, Context: 128, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	}
	list["thousandth"] = [2]engine.Shape{rung(64, 5, 2, 176), rung(128, 7, 4, 352)}
	return list
}

// Growth preserves the function: logits of the larger model are those of the
// smaller one within 1e-5 of the largest.
func TestPreservesFunction(t *testing.T) {
	for name, g := range growths() {
		for seed := range uint64(2) {
			for _, noise := range []int{0, MaxNoise}[seed:] {
				from, to := g[0], g[1]
				params := lively(from, seed)
				grown, err := Grow(from, params, to, seed, noise)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				text := sampleText(seed, from.Vocab, min(from.Context, to.Context))
				worst, largest := distance(logits(t, from, params, text), logits(t, to, grown, text))
				if !(worst <= 1e-5*max(1, largest)) {
					t.Errorf("%s, seed %d, noise %d: a logit differs by %v, the largest is %v", name, seed, noise, worst, largest)
				}
				if testing.Verbose() {
					t.Logf("%s, seed %d, noise %d: worst %.2g of %.3g", name, seed, noise, worst, largest)
				}
			}
		}
	}
}

// Copies part ways after the first step with noise, and never without: that is
// what noise is for.
func TestNoisePartsCopies(t *testing.T) {
	from, to := shapeOf(16, 2, 2, 1, 24, true), shapeOf(32, 2, 4, 2, 48, true)
	for noise, wantParted := range map[int]bool{0: false, DefaultNoise: true} {
		params, err := Grow(from, lively(from, 1), to, 1, noise)
		if err != nil {
			t.Fatal(err)
		}
		m, err := native.New(1).New(to)
		if err != nil {
			t.Fatal(err)
		}
		copy(m.Params(), params)
		o := engine.DefaultOptimizer(20)
		o.Kind = engine.AdamW
		for step := range 3 {
			if _, err := m.Step(sampleText(uint64(step), to.Vocab, 2*17), 2, 16, o, step); err != nil {
				t.Fatal(err)
			}
		}
		// Rows 0 and dim/2 of the first layer's up-projection were copies of one row.
		var up engine.Tensor
		for _, tensor := range to.Tensors() {
			if tensor.Name == "model.layers.0.mlp.up_proj.weight" {
				up = tensor
			}
		}
		a := m.Params()[up.Offset:][:to.Dim]
		b := m.Params()[up.Offset+from.FFN*to.Dim:][:to.Dim]
		difference := 0.0
		for i := range from.Dim { // what both read, whichever copy it comes from
			difference = max(difference, math.Abs(float64(a[i]+a[i+from.Dim]-b[i]-b[i+from.Dim])))
		}
		if parted := difference > 1e-6; parted != wantParted {
			t.Errorf("noise %d: two copies of a unit differ by %v after three steps, parted should be %v", noise, difference, wantParted)
		}
	}
}

// TestGolden holds the bits: growth is part of what an auditor recomputes.
func TestGolden(t *testing.T) {
	from, to := shapeOf(16, 2, 2, 1, 24, true), shapeOf(48, 3, 6, 3, 41, true)
	grown, err := Grow(from, lively(from, 7), to, 9, DefaultNoise)
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for _, v := range grown {
		sum = sum*0x100000001b3 ^ uint64(math.Float32bits(v))
	}
	const want = 0x5b277f283ea955a7
	if sum != want {
		t.Errorf("hash of grown parameters is %#x, want %#x", sum, uint64(want))
	}
}

func TestRefuses(t *testing.T) {
	from := shapeOf(16, 2, 2, 1, 24, false)
	for name, change := range map[string]func(*engine.Shape){
		"uneven width":     func(s *engine.Shape) { s.Dim, s.Heads = 24, 3 },
		"wider heads":      func(s *engine.Shape) { s.Dim = 32 },
		"uneven keys":      func(s *engine.Shape) { s.KVHeads, s.Dim, s.Heads = 3, 48, 6; s.Heads = 5 },
		"narrower":         func(s *engine.Shape) { s.FFN = 23 },
		"shallower":        func(s *engine.Shape) { s.Layers = 1 },
		"other vocabulary": func(s *engine.Shape) { s.Vocab++ },
		"other output":     func(s *engine.Shape) { s.Tied = true },
		"other scaling":    func(s *engine.Shape) { s.RopeScaling = engine.RopeScaling{Kind: engine.RopeLinear, Factor: 2} },
		"biases":           func(s *engine.Shape) { s.QKVBias = true },
		"other rotation":   func(s *engine.Shape) { s.RopeTheta *= 2 },
		"other norm":       func(s *engine.Shape) { s.NormEps *= 2 },
		"biased experts":   func(s *engine.Shape) { s.Experts, s.ExpertsPerToken, s.FFNBias = 2, 1, true },
	} {
		to := from
		change(&to)
		if _, err := Grow(from, lively(from, 1), to, 1, 0); !errors.Is(err, ErrShape) {
			t.Errorf("%s: error is %v, want ErrShape", name, err)
		}
	}
	mixed := from
	mixed.Experts, mixed.ExpertsPerToken = 4, 2
	for name, change := range map[string]func(*engine.Shape){
		"more experts": func(s *engine.Shape) { s.Experts = 8 }, "more a token": func(s *engine.Shape) { s.ExpertsPerToken = 3 },
		"none any more": func(s *engine.Shape) { s.Experts, s.ExpertsPerToken = 0, 0 },
	} {
		to := mixed
		change(&to)
		if err := Check(mixed, to); !errors.Is(err, ErrShape) {
			t.Errorf("experts, %s: error is %v, want ErrShape", name, err)
		}
	}
	params := lively(from, 1)
	if _, err := Grow(from, params[1:], from, 1, 0); err == nil {
		t.Error("too few parameters were taken")
	}
	if _, err := Grow(from, params, from, 1, MaxNoise+1); err == nil {
		t.Error("too much noise was taken")
	}
	params[5] = float32(math.NaN())
	if _, err := Grow(from, params, from, 1, 0); !errors.Is(err, engine.ErrNotFinite) {
		t.Errorf("a parameter that is no number: error is %v", err)
	}
}
