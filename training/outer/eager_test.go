package outer

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"lukechampine.com/blake3"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/program"
)

// BenchmarkEager asks what overlap costs: the same rung, the same text, four
// trainers, with more and more steps done before the new base is known. It
// reports the held-out loss of the last checkpoint; see docs/adr/0003.
func BenchmarkEager(b *testing.B) {
	ctx := context.Background()
	source, err := corpus.GoTree(ctx)
	must(b, err)
	store := blob.NewMemory()
	pack, err := corpus.Build(ctx, source, corpus.Options{Store: store, Vocab: 1024, Context: 128, HeldOutPerMille: 60, MaxBytes: 3_000_000}, nil)
	must(b, err)
	text, err := corpus.Open(ctx, store, pack.Hash)
	must(b, err)
	for _, eager := range []uint32{0, 5, 10, 15} {
		for seed := range uint64(2) {
			b.Run(fmt.Sprintf("steps=20/eager=%d/seed=%d", eager, seed), func(b *testing.B) {
				for b.Loop() {
					b.ReportMetric(eagerLoss(b, text, eager, seed), "nats/token")
				}
			})
		}
	}
}

func eagerLoss(b *testing.B, text *corpus.Reader, eager uint32, seed uint64) float64 {
	const rounds = 20
	ctx := context.Background()
	s := spec("q2")
	s.Corpus.Vocabulary, s.Evaluation.Sequences = 1024, 16
	s.Rungs[0].Model = program.Model{Dim: 64, Layers: 2, Heads: 2, KVHeads: 2, FFN: 176, Context: 128, Tied: true}
	t := &s.Rungs[0].Training
	t.Rounds, t.Steps, t.Sequences, t.Eager = rounds, 20, 4, eager
	p, err := PlanOf(s, 1)
	must(b, err)
	run := sum(binary.BigEndian.AppendUint64(nil, seed))
	base, _, _ := initialOf(b, p, fmt.Sprint("crescendo-dev-eager-", seed))
	aggregatorError := make([]float32, len(base))
	replica, err := native.New(1).New(p.Shape)
	must(b, err)
	w, err := NewWorker(replica, p, text.Train())
	must(b, err)
	starts := map[crescendo.Account]*State{}
	var previous crescendo.Hash
	for round := crescendo.Round(1); round <= rounds; round++ {
		seeded := crescendo.Hash(blake3.Sum256(append(run[:], byte(round))))
		var subs []Submission
		for _, a := range []crescendo.Account{"a", "b", "c", "d"} {
			task := Task{Round: round, Trainer: a, Start: starts[a], Base: base, Seed: seeded, Previous: previous}
			if task.Start != nil {
				task.Eager = eager
			}
			payload, end, err := Work(ctx, w, task)
			must(b, err)
			starts[a] = end
			subs = append(subs, Submission{a, payload})
		}
		v, err := Judge(ctx, replica, p, Ballot{Round: round, Base: base, Error: aggregatorError, Draw: seeded, HeldOut: text.HeldOut(), Submissions: subs}, sum)
		must(b, err)
		base, aggregatorError, previous = v.Params, v.Error, seeded
	}
	copy(replica.Params(), base)
	var nats, targets int64
	for i := 0; i < min(256, text.HeldOut().Windows()); i++ {
		window, err := text.HeldOut().Window(ctx, i)
		must(b, err)
		losses, err := replica.Loss(window, 1, p.Shape.Context)
		must(b, err)
		nats, targets = nats+losses[0], targets+int64(p.Shape.Context)
	}
	return float64(nats) / float64(targets) / 1e6
}

func initialOf(b *testing.B, p Plan, chain string) (base []float32, checkpoint, aggregatorError []byte) {
	checkpoint, aggregatorError, err := Initial(chain, p)
	must(b, err)
	v, err := DecodeCheckpoint(p.Shape, checkpoint)
	must(b, err)
	return v.Values, checkpoint, aggregatorError
}
