package programfile

import (
	"path/filepath"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
)

// Rules count parameters with their own integers; the engine lays tensors out.
// Both must come to the same number.
func TestParametersAreTheEngines(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		spec, _, err := Load(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range spec.Rungs {
			m := r.Model
			shape := engine.Shape{Vocab: int(m.Vocabulary(spec.Corpus.Vocabulary)), Dim: int(m.Dim), Layers: int(m.Layers), Heads: int(m.Heads),
				KVHeads: int(m.KVHeads), FFN: int(m.FFN), Context: int(m.Context), Tied: m.Tied, RopeTheta: 10000, NormEps: 1e-5,
				Experts: int(m.Experts), ExpertsPerToken: int(m.ExpertsPerToken), Balance: float32(m.BalanceMillionths) / 1e6}
			if got, want := shape.Parameters(), int(spec.Parameters(i)); got != want {
				t.Errorf("%s, rung %s: the engine has %d parameters, the programme %d", f, r.Name, got, want)
			}
			if got, want := shape.ActiveParameters(), int(spec.ActiveParameters(i)); got != want {
				t.Errorf("%s, rung %s: of the engine's a token uses %d parameters, of the programme's %d", f, r.Name, got, want)
			}
			if spec.Parameters(i) < 1<<31 {
				if err := shape.Validate(); err != nil {
					t.Errorf("%s, rung %s: %v", f, r.Name, err)
				}
			}
		}
	}
}
