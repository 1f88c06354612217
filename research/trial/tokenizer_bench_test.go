package trial_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
)

// BenchmarkTokenizers compares tokenizers on the thousandth ladder's first
// rung, all with Muon and within the budget: nats per token of the programme's,
// on the same text. STEPS says how long.
func BenchmarkTokenizers(b *testing.B) {
	spec, _, err := programfile.Load("../../programs/thousandth.yaml")
	if err != nil {
		b.Fatal(err)
	}
	source, err := corpus.GoTree(b.Context())
	if err != nil {
		b.Skip(err)
	}
	store := blob.NewMemory()
	pack, err := corpus.Build(b.Context(), source, corpus.Options{Store: store, Vocab: int(spec.Corpus.Vocabulary), Context: 128, Seed: 1}, nil)
	if err != nil {
		b.Fatal(err)
	}
	reader, err := corpus.Open(b.Context(), store, pack.Hash)
	if err != nil {
		b.Fatal(err)
	}
	steps := 100
	if n, err := strconv.Atoi(os.Getenv("STEPS")); err == nil {
		steps = n
	}
	shape := research.Model{Dim: 64, Layers: 5, Heads: 2, KVHeads: 2, FFN: 176, Tied: true}
	deeper, wider := shape, research.Model{Dim: 96, Layers: 3, Heads: 3, KVHeads: 3, FFN: 256, Tied: true}
	deeper.Layers = 7
	for _, c := range []struct {
		name      string
		tokenizer research.Tokenizer
		model     research.Model
	}{
		{"4096, the programme's", research.Tokenizer{}, research.Model{}}, {"2048", research.Tokenizer{Vocabulary: 2048}, research.Model{}},
		{"2048 and deeper", research.Tokenizer{Vocabulary: 2048}, deeper}, {"1024 and wider", research.Tokenizer{Vocabulary: 1024}, wider},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := research.Recipe{Version: 1, Author: "cresc1w508d6qejxtdg4y5r3zarvary0c5xw7kynwnd2", Name: c.name, Optimizer: research.Optimizer(muon),
				Tokenizer: c.tokenizer, Model: c.model}
			effective, err := program.Effective(spec, 1, r)
			if err != nil {
				b.Fatal(err)
			}
			draw := digest.Sum("bench/draw")
			k := trial.Task{Spec: effective, Rung: 1, Tokens: uint64(steps) * 512, Draw: draw, Documents: 64, Window: 128, Seed: trial.SeedOf(chain, 1, 1, 0, draw)}
			for range b.N {
				result, err := trial.Run(b.Context(), native.New(1), trial.OfCorpus(reader), k, nil)
				if err != nil {
					b.Fatal(err)
				}
				sum := 0.0
				for _, l := range result.Losses {
					sum += float64(l) / 1e6 / 64 / 128
				}
				b.ReportMetric(sum, "nats/token")
				b.ReportMetric(float64(effective.Parameters(0)), "parameters")
			}
		})
	}
}
