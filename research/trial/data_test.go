package trial_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
	"github.com/crescendo-network/crescendo/training/assign"
	"github.com/google/go-cmp/cmp"
)

// kinds are documents of two kinds, each of words of its own.
var kinds = map[string]string{
	"sea":  "wind tide salt gull mast rope sail deep grey north",
	"land": "field oak stone barn plough wheat hill lane gate south",
}

func write(t *testing.T, dir string, n int) {
	t.Helper()
	for kind, words := range kinds {
		all := strings.Fields(words)
		for i := range n {
			rng := rand.New(rand.NewPCG(uint64(i), uint64(len(words))))
			var b strings.Builder
			for range 120 {
				b.WriteString(all[rng.IntN(len(all))] + " ")
			}
			path := filepath.Join(dir, kind, fmt.Sprintf("%03d.txt", i))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func library(t *testing.T) (blob.Store, *corpus.Reader) {
	t.Helper()
	store, dir := blob.NewMemory(), t.TempDir()
	write(t, dir, 60)
	p, err := corpus.Build(t.Context(), corpus.Directory(dir), corpus.Options{Store: store, Vocab: 320, Context: 32, HeldOutPerMille: 200, Seed: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := corpus.Open(t.Context(), store, p.Hash)
	if err != nil {
		t.Fatal(err)
	}
	return store, r
}

// chosen is a trial of a recipe that chooses its text.
func chosen(mix []research.MixWeight, shard crescendo.Hash) trial.Task {
	k := task(func(r *program.Rung) { r.Training.Mix, r.Training.Shard = mix, shard })
	k.Spec.Corpus.Vocabulary, k.Documents = 320, 16
	return k
}

// A recipe that draws one kind of document only is better on that kind, and
// worse on the other.
func TestAMixIsBetterOnItsKind(t *testing.T) {
	_, r := library(t)
	loss := func(mix []research.MixWeight) map[string]uint64 {
		k := chosen(mix, crescendo.Hash{})
		result, err := trial.Run(t.Context(), native.New(1), trial.OfCorpus(r), k, nil)
		if err != nil {
			t.Fatal(err)
		}
		index, err := r.Index(t.Context(), corpus.HeldOut)
		if err != nil {
			t.Fatal(err)
		}
		sums := map[string]uint64{}
		for i, w := range assign.HeldOut(k.Draw, int(k.Documents), r.HeldOut().Windows()) {
			path := index.Documents[index.At(int64(w)*int64(k.Window))].Path
			sums[filepath.Dir(path)] += result.Losses[i]
		}
		return sums
	}
	plain, sea := loss(nil), loss([]research.MixWeight{{Prefix: "land/", PerMille: 0}})
	if len(plain) != 2 {
		t.Fatalf("documents of both kinds must be drawn: %v", plain)
	}
	if sea["sea"] >= plain["sea"] || sea["land"] <= plain["land"] {
		t.Errorf("trained on the sea alone: loss %v, on everything: %v", sea, plain)
	}
}

// A recipe that leaves nothing to train on has the worst loss, and everybody
// finds so; one whose text cannot be fetched has none.
func TestTrialsWithoutText(t *testing.T) {
	store, r := library(t)
	broken, err := store.Put(t.Context(), []byte("no manifest"))
	if err != nil {
		t.Fatal(err)
	}
	var weights []crescendo.Hash
	for name, k := range map[string]trial.Task{
		"no document": chosen([]research.MixWeight{{Prefix: "land/", PerMille: 0}, {Prefix: "sea/", PerMille: 0}}, crescendo.Hash{}),
		"no shard":    chosen(nil, broken),
	} {
		var results []trial.Result
		for range 2 {
			again, err := corpus.Open(t.Context(), store, r.Hash())
			if err != nil {
				t.Fatal(err)
			}
			result, err := trial.Run(t.Context(), native.New(1), trial.OfCorpus(again), k, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			results = append(results, result)
		}
		if d := cmp.Diff(results[0], results[1]); d != "" {
			t.Errorf("%s: two runners differ: %s", name, d)
		}
		for _, l := range results[0].Losses {
			if l != 20_000_000*32 {
				t.Errorf("%s: loss %d, want the worst", name, l)
			}
		}
		weights = append(weights, results[0].Weights)
	}
	if weights[0] == weights[1] {
		t.Error("two recipes without text are taken for one")
	}
	_, err = trial.Run(t.Context(), native.New(1), trial.OfCorpus(r), chosen(nil, crescendo.Hash{1}), nil)
	if !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("a shard that is not there: %v", err)
	}
}
