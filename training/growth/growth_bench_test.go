package growth

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
)

// A step is batch sequences of a whole context.
const (
	batch  = 8
	length = 128
)

// A pair is a small model, the large one it grows into, and how many steps each is
// trained for from scratch.
type pair struct {
	name                  string
	small, large          engine.Shape
	smallSteps, fullSteps int
}

func benchShape(dim, layers, heads, ffn int) engine.Shape {
	return engine.Shape{Vocab: 1024, Dim: dim, Layers: layers, Heads: heads, KVHeads: heads, FFN: ffn, Context: length, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
}

// pairs have the proportions of the thousandth ladder's first two rungs.
var pairs = []pair{
	{"0.08M to 0.32M", benchShape(32, 4, 2, 88), benchShape(64, 5, 4, 176), 600, 600},
	{"0.32M to 1.5M", benchShape(64, 5, 4, 176), benchShape(128, 7, 8, 352), 600, 600},
}

// budgets of the grown model, in parts of what the large one has from scratch.
var budgets = []float64{0.125, 0.25, 0.5, 0.75}

var background = context.Background()

var readText = sync.OnceValue(func() *corpus.Reader {
	source, err := corpus.GoTree(background)
	must(err)
	store := blob.NewMemory()
	pack, err := corpus.Build(background, source, corpus.Options{Store: store, Vocab: 1024, Context: length, HeldOutPerMille: 60, MaxBytes: 6_000_000}, nil)
	must(err)
	r, err := corpus.Open(background, store, pack.Hash)
	must(err)
	return r
})

// BenchmarkGrowth asks how many tokens a grown model needs to reach the loss that
// the large model reaches from scratch. Both use one schedule: warm-up, stable, and
// a decay over the last fifth of their budget. The small model is taken before any
// decay. It reports held-out losses in nats per token.
func BenchmarkGrowth(b *testing.B) {
	for _, p := range pairs {
		for seed := range uint64(3) {
			b.Run(fmt.Sprintf("%s/seed=%d", p.name, seed), func(b *testing.B) {
				for b.Loop() {
					p.run(b, seed)
				}
			})
		}
	}
}

func (p pair) run(b *testing.B, seed uint64) {
	small := p.model(b, p.small, seed)
	p.train(b, small, seed, 0, p.smallSteps, schedule(10*p.smallSteps))
	b.ReportMetric(heldOut(b, small), "small")
	scratch := p.model(b, p.large, seed)
	p.train(b, scratch, seed+100, 0, p.fullSteps, schedule(p.fullSteps))
	goal := heldOut(b, scratch)
	b.ReportMetric(goal, "scratch")
	for _, noise := range []int{DefaultNoise, 0} {
		if noise == 0 && seed > 0 {
			continue // shown once
		}
		params, err := Grow(p.small, small.Params(), p.large, seed, noise)
		must(err)
		grown := p.model(b, p.large, seed)
		copy(grown.Params(), params)
		b.ReportMetric(heldOut(b, grown), fmt.Sprintf("grown/noise=%d/at=0", noise))
		at := 0
		for _, part := range budgets {
			if noise == 0 && part > 0.25 {
				break
			}
			steps := int(part * float64(p.fullSteps))
			o := schedule(steps)
			o.WarmupSteps = p.fullSteps / 40
			stable := o
			stable.TotalSteps *= 10
			p.train(b, grown, seed+200, at, steps-steps/5, stable)
			at = steps - steps/5
			branch := p.model(b, p.large, seed)
			copy(branch.Params(), grown.Params())
			copy(branch.OptimizerState(), grown.OptimizerState())
			p.train(b, branch, seed+200, at, steps, o)
			b.ReportMetric(heldOut(b, branch), fmt.Sprintf("grown/noise=%d/at=%g", noise, part))
		}
	}
}

func schedule(steps int) engine.Optimizer {
	o := engine.DefaultOptimizer(steps)
	o.Schedule, o.FinalFraction = engine.WSD, 0.05
	o.WarmupSteps = 15
	return o
}

func (p pair) model(b *testing.B, s engine.Shape, seed uint64) engine.Model {
	e := native.New(1)
	m, err := e.New(s)
	must(err)
	e.Init(m, seed)
	return m
}

// train does the steps from one number up to another on windows drawn from the seed.
func (p pair) train(b *testing.B, m engine.Model, seed uint64, from, to int, o engine.Optimizer) {
	train := readText().Train()
	for step := from; step < to; step++ {
		rng := engine.NewSplitMix(seed<<32 | uint64(step))
		var tokens []int32
		for range batch {
			var err error
			tokens, err = train.AppendWindow(background, tokens, rng.Intn(train.Windows()))
			must(err)
		}
		_, err := m.Step(tokens, batch, length, o, step)
		must(err)
	}
}

// heldOut is the loss on the same 128 windows every time.
func heldOut(b *testing.B, m engine.Model) float64 {
	text := readText().HeldOut()
	n := min(128, text.Windows())
	var sum int64
	for i := range n {
		window, err := text.Window(background, i)
		must(err)
		losses, err := m.Loss(window, 1, length)
		must(err)
		sum += losses[0]
	}
	return float64(sum) / float64(n*length) / 1e6
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
