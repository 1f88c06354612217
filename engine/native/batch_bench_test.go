package native

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/engine"
)

// BenchmarkBatch decodes one token for each of several texts, and prompts in
// pieces of 128, on the 12m model.
func BenchmarkBatch(b *testing.B) {
	shape := engine.Shape{Vocab: 4096, Dim: 384, Layers: 6, Heads: 6, KVHeads: 6, FFN: 1024, Context: 1024, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	e := New(1)
	m, err := e.New(shape)
	if err != nil {
		b.Fatal(err)
	}
	e.Init(m, 1)
	for _, int8 := range []bool{false, true} {
		for _, c := range []struct{ texts, tokens int }{{1, 1}, {2, 1}, {4, 1}, {8, 1}, {1, 128}} {
			b.Run(fmt.Sprintf("int8=%v/texts=%d/tokens=%d", int8, c.texts, c.tokens), func(b *testing.B) {
				const page, pages = 32, 17
				s, err := m.(engine.Batcher).Batch(engine.BatchOptions{Pages: pages * c.texts, PageTokens: page, Rows: c.texts * c.tokens, LogitRows: c.texts, Int8: int8})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				var runs []engine.Run
				for i := range c.texts {
					r := engine.Run{Tokens: make([]int32, c.tokens), Position: 512 - c.tokens, Logits: 1}
					for p := range pages {
						r.Pages = append(r.Pages, int32(i*pages+p))
					}
					runs = append(runs, r)
				}
				best := time.Duration(math.MaxInt64)
				for b.Loop() {
					begin := time.Now()
					if _, err := s.Step(runs); err != nil {
						b.Fatal(err)
					}
					best = min(best, time.Since(begin))
				}
				b.ReportMetric(best.Seconds()*1e6, "best-us")
				b.ReportMetric(float64(b.N*c.texts*c.tokens)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}
