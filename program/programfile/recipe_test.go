package programfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

const ada crescendo.Account = "cresc1w508d6qejxtdg4y5r3zarvary0c5xw7kynwnd2"

func TestRecipeFiles(t *testing.T) {
	spec, _, err := Load("../../programs/thousandth.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := RecipeOf(spec, 1, ada)
	if err != nil {
		t.Fatal(err)
	}
	want.Parents = []crescendo.Hash{{1}, {2}}
	want.Mix = []research.MixWeight{{Prefix: "doc/", PerMille: 2000}, {Prefix: "src/vendor/", PerMille: 0}}
	file, err := WriteRecipe(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseRecipe("r.yaml", file, "nobody")
	if err != nil {
		t.Fatalf("%v in\n%s", err, file)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s in\n%s", d, file)
	}
	short, err := ParseRecipe("r.yaml", []byte("name: short\nsequences: 8\n"), ada)
	if err != nil || short.Author != ada || short.Version != research.RecipeVersion {
		t.Errorf("%+v, %v", short, err)
	}
}

func TestRefusedRecipeFiles(t *testing.T) {
	for name, c := range map[string]struct{ file, want, hint string }{
		"misspelt":      {"name: a\noptimizer: {lr-milionths: 3}\n", `line 2: unknown key "lr-milionths"`, `did you mean "lr-millionths"?`},
		"nothing":       {"", "the file is empty", ""},
		"two documents": {"name: a\n---\nname: b\n", "a second document", ""},
		"no name":       {"sequences: 4\n", "name: want", ""},
		"bad context":   {"name: a\ncontext: 100\n", "context: 100", ""},
		"too large":     {"name: " + strings.Repeat("a", MaxRecipeSize), "more than", ""},
	} {
		_, err := ParseRecipe("r.yaml", []byte(c.file), ada)
		var refusal *crescendo.Error
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), c.want) || refusal.Hint != c.hint {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseRecipe(f *testing.F) {
	f.Add([]byte("name: a\noptimizer: {kind: muon}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecipe("r.yaml", data, ada)
		if err != nil {
			return
		}
		file, err := WriteRecipe(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseRecipe("r.yaml", file, ada)
		if err != nil || again.ID() != r.ID() {
			t.Fatalf("%v: %+v became %+v", err, r, again)
		}
	})
}
