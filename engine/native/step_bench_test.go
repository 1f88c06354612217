package native

import (
	"fmt"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/enginetest"
)

// BenchmarkStep compares steps of the 12-million model with itself: profiles,
// threads and optimizers, best of many by wall time, so it wants a quiet machine.
func BenchmarkStep(b *testing.B) {
	shape := engine.Shape{Vocab: 4096, Dim: 384, Layers: 6, Heads: 6, KVHeads: 6, FFN: 1024, Context: 1024, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	for _, c := range []struct {
		profile, kind  string
		threads, batch int
	}{
		{R0, engine.AdamW, 1, 8}, {BF16, engine.AdamW, 1, 8}, {R0, engine.AdamW, 2, 8}, {BF16, engine.AdamW, 2, 8},
		{R0, engine.AdamW, 1, 32}, {R0, engine.Muon, 1, 32}, {R0, engine.AdamW, 2, 32}, {R0, engine.Muon, 2, 32},
	} {
		b.Run(fmt.Sprintf("%s/%s/threads=%d/tokens=%d", c.profile, c.kind, c.threads, c.batch*256), func(b *testing.B) {
			e, err := WithProfile(New(c.threads), c.profile)
			if err != nil {
				b.Fatal(err)
			}
			m, err := e.New(shape)
			if err != nil {
				b.Fatal(err)
			}
			e.Init(m, 1)
			o := engine.DefaultOptimizer(1220)
			o.Kind = c.kind
			tokens := enginetest.Tokens(1, shape.Vocab, c.batch*257)
			best, cpu, steps := time.Hour, 1e9, 0
			for b.Loop() {
				start, used := time.Now(), cpuSeconds()
				if _, err := m.Step(tokens, c.batch, 256, o, steps); err != nil {
					b.Fatal(err)
				}
				best, cpu = min(best, time.Since(start)), min(cpu, cpuSeconds()-used)
				steps++
			}
			b.ReportMetric(float64(c.batch*256)/best.Seconds(), "best-tokens/s")
			b.ReportMetric(float64(c.batch*256)/cpu, "best-tokens/cpu-s")
		})
	}
}
