package native

import (
	"math"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/enginetest"
)

// exactLoss is the mean loss of the last forward pass before rounding.
func (m *model) exactLoss(t *testing.T, tokens []int32, batch, seq int) float64 {
	t.Helper()
	a := m.prepare(batch, seq, false)
	a.load(tokens, nil)
	m.forward(a)
	m.head(a, false)
	var sum float64
	for _, l := range a.losses {
		sum += l
	}
	return sum/float64(a.rows) + m.balanceLoss(a)
}

// TestGradient compares the gradient of every tensor with central differences
// along its own direction and along a random one.
func TestGradient(t *testing.T) {
	shapes := map[string]engine.Shape{
		"tied":   {Vocab: 67, Dim: 24, Layers: 2, Heads: 2, KVHeads: 2, FFN: 40, Context: 64, Tied: true, RopeTheta: 10000, NormEps: 1e-5},
		"untied": {Vocab: 50, Dim: 32, Layers: 2, Heads: 4, KVHeads: 4, FFN: 33, Context: 64, RopeTheta: 500, NormEps: 1e-5},
		"biased": {Vocab: 50, Dim: 48, Layers: 2, Heads: 6, KVHeads: 2, FFN: 20, Context: 64, RopeTheta: 10000, NormEps: 1e-5, QKVBias: true,
			RopeScaling: engine.RopeScaling{Kind: engine.RopeLlama3, Factor: 8, LowFactor: 1, HighFactor: 4, Original: 32}},
		"all biases": {Vocab: 50, Dim: 48, Layers: 2, Heads: 6, KVHeads: 2, FFN: 20, Context: 64, RopeTheta: 10000, NormEps: 1e-5, QKVBias: true, OutBias: true, FFNBias: true},
		"mixture": {Vocab: 50, Dim: 32, Layers: 2, Heads: 4, KVHeads: 2, FFN: 24, Context: 64, RopeTheta: 10000, NormEps: 1e-5,
			Experts: 4, ExpertsPerToken: 2, Balance: 0.1},
		"grouped": {Vocab: 50, Dim: 48, Layers: 2, Heads: 6, KVHeads: 2, FFN: 48, Context: 64, RopeTheta: 10000, NormEps: 1e-5},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			e := New(1)
			made, err := e.New(shape)
			if err != nil {
				t.Fatal(err)
			}
			e.Init(made, 7)
			m := made.(*model)
			rng := engine.NewSplitMix(3)
			for i := range m.params {
				// Larger weights, so that every path matters; the embedding most, or
				// the first norm would make the loss bend within the step below.
				scale := 2 + rng.Float64()
				if m.layout.embed.from <= i && i < m.layout.embed.to {
					scale *= 6
				}
				m.params[i] = float32(float64(m.params[i]) * scale)
			}
			for _, tensor := range m.tensors {
				for i := range m.params[tensor.Offset : tensor.Offset+tensor.Len] {
					if strings.HasSuffix(tensor.Name, ".bias") {
						m.params[tensor.Offset+i] = float32(rng.Float64() - 0.5)
					}
				}
			}
			const batch, seq = 2, 37
			tokens := enginetest.Tokens(3, shape.Vocab, batch*(seq+1))
			if _, err := m.gradient(tokens, batch, seq); err != nil {
				t.Fatal(err)
			}
			for _, l := range m.acts.layers {
				if l.mixture != nil {
					l.mixture.frozen = true // another choice would be a step in the loss
				}
			}
			grads := append([]float32(nil), m.grads...)
			start := append([]float32(nil), m.params...)
			for _, tensor := range m.tensors {
				g := grads[tensor.Offset : tensor.Offset+tensor.Len]
				for _, random := range []bool{false, true} {
					direction := make([]float64, len(g))
					var norm float64
					for i, v := range g {
						direction[i] = float64(v)
						if random {
							direction[i] = float64(v) * 2 * rng.Float64()
						}
						norm += direction[i] * direction[i]
					}
					norm = math.Sqrt(norm)
					var want float64
					for i, v := range g {
						direction[i] /= norm
						want += direction[i] * float64(v)
					}
					move := func(step float64) float64 {
						copy(m.params, start)
						for i, v := range direction {
							m.params[tensor.Offset+i] += float32(step * v)
						}
						return m.exactLoss(t, tokens, batch, seq)
					}
					// Fourth order, so that the step can be large enough to drown rounding.
					h := min(0.005, 0.01/want)
					got := (8*(move(h)-move(-h)) - (move(2*h) - move(-2*h))) / (12 * h)
					if math.Abs(got-want) > 0.003*math.Abs(want)+3e-4 {
						t.Errorf("%s: differences give %.6f, gradient %.6f (random %v)", tensor.Name, got, want, random)
					}
				}
			}
		})
	}
}
