package growth

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
)

// A plain model becomes a mixture whose experts are all its feed-forward, and
// whose router has a row of its own for every expert.
func TestExpertsAreCopies(t *testing.T) {
	from := shapeOf(16, 2, 2, 1, 24, true)
	to := from
	to.Experts, to.ExpertsPerToken = 4, 2
	params := lively(from, 3)
	grown, err := Grow(from, params, to, 5, DefaultNoise)
	if err != nil {
		t.Fatal(err)
	}
	old := map[string][]float32{}
	for _, tensor := range from.Tensors() {
		old[tensor.Name] = params[tensor.Offset : tensor.Offset+tensor.Len]
	}
	routers, copied := 0, 0
	for _, tensor := range to.Tensors() {
		w := grown[tensor.Offset : tensor.Offset+tensor.Len]
		layer, rest, ok := strings.Cut(tensor.Name, ".block_sparse_moe.")
		switch {
		case !ok:
			if !slices.Equal(w, old[tensor.Name]) {
				t.Errorf("%s has changed", tensor.Name)
			}
		case rest == "gate.weight":
			routers++
			for e := range to.Experts {
				for f := range e {
					if slices.Equal(w[e*to.Dim:(e+1)*to.Dim], w[f*to.Dim:(f+1)*to.Dim]) {
						t.Errorf("%s: experts %d and %d get the same tokens", tensor.Name, e, f)
					}
				}
			}
		default:
			copied++
			name := map[string]string{"w1": "gate", "w3": "up", "w2": "down"}[strings.Split(rest, ".")[2]]
			if !slices.Equal(w, old[layer+".mlp."+name+"_proj.weight"]) {
				t.Errorf("%s is no copy of the feed-forward", tensor.Name)
			}
		}
	}
	if routers != 2 || copied != 2*4*3 {
		t.Errorf("%d routers and %d matrices of experts", routers, copied)
	}
}

// Equal experts get different tokens, and so part without noise.
func TestExpertsPart(t *testing.T) {
	from := shapeOf(16, 1, 2, 1, 24, true)
	to := from
	to.Experts, to.ExpertsPerToken, to.Balance = 3, 1, 0.01
	params, err := Grow(from, lively(from, 1), to, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	m, err := native.New(1).New(to)
	if err != nil {
		t.Fatal(err)
	}
	copy(m.Params(), params)
	o := engine.DefaultOptimizer(20)
	for step := range 3 {
		if _, err := m.Step(sampleText(uint64(step), to.Vocab, 4*17), 4, 16, o, step); err != nil {
			t.Fatal(err)
		}
	}
	var first []float32
	for _, tensor := range to.Tensors() {
		if kindOf(tensor.Name) != experts+"w2.weight" {
			continue
		}
		w := m.Params()[tensor.Offset : tensor.Offset+tensor.Len]
		if first == nil {
			first = w
			continue
		}
		difference := 0.0
		for i := range w {
			difference = max(difference, math.Abs(float64(w[i])-float64(first[i])))
		}
		if !(difference > 1e-4) {
			t.Errorf("%s differs from the first expert's by %v after three steps", tensor.Name, difference)
		}
	}
}

// TestGoldenExperts holds the bits of a mixture grown from a plain model.
func TestGoldenExperts(t *testing.T) {
	from, to := shapeOf(16, 2, 2, 1, 24, true), shapeOf(48, 3, 6, 3, 41, true)
	to.Experts, to.ExpertsPerToken = 3, 1
	grown, err := Grow(from, lively(from, 7), to, 9, DefaultNoise)
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for _, v := range grown {
		sum = sum*0x100000001b3 ^ uint64(math.Float32bits(v))
	}
	const want = 0x957b14c32e76b2f8
	if sum != want {
		t.Errorf("hash of grown parameters is %#x, want %#x", sum, uint64(want))
	}
}
