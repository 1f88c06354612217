package trial_test

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/research/trial"
)

// adamw is AdamW with one learning rate for everything.
func adamw(lr uint32) program.Optimizer {
	o := muon
	o.Kind, o.LRMillionths, o.MatrixLRMillionths = "adamw", lr, lr
	return o
}

func muonAt(lr, matrix uint32) program.Optimizer {
	o := muon
	o.LRMillionths, o.MatrixLRMillionths = lr, matrix
	return o
}

// BenchmarkRecipes tells how well short trials foretell long ones: the loss of
// some recipes on the thousandth ladder's first rung after few and many steps.
// STEPS chooses one length.
func BenchmarkRecipes(b *testing.B) {
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
	steps := []int{10, 20, 40, 80, 160}
	if n, err := strconv.Atoi(os.Getenv("STEPS")); err == nil {
		steps = []int{n}
	}
	for _, recipe := range []struct {
		name string
		o    program.Optimizer
		seqs uint32
	}{
		{"adamw-1e-3", adamw(1000), 4}, {"adamw-3e-3", adamw(3000), 4}, {"adamw-6e-3", adamw(6000), 4}, {"adamw-12e-3", adamw(12000), 4}, {"adamw-24e-3", adamw(24000), 4},
		{"muon-24-20", muonAt(24000, 20000), 4}, {"muon-12-10", muonAt(12000, 10000), 4}, {"muon-6-5", muonAt(6000, 5000), 4},
		{"muon-24-40", muonAt(24000, 40000), 4}, {"muon-48-40", muonAt(48000, 40000), 4},
	} {
		for _, n := range steps {
			b.Run(fmt.Sprintf("%s/%d", recipe.name, n), func(b *testing.B) {
				for range b.N {
					var mean, square float64
					const seeds = 2
					for seed := range seeds {
						draw := digest.Sum("bench/draw")
						k := trial.Task{Spec: spec, Rung: 1, Tokens: uint64(n) * 512, Draw: draw, Documents: 64, Window: 128,
							Seed: trial.SeedOf(chain, 1, 1, uint32(seed), draw)}
						k.Spec.Rungs = append([]program.Rung{}, spec.Rungs...)
						k.Spec.Rungs[0].Training.Optimizer = recipe.o
						k.Spec.Rungs[0].Training.Sequences = recipe.seqs
						r, err := trial.Run(b.Context(), native.New(1), trial.OfCorpus(reader), k, nil)
						if err != nil {
							b.Fatal(err)
						}
						sum := 0.0
						for _, l := range r.Losses {
							sum += float64(l) / 1e6 / 64 / 128
						}
						mean, square = mean+sum/seeds, square+sum*sum/seeds
					}
					b.ReportMetric(mean, "nats/token")
					b.ReportMetric(math.Sqrt(max(0, square-mean*mean)), "spread")
				}
			})
		}
	}
}
