package node

import (
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/training/outer"
)

// A model's card names all text that it was trained on.
func TestCardNamesContributedText(t *testing.T) {
	named := func(p outer.Plan) int {
		return slices.IndexFunc(origin{}.card(p, &corpus.Manifest{}).Facts, func(f [2]string) bool { return f[0] == "contributed text" })
	}
	if named(outer.Plan{}) >= 0 {
		t.Error("text that nobody contributed is named")
	}
	shard := crescendo.Hash{7}
	p := outer.Plan{Choice: corpus.Choice{Shard: shard}}
	if i := named(p); i < 0 || (origin{}).card(p, &corpus.Manifest{}).Facts[i][1] != "manifest "+shard.String()+", which names its licence" {
		t.Error("contributed text is not named")
	}
}
