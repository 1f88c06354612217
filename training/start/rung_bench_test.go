package start

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

// BenchmarkRung asks what a grown start is worth in a rung: the smoke programme's
// rounds, with four honest trainers, its second rung from the seed and grown, at
// the rates of a fresh model and lower ones. It prints the loss on the same 256
// held-out windows before the first round and after each.
func BenchmarkRung(b *testing.B) {
	for seed := range uint64(2) {
		b.Run(fmt.Sprintf("seed=%d", seed), func(b *testing.B) { benchmarkRung(b, seed) })
	}
}

func benchmarkRung(b *testing.B, seed uint64) {
	l := newLab(b, seed)
	b.Logf("rung 1: %s", l.train(b, l.spec, 1))
	if err := training.Runs.Set(l.state, training.Run{Final: l.final, Corpus: l.text.Hash()}, uint32(1)); err != nil {
		b.Fatal(err)
	}
	fresh := l.spec.Rungs[0].Training.Optimizer
	for _, c := range []struct {
		name, from string
		share      uint32 // rates are those of a fresh model over this
	}{
		{"grown/rates=half", program.FromPrevious, 2}, {"fresh/rates=whole", program.FromSeed, 1}, {"grown/rates=quarter", program.FromPrevious, 4},
		{"grown/rates=whole", program.FromPrevious, 1}, {"fresh/rates=half", program.FromSeed, 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				spec := l.spec
				spec.Rungs = append([]program.Rung{}, l.spec.Rungs...)
				r := &spec.Rungs[1]
				r.Training.Optimizer = fresh
				r.Training.Optimizer.LRMillionths /= c.share
				r.Training.Optimizer.MatrixLRMillionths /= c.share
				r.Start.From = c.from
				losses := l.train(b, spec, 2)
				b.Logf("%s: %s", c.name, losses)
				b.ReportMetric(losses[0], "first-nats")
				b.ReportMetric(losses[len(losses)-1], "last-nats")
			}
		})
	}
}

type losses []float64

func (l losses) String() string {
	text := ""
	for _, x := range l {
		text += fmt.Sprintf(" %.3f", x)
	}
	return text
}

// lab trains rungs without a ledger.
type lab struct {
	spec  program.Spec
	seed  uint64
	state *kv.Memory
	blobs *blob.Memory
	text  *corpus.Reader
	final crescendo.Hash // of the rung trained last
}

func newLab(b *testing.B, seed uint64) *lab {
	spec, _, err := programfile.Load("../../programs/smoke.yaml")
	if err != nil {
		b.Fatal(err)
	}
	l := &lab{spec: spec, seed: seed, state: kv.NewMemory(), blobs: blob.NewMemory()}
	source, err := corpus.GoTree(b.Context())
	if err != nil {
		b.Skip(err)
	}
	pack, err := corpus.Build(b.Context(), source, corpus.Options{Store: l.blobs, Vocab: int(spec.Corpus.Vocabulary), Context: 128,
		HeldOutPerMille: int(spec.Corpus.HeldOutPerMille), MaxBytes: int64(spec.Corpus.MaxBytes), Seed: 1}, nil)
	if err != nil {
		b.Fatal(err)
	}
	if l.text, err = corpus.Open(b.Context(), l.blobs, pack.Hash); err != nil {
		b.Fatal(err)
	}
	return l
}

// train plays all rounds of a rung.
func (l *lab) train(b *testing.B, spec program.Spec, rung crescendo.RungID) losses {
	ctx := b.Context()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	o, err := Of(l.state, fmt.Sprint("crescendo-dev-lab-", l.seed), spec, rung, l.text.Hash())
	must(err)
	params, err := o.Params(ctx, l.blobs, outer.InitialSeed(o.Chain, rung))
	must(err)
	p := o.Plan
	model, err := native.New(2).New(p.Shape)
	must(err)
	w, err := outer.NewWorker(model, p, l.text.Train())
	must(err)
	all := losses{l.loss(b, model, params)}
	empty := make([]float32, len(params))
	states := map[crescendo.Account]*outer.State{}
	var previous crescendo.Hash
	for round := crescendo.Round(1); round <= crescendo.Round(p.Rounds); round++ {
		seed := digest.Sum("lab", binary.BigEndian.AppendUint64(nil, l.seed), []byte{byte(rung), byte(round)})
		var subs []outer.Submission
		for _, a := range []crescendo.Account{"a", "b", "c", "d"} {
			task := outer.Task{Round: round, Trainer: a, Start: states[a], Base: params, Seed: seed, Previous: previous}
			if task.Start != nil {
				task.Eager = p.Eager
			}
			payload, end, err := outer.Work(ctx, w, task)
			must(err)
			states[a] = end
			subs = append(subs, outer.Submission{Trainer: a, Payload: payload})
		}
		v, err := outer.Judge(ctx, model, p, outer.Ballot{Round: round, Base: params, Error: empty, Draw: seed, HeldOut: l.text.HeldOut(), Submissions: subs}, blob.Sum)
		must(err)
		params, empty, previous = v.Params, v.Error, seed
		all = append(all, l.loss(b, model, params))
		l.final, err = l.blobs.Put(ctx, v.Checkpoint)
		must(err)
	}
	return all
}

// loss is the mean over the same windows every time; it leaves the model's
// parameters changed.
func (l *lab) loss(b *testing.B, m engine.Model, params []float32) float64 {
	copy(m.Params(), params)
	text := l.text.HeldOut()
	n := min(256, text.Windows())
	var sum int64
	for i := range n {
		window, err := text.Window(b.Context(), i*text.Windows()/n)
		if err != nil {
			b.Fatal(err)
		}
		of, err := m.Loss(window, 1, 128)
		if err != nil {
			b.Fatal(err)
		}
		sum += of[0]
	}
	return float64(sum) / float64(n*128) / 1e6
}
