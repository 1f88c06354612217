package enginetest

import (
	"errors"
	"math"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
)

// batchAgrees is for engines whose models are Batchers: three texts in one batch,
// in pieces, have the logits of a session each; in 8 bits they have those of
// themselves alone.
func batchAgrees(t *testing.T, e engine.Engine, shape engine.Shape) {
	m := openShape(t, e, shape)
	b, ok := m.(engine.Batcher)
	if !ok {
		t.Skip("this engine decodes one sequence at a time")
	}
	const length, page = 14, 4
	texts := make([][]int32, 3)
	for i := range texts {
		texts[i] = Tokens(uint64(20+i), shape.Vocab, length)
	}
	want := make([][]float32, len(texts))
	for i, text := range texts {
		want[i] = feed(t, session(t, m, length), text)
	}
	compareBatch(t, b, texts, want, engine.BatchOptions{Pages: 12, PageTokens: page, Rows: 30, LogitRows: 3})
	for i, text := range texts {
		alone := openBatch(t, b, engine.BatchOptions{Pages: 4, PageTokens: page, Rows: length, LogitRows: 1, Int8: true})
		want[i] = append([]float32(nil), step(t, alone, engine.Run{Tokens: text, Pages: []int32{0, 1, 2, 3}, Logits: 1})...)
	}
	compareBatch(t, b, texts, want, engine.BatchOptions{Pages: 12, PageTokens: page, Rows: 30, LogitRows: 3, Int8: true})
}

func openBatch(t *testing.T, b engine.Batcher, o engine.BatchOptions) engine.Batch {
	t.Helper()
	batch, err := b.Batch(o)
	if err != nil {
		t.Fatalf("open batch: %v", err)
	}
	t.Cleanup(batch.Close)
	return batch
}

func step(t *testing.T, b engine.Batch, runs ...engine.Run) []float32 {
	t.Helper()
	logits, err := b.Step(runs)
	if err != nil {
		t.Fatalf("step: %v", err)
	}
	return logits
}

// compareBatch decodes the texts together, each in pieces of another length, and
// then again over pages that were cleared.
func compareBatch(t *testing.T, b engine.Batcher, texts [][]int32, want [][]float32, o engine.BatchOptions) {
	t.Helper()
	batch, vocab := openBatch(t, b, o), b.Shape().Vocab
	for round := range 2 {
		done := make([]int, len(texts))
		for pending := true; pending; {
			pending = false
			var runs []engine.Run
			var last []int
			for i, text := range texts {
				n := min(1+2*i+3*round, len(text)-done[i])
				if n == 0 {
					continue
				}
				r := engine.Run{Tokens: text[done[i] : done[i]+n], Position: done[i]}
				for p := range 4 {
					r.Pages = append(r.Pages, int32(3*p+i))
				}
				if done[i] += n; done[i] == len(text) {
					r.Logits, last = 1, append(last, i)
				}
				runs, pending = append(runs, r), true
			}
			logits := step(t, batch, runs...)
			for n, i := range last {
				same(t, "logits in company", want[i], logits[n*vocab:(n+1)*vocab])
			}
		}
		batch.Clear([]int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
	}
	if _, err := batch.Step([]engine.Run{{Tokens: []int32{1}, Position: o.PageTokens, Pages: []int32{0}}}); !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("beyond its pages: error is %v, want ErrContextFull", err)
	}
	if _, err := batch.Step([]engine.Run{{Tokens: []int32{1}, Position: math.MaxInt, Pages: []int32{0}}}); !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("a position that overflows: error is %v, want ErrContextFull", err)
	}
	if _, err := batch.Step([]engine.Run{{Tokens: []int32{int32(vocab)}, Pages: []int32{0}}}); !errors.Is(err, engine.ErrBadTokens) {
		t.Errorf("unknown token: error is %v, want ErrBadTokens", err)
	}
	batch.Close()
	if _, err := batch.Step([]engine.Run{{Tokens: []int32{1}, Pages: []int32{0}}}); err == nil {
		t.Error("a closed batch decodes")
	}
}
