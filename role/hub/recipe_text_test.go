package hub

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

func TestTextOfARecipe(t *testing.T) {
	if s := textOf(research.Recipe{Sequences: 8}); s != nil {
		t.Errorf("a recipe that leaves the text to the programme: %+v", s)
	}
	s := textOf(research.Recipe{
		Mix:    []research.MixWeight{{Suffix: ".md", PerMille: 0}, {Prefix: "shard/", PerMille: 3000}},
		Filter: research.Filter{MinBytes: 100}, Shard: crescendo.Hash{0xab},
	})
	var got [][2]string
	for _, r := range s.Table.Rows {
		got = append(got, [2]string{r[0].Text, r[1].Text})
	}
	want := [][2]string{
		{"whose path ends with .md", "0"}, {"whose path begins with shard/", "3000"}, {"of fewer bytes than 100", "0"},
		{"contributed with this recipe, under shard/ (packed text " + crescendo.Hash{0xab}.Short() + ")", "3000"}, {"all others", "1000"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
