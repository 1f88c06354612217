package bench

import (
	"fmt"
	"time"

	"github.com/crescendo-network/crescendo/engine"
)

const (
	servePage   = 32  // tokens
	servePiece  = 128 // tokens of a prompt in one step, as package serve has it
	servePrompt = 256 // tokens, or half the context if that is less
	serveRun    = 4   // steps timed together
	serveRounds = 16
)

// ServeSettings are what a measurement of serving may vary.
type ServeSettings struct {
	Batch int // texts decoded together
	Int8  bool
}

// A ServeResult is what one measurement of serving found. Rates are the best of
// several, of all texts together.
type ServeResult struct {
	Batch   int     `json:"batch"`
	Int8    bool    `json:"int8"`
	Prefill float64 `json:"prefill_tokens_per_second"`
	Decode  float64 `json:"decode_tokens_per_second"`

	// The same by processor time of the process, which other processes disturb less.
	PrefillByCPU float64 `json:"prefill_tokens_per_cpu_second"`
	DecodeByCPU  float64 `json:"decode_tokens_per_cpu_second"`

	SHA256 string `json:"logits_sha256"` // of the last step
}

// Prompt is how long a prompt Serve measures for a shape.
func Prompt(s engine.Shape) int { return min(s.Context/2, servePrompt) }

// Serve measures a prompt, for one text, and then tokens one
// by one for a batch of texts that are as long.
func Serve(m engine.Model, s ServeSettings) (ServeResult, error) {
	r := ServeResult{Batch: s.Batch, Int8: s.Int8}
	b, ok := m.(engine.Batcher)
	if !ok {
		return r, fmt.Errorf("measure serving: %T decodes one sequence at a time only", m)
	}
	context := m.Shape().Context
	pages := (context + servePage - 1) / servePage
	batch, err := b.Batch(engine.BatchOptions{Pages: s.Batch * pages, PageTokens: servePage, Rows: max(servePiece, s.Batch), LogitRows: s.Batch, Int8: s.Int8})
	if err != nil {
		return r, fmt.Errorf("measure serving: %w", err)
	}
	defer batch.Close()
	texts := make([]engine.Run, s.Batch)
	for i := range texts {
		for p := range pages {
			texts[i].Pages = append(texts[i].Pages, int32(i*pages+p))
		}
	}
	if err := r.prefill(batch, texts, m.Shape()); err != nil {
		return r, fmt.Errorf("measure serving: %w", err)
	}
	if err := r.decode(batch, texts, m.Shape()); err != nil {
		return r, fmt.Errorf("measure serving: %w", err)
	}
	return r, nil
}

// prefill gives every text its prompt, and the first one again some times.
func (r *ServeResult) prefill(batch engine.Batch, texts []engine.Run, s engine.Shape) error {
	n := Prompt(s)
	for i := range max(len(texts), 3) {
		text := texts[i%len(texts)]
		prompt := Tokens(uint64(99+i%len(texts)), s.Vocab, n)
		wall, cpu := time.Now(), cpuSeconds()
		for at := 0; at < n; at += servePiece {
			run := engine.Run{Tokens: prompt[at:min(n, at+servePiece)], Position: at, Pages: text.Pages}
			if at+servePiece >= n {
				run.Logits = 1
			}
			if _, err := batch.Step([]engine.Run{run}); err != nil {
				return err
			}
		}
		r.Prefill = max(r.Prefill, float64(n)/time.Since(wall).Seconds())
		r.PrefillByCPU = max(r.PrefillByCPU, rate(n, cpuSeconds()-cpu))
	}
	for i := range texts {
		texts[i].Tokens, texts[i].Position, texts[i].Logits = []int32{int32(i % s.Vocab)}, n, 1
	}
	return nil
}

// rate is 0 where the clock of the processor did not move.
func rate(tokens int, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(tokens) / seconds
}

// decode continues all texts greedily.
func (r *ServeResult) decode(batch engine.Batch, texts []engine.Run, s engine.Shape) error {
	var logits []float32
	for round := 0; round < serveRounds && texts[0].Position+serveRun <= s.Context; round++ {
		wall, cpu := time.Now(), cpuSeconds()
		for range serveRun {
			var err error
			if logits, err = batch.Step(texts); err != nil {
				return err
			}
			for i := range texts {
				texts[i].Tokens[0] = engine.Sample(logits[i*s.Vocab:(i+1)*s.Vocab], 0, 0, nil)
				texts[i].Position++
			}
		}
		r.Decode = max(r.Decode, float64(serveRun*len(texts))/time.Since(wall).Seconds())
		r.DecodeByCPU = max(r.DecodeByCPU, rate(serveRun*len(texts), cpuSeconds()-cpu))
	}
	r.SHA256 = hash(logits)
	return nil
}
