package research_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
)

func sample() research.Recipe {
	return research.Recipe{
		Version: 1, Author: "ada", Name: "muon with warm-up", Parents: []crescendo.Hash{{1}, {2}},
		Optimizer: research.Optimizer{Kind: "muon", LRMillionths: 24000, MatrixLRMillionths: 20000, Beta1Millionths: 900000,
			Beta2Millionths: 999000, WeightDecayMillionths: 100000, MomentumMillionths: 950000, ClipMillionths: 1000000, WarmupBP: 500, FinalBP: 1000},
		Sequences: 8, Context: 64, Model: research.Model{Dim: 64, Layers: 4, Heads: 2, KVHeads: 2, FFN: 176, Tied: true},
		Mix: []research.MixWeight{{Prefix: "doc/", PerMille: 500}, {Prefix: "src/", PerMille: 2000}},
	}
}

// Names of recipes are part of the protocol: royalties hang on them.
func TestGoldenNames(t *testing.T) {
	r := sample()
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]string{
		"recipe":    {r.ID().String(), "64211518f1333499edfc931f5ad74f26f88c1916094e7d8ef87ef17bd0ddb093"},
		"substance": {r.Substance().String(), "654e85bcdacc5e90c90be00544cc3269e78cee59a44dba0ef81afff02a341fa0"},
		"entry":     {research.EntryCommitment("crescendo-dev-1", 1, "ada", r.ID(), crescendo.Hash{7}).String(), "ca3fa68bb763719698dc27452c4afb71086eafa18088a8261bd6e8bbdb9df1ef"},
		"trial": {research.TrialCommitment("crescendo-dev-1", research.MsgRevealTrial{Sender: "bea", Rung: 1, Stage: 2, Recipe: r.ID(), Seed: 3,
			Weights: crescendo.Hash{9}, Losses: []uint64{1, 0, 3}, Salt: crescendo.Hash{7}}).String(), "225a18ff3863dd254a784127243e3ff6a3dea3acf9b49cf26aba976e3eeca52c"},
		"draw": {research.Draw(crescendo.Hash{5}, 1).String(), "65dee057ae26e556610799f6f26ab1ecda35aa69dec0ae8acb6bb2445fb60b1e"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %s, want %s", what, pair[0], pair[1])
		}
	}
}

// Whoever signs a recipe with whatever name, what it does has one name; and
// anything that it does differently is another substance.
func TestSubstance(t *testing.T) {
	base := sample()
	same := base
	same.Author, same.Name, same.Parents, same.Optimizer.Schedule = "eve", "my own", nil, research.Cosine
	if same.ID() == base.ID() || same.Substance() != base.Substance() {
		t.Error("a copy under another name is another substance")
	}
	for what, change := range map[string]func(*research.Recipe){
		"schedule":  func(r *research.Recipe) { r.Optimizer.Schedule = research.WSD },
		"rate":      func(r *research.Recipe) { r.Optimizer.LRMillionths++ },
		"sequences": func(r *research.Recipe) { r.Sequences++ },
		"context":   func(r *research.Recipe) { r.Context *= 2 },
		"model":     func(r *research.Recipe) { r.Model.Layers++ },
		"mix":       func(r *research.Recipe) { r.Mix = r.Mix[:1] },
		"suffix":    func(r *research.Recipe) { r.Mix[0].Prefix, r.Mix[0].Suffix = "", r.Mix[0].Prefix },
		"filter":    func(r *research.Recipe) { r.Filter.MinBytes++ },
		"shard":     func(r *research.Recipe) { r.Shard[0]++ },
	} {
		r := sample()
		if change(&r); r.Substance() == base.Substance() {
			t.Errorf("%s: another recipe has the same substance", what)
		}
	}
}

func TestRecipesThatAreRefused(t *testing.T) {
	for want, change := range map[string]func(*research.Recipe){
		"version":                    func(r *research.Recipe) { r.Version = 2 },
		"name":                       func(r *research.Recipe) { r.Name = "two\nlines" },
		"author":                     func(r *research.Recipe) { r.Author = "@treasury" },
		"parents":                    func(r *research.Recipe) { r.Parents = make([]crescendo.Hash, 9) },
		"named twice":                func(r *research.Recipe) { r.Parents = []crescendo.Hash{{1}, {1}} },
		"optimizer.kind":             func(r *research.Recipe) { r.Optimizer.Kind = "sgd" },
		"optimizer.lr-millionths":    func(r *research.Recipe) { r.Optimizer.LRMillionths = 1_000_001 },
		"optimizer.schedule":         func(r *research.Recipe) { r.Optimizer.Schedule = "step" },
		"optimizer.beta1-millionths": func(r *research.Recipe) { r.Optimizer.Beta2Millionths = 1_000_000 },
		"context":                    func(r *research.Recipe) { r.Context = 48 },
		"sequences":                  func(r *research.Recipe) { r.Sequences = 5000 },
		"model.heads":                func(r *research.Recipe) { r.Model.Heads = 0 },
	} {
		r := sample()
		change(&r)
		if err := r.Check(); crescendo.CodeOf(err) == crescendo.CodeInternal || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Strangers send recipes: whatever decodes is judged without a panic, and has
// one encoding.
func FuzzRecipe(f *testing.F) {
	f.Add(canon.Encode(sample()))
	f.Add([]byte{8, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r research.Recipe
		if canon.Decode(raw, &r) != nil {
			return
		}
		if err := r.Check(); err == nil && string(canon.Encode(r)) != string(raw) {
			t.Errorf("%x: two encodings of one recipe", raw)
		}
		(&research.MsgRevealEntry{Sender: r.Author, Rung: 1, Recipe: r}).Check()
	})
}

// However recipes build on one another: the shares are the whole, the
// recipe's own author comes first and has at least half, nobody appears twice.
func TestRoyaltiesAreTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := kv.NewMemory()
		var known []crescendo.Hash
		n := rapid.IntRange(1, 60).Draw(t, "recipes")
		for i := range n {
			o := research.Origin{Author: crescendo.Account(rapid.StringMatching("[a-z]{1,2}").Draw(t, "author")), Rung: 1}
			for range rapid.IntRange(0, min(len(known), research.MaxParents)).Draw(t, "parents") {
				p := rapid.SampledFrom(known).Draw(t, "parent")
				o.Parents = append(o.Parents, p)
			}
			if len(known) > 0 && rapid.IntRange(0, 9).Draw(t, "copy") == 0 {
				o.CopyOf = rapid.SampledFrom(known).Draw(t, "original")
			}
			id := crescendo.Hash{byte(i + 1)}
			if err := research.Origins.Set(s, o, id[:]); err != nil {
				t.Fatal(err)
			}
			known = append(known, id)
		}
		last := known[n-1]
		shares, err := research.Royalties(s, last)
		if err != nil {
			t.Fatal(err)
		}
		sum, seen := uint64(0), map[crescendo.Account]bool{}
		for _, share := range shares {
			if seen[share.Account] || share.Parts == 0 {
				t.Fatalf("%s appears twice or with nothing: %+v", share.Account, shares)
			}
			seen[share.Account] = true
			sum += share.Parts
		}
		if sum != research.Whole || len(shares) > 32 || shares[0].Parts < research.Whole/2 {
			t.Fatalf("%d in all: %+v", sum, shares)
		}
	})
}
