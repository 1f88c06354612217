package runner_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/actor"
)

// contribute packs text that belongs to the world's corpus.
func (w *world) contribute() crescendo.Hash {
	w.t.Helper()
	dir := w.t.TempDir()
	for i := range 20 {
		var b strings.Builder
		for j := range 60 {
			fmt.Fprintf(&b, "letter %d asks how far it is from %d to %d\n", i, j*i%29, (i+j)%23)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.txt", i)), []byte(b.String()), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	reader, err := corpus.Open(w.ctx, w.blobs, w.pack.Hash)
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := corpus.Build(w.ctx, corpus.Directory(dir), corpus.Options{Store: w.blobs, Tokenizer: reader.Tokenizer(), Context: reader.Manifest().Context, Contribution: true}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return p.Hash
}

// Runners train on contributed text and agree; the trials of others do not wait
// for those of a recipe whose text nobody has.
func TestContributedText(t *testing.T) {
	w := newWorldWith(t, func(c *research.Terms) { c.MaxEntries = 2 }, "ann", "ben", "ada", "eve")
	for _, name := range []string{"ann", "ben"} {
		w.run(name)
	}
	ada, eve := memory.NewSigner("ada"), memory.NewSigner("eve")
	good := research.Recipe{Version: research.RecipeVersion, Author: ada.Account(), Name: "with letters", Shard: w.contribute(),
		Mix: []research.MixWeight{{Prefix: corpus.ContributionPrefix, PerMille: 3000}}}
	withheld := research.Recipe{Version: research.RecipeVersion, Author: eve.Account(), Shard: crescendo.Hash{1}}
	for others := []crescendo.Hash{good.ID(), research.Baseline(w.spec.Organiser).ID()}; ; {
		withheld.Name += "x" // until its trials come first
		id := withheld.ID()
		if blob.Compare(id, others[0]) < 0 && blob.Compare(id, others[1]) < 0 {
			break
		}
	}
	w.begin([]actor.DemoEntry{{Signer: eve, Recipe: withheld}, {Signer: ada, Recipe: good}})
	agreed := func(s ledger.State, recipe research.Recipe) bool {
		id := recipe.ID()
		trial, err := research.Trials.Get(s, uint32(1), uint32(1), id[:], uint32(0))
		return err == nil && trial.Agreed
	}
	state := w.until("the results of all who have text", func(s ledger.State) bool {
		return agreed(s, good) && agreed(s, research.Baseline(w.spec.Organiser))
	})
	if agreed(state, withheld) {
		t.Error("runners agree on what nobody can train")
	}
	for _, name := range []string{"ann", "ben"} {
		if r := w.runnerOf(state, name); r.Fault != "" || r.Agreed != 2 {
			t.Errorf("runner %s: %+v", name, r)
		}
	}
}
