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
	rates                 []float32 // of the grown model, in parts of the default
}

func benchShape(dim, layers, heads, ffn int) engine.Shape {
	return engine.Shape{Vocab: 1024, Dim: dim, Layers: layers, Heads: heads, KVHeads: heads, FFN: ffn, Context: length, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
}

// pairs have the proportions of the thousandth ladder's first two rungs.
var pairs = []pair{
	{"0.08M to 0.32M", benchShape(32, 4, 2, 88), benchShape(64, 5, 4, 176), 600, 600, []float32{1, 0.5, 0.25}},
	{"0.16M to 0.66M", benchShape(48, 4, 3, 132), benchShape(96, 5, 6, 264), 250, 250, []float32{0.5}},
}

// budgets of the grown model, in parts of what the large one has from scratch.
var budgets = []float64{0.25, 0.5, 0.75, 1}

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
// a decay over the last fifth of their budget; the stable part is shared by all
// budgets. The small model is taken before any decay. It reports held-out losses
// in nats per token, at parts of the budget that the large model has from scratch.
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
	small := p.model(p.small, seed)
	p.train(small, seed, 0, p.smallSteps, p.schedule(10*p.smallSteps, 1))
	b.ReportMetric(heldOut(small), "small")
	scratch := p.model(p.large, seed)
	p.curve(b, scratch, "scratch", seed+100, 1, budgets)
	for _, rate := range p.rates {
		p.grown(b, small, seed, DefaultNoise, rate, budgets)
	}
	if seed == 0 {
		p.grown(b, small, seed, 0, p.rates[0], budgets[:2])
	}
}

// grown is the curve of a grown model, at a part of the learning rates.
func (p pair) grown(b *testing.B, small engine.Model, seed uint64, noise int, rate float32, parts []float64) {
	params, err := Grow(p.small, small.Params(), p.large, seed, noise)
	must(err)
	m := p.model(p.large, seed)
	copy(m.Params(), params)
	name := fmt.Sprintf("noise=%d/rate=%g", noise, rate)
	b.ReportMetric(heldOut(m), name+"/at=0")
	p.curve(b, m, name, seed+200, rate, parts)
}

// curve trains on at full rate, and for every budget decays a copy.
func (p pair) curve(b *testing.B, m engine.Model, name string, seed uint64, rate float32, parts []float64) {
	at := 0
	for _, part := range parts {
		steps := int(part * float64(p.fullSteps))
		p.train(m, seed, at, steps-steps/5, p.schedule(10*p.fullSteps, rate))
		at = steps - steps/5
		branch := p.model(p.large, 0)
		copy(branch.Params(), m.Params())
		copy(branch.OptimizerState(), m.OptimizerState())
		p.train(branch, seed, at, steps, p.schedule(steps, rate))
		b.ReportMetric(heldOut(branch), fmt.Sprintf("%s/at=%g", name, part))
	}
}

func (p pair) schedule(steps int, rate float32) engine.Optimizer {
	o := engine.DefaultOptimizer(steps)
	o.Schedule, o.FinalFraction, o.WarmupSteps = engine.WSD, 0.05, 15
	o.LR, o.MatrixLR = o.LR*rate, o.MatrixLR*rate
	return o
}

func (p pair) model(s engine.Shape, seed uint64) engine.Model {
	e := native.New(1)
	m, err := e.New(s)
	must(err)
	e.Init(m, seed)
	return m
}

// train does the steps from one number up to another on windows drawn from the seed.
func (p pair) train(m engine.Model, seed uint64, from, to int, o engine.Optimizer) {
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
func heldOut(m engine.Model) float64 {
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
