package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"testing"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/engine/serve"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// What is trained for BenchmarkQuality: models of the first two rungs of the
// thousandth ladder, for steps of 8 windows of the Go tree.
const (
	qualityVocab   = 4096
	qualityContext = 128
	qualityBatch   = 8
	qualityWindows = 512 // held out
)

var qualityModels = []struct {
	name  string
	shape engine.Shape
	steps int
}{
	{"0.5M", engine.Shape{Vocab: qualityVocab, Dim: 64, Layers: 5, Heads: 2, KVHeads: 2, FFN: 176, Context: qualityContext, Tied: true, RopeTheta: 10000, NormEps: 1e-5}, 800},
	{"2M", engine.Shape{Vocab: qualityVocab, Dim: 128, Layers: 7, Heads: 4, KVHeads: 4, FFN: 352, Context: qualityContext, Tied: true, RopeTheta: 10000, NormEps: 1e-5}, 400},
}

// scored is what a vault's server thinks of a text.
type scored struct {
	losses []float64 // nats
	best   []int32   // the likeliest token
	bytes  int
}

func (s scored) bitsPerByte() float64 {
	sum := 0.0
	for _, l := range s.losses {
		sum += l
	}
	return sum / math.Ln2 / float64(s.bytes)
}

// BenchmarkQuality trains small models and reports held-out bits per byte as a
// vault answers in float32 and in 8 bits, how often both hold the same token to be
// likeliest, and by how much log probabilities differ.
func BenchmarkQuality(b *testing.B) {
	source, err := corpus.GoTree(b.Context())
	must(b, err)
	store := blob.NewMemory()
	pack, err := corpus.Build(b.Context(), source, corpus.Options{Store: store, Vocab: qualityVocab, Context: qualityContext, HeldOutPerMille: 60, MaxBytes: 6_000_000}, nil)
	must(b, err)
	text, err := corpus.Open(b.Context(), store, pack.Hash)
	must(b, err)
	for _, q := range qualityModels {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				m, err := native.New(1).New(q.shape)
				must(b, err)
				engine.InitParams(q.shape, m.Params(), 1)
				train(b, m, text, q.steps)
				full := score(b, m, inference.WeightsFloat32, text)
				small := score(b, m, inference.WeightsQ8, text)
				same, apart := 0, 0.0
				for i := range full.losses {
					if full.best[i] == small.best[i] {
						same++
					}
					apart += math.Abs(full.losses[i] - small.losses[i])
				}
				n := float64(len(full.losses))
				b.ReportMetric(full.bitsPerByte(), "float32-bits/byte")
				b.ReportMetric(small.bitsPerByte(), "q8-bits/byte")
				b.ReportMetric(1000*(small.bitsPerByte()-full.bitsPerByte()), "q8-millibits-more")
				b.ReportMetric(100*float64(same)/n, "%same-best")
				b.ReportMetric(apart/n, "nats-apart")
				b.ReportMetric(n, "tokens")
			}
		})
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func train(b *testing.B, m engine.Model, text *corpus.Reader, steps int) {
	from := text.Train()
	for step := range steps {
		rng := engine.NewSplitMix(uint64(step))
		var tokens []int32
		for range qualityBatch {
			var err error
			tokens, err = from.AppendWindow(b.Context(), tokens, rng.Intn(from.Windows()))
			must(b, err)
		}
		_, err := m.Step(tokens, qualityBatch, qualityContext, engine.DefaultOptimizer(steps), step)
		must(b, err)
	}
}

// score has a vault's server score held-out windows.
func score(b *testing.B, m engine.Model, answers string, text *corpus.Reader) (out scored) {
	held := &model{weights: m, shape: m.Shape(), answers: answers}
	must(b, held.openServer(nil))
	defer held.server.Close()
	from := text.HeldOut()
	for i := range min(qualityWindows, from.Windows()) {
		window, err := from.Window(b.Context(), i)
		must(b, err)
		out.add(b.Context(), b, held.server, text.Tokenizer(), window[:qualityContext])
	}
	return out
}

func (s *scored) add(ctx context.Context, b *testing.B, server *serve.Server, tok *tokenizer.Tokenizer, window []int32) {
	stream, err := server.Generate(ctx, serve.Request{Prompt: window, Echo: true, Logprobs: 1})
	must(b, err)
	defer stream.Close()
	for {
		t, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return
		}
		must(b, err)
		if t.Scored {
			s.losses, s.best = append(s.losses, -float64(t.Logprob)), append(s.best, t.Top[0].ID)
			s.bytes += len(tok.TokenBytes(t.ID))
		}
	}
}

// BenchmarkLoaded reports what a vault that serves a model of 12 million
// parameters keeps in memory, without the pages of keys and values.
func BenchmarkLoaded(b *testing.B) {
	shape := engine.Shape{Vocab: 4096, Dim: 384, Layers: 6, Heads: 6, KVHeads: 6, FFN: 1024, Context: 1024, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	for _, answers := range []string{inference.WeightsFloat32, inference.WeightsQ8} {
		b.Run(fmt.Sprintf("12m/%s", inference.WeightsName(answers)), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				m, err := native.New(1).New(shape)
				must(b, err)
				engine.InitParams(shape, m.Params(), 1)
				held := &model{weights: m, shape: shape, answers: answers}
				m = nil
				must(b, held.openServer(nil))
				number := 4
				if answers == inference.WeightsQ8 {
					number = 2
				}
				pages := held.server.Stats().Pages * pageTokens * 2 * number * shape.Layers * shape.KVHeads * shape.HeadDim()
				b.ReportMetric(float64(heap()-before-uint64(pages))/(1<<20), "MiB-model")
				b.ReportMetric(float64(pages)/(1<<20), "MiB-pages")
				held.server.Close()
			}
		})
	}
}

// heap is what is reachable.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
