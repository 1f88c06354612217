package desk

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// Who chooses a model sees that its answers are computed in 8 bits, and so does
// who has got one.
func TestPlaygroundNamesWeights(t *testing.T) {
	for weights, want := range map[string][2]string{
		inference.WeightsFloat32: {"1.00 in, 2.00 DEMO out per 1000 tokens)", "float32: profile R0"},
		inference.WeightsQ8:      {"1.00 in, 2.00 DEMO out per 1000 tokens, weights in q8)", "8 bits"},
	} {
		offer := offerText("DEMO", served{Name: "m", Rung: 1, Price: program.Inference{InputPrice: 1_000_000, OutputPrice: 2_000_000, Weights: weights}})
		if !strings.HasSuffix(offer, want[0]) {
			t.Errorf("offer %q, want ... %q", offer, want[0])
		}
		said := doneJSON(reply{Weights: page.Weights(weights)})["Computed with"]
		if !strings.Contains(said, want[1]) {
			t.Errorf("an answer is said to be computed with %q, want %q in it", said, want[1])
		}
	}
}
