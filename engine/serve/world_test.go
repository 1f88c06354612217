package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
)

var shape = engine.Shape{Vocab: 61, Dim: 32, Layers: 2, Heads: 4, KVHeads: 2, FFN: 48, Context: 64, RopeTheta: 10000, NormEps: 1e-5, QKVBias: true}

// model returns weights whose logits are far from equal.
func model(t testing.TB, kernel string, threads int) engine.Model {
	t.Helper()
	e, err := native.NewWithKernel(threads, kernel)
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.New(shape)
	if err != nil {
		t.Fatal(err)
	}
	e.Init(m, 5)
	rng := engine.NewSplitMix(8)
	for i, p := 0, m.Params(); i < len(p); i++ {
		p[i] += float32(rng.Float64()-0.5) / 2
	}
	return m
}

// alone is the answer to a request by itself, computed one token at a time. next
// returns the logits after a token.
func alone(t testing.TB, next func(int32) []float32, r Request) ([]Token, Finish) {
	t.Helper()
	var l engine.LogProbs
	score := func(tok Token, row []float32) Token {
		if r.Logprobs >= 0 {
			l.Read(row)
			tok.Scored, tok.Logprob = true, l.Of(tok.ID)
			for _, id := range l.Top(nil, r.Logprobs) {
				tok.Top = append(tok.Top, Alternative{id, l.Of(id)})
			}
		}
		return tok
	}
	var out []Token
	var row []float32
	for i, id := range r.Prompt {
		if tok := (Token{ID: id, Echo: true}); r.Echo && i == 0 {
			out = append(out, tok)
		} else if r.Echo {
			out = append(out, score(tok, row))
		}
		row = next(id)
	}
	sampler := engine.NewSampler(r.Sampling, r.Prompt)
	for n := 0; n < r.MaxTokens; n++ {
		if len(r.Prompt)+n == shape.Context {
			return out, FinishContext
		}
		tok := Token{ID: sampler.Next(row)}
		tok.Stop = slices.Contains(r.Stop, tok.ID)
		out = append(out, score(tok, row))
		if tok.Stop {
			return out, FinishStop
		}
		if len(r.Prompt)+n+1 < shape.Context {
			row = next(tok.ID)
		}
	}
	return out, FinishLength
}

// bySession answers with a Session of the model.
func bySession(t testing.TB, m engine.Model, r Request) ([]Token, Finish) {
	t.Helper()
	s, err := m.Session(shape.Context)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return alone(t, func(id int32) []float32 {
		row, err := s.Feed([]int32{id})
		if err != nil {
			t.Fatal(err)
		}
		return row
	}, r)
}

// byRows answers with a batch of one row, in 8 bits.
func byRows(t testing.TB, m engine.Model, r Request) ([]Token, Finish) {
	t.Helper()
	b, err := m.(engine.Batcher).Batch(engine.BatchOptions{Pages: 1, PageTokens: shape.Context, Rows: 1, LogitRows: 1, Int8: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	at := 0
	return alone(t, func(id int32) []float32 {
		row, err := b.Step([]engine.Run{{Tokens: []int32{id}, Position: at, Pages: []int32{0}, Logits: 1}})
		if err != nil {
			t.Fatal(err)
		}
		at++
		return row
	}, r)
}

// collect reads a stream to its end.
func collect(s *Stream) ([]Token, error) {
	var out []Token
	for {
		t, err := s.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return out, err
		}
		out = append(out, t)
	}
}

// same compares answers to the bit; what was cached may differ.
func same(got, want []Token) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d tokens, want %d: %v, want %v", len(got), len(want), ids(got), ids(want))
	}
	for i, g := range got {
		w := want[i]
		if g.ID != w.ID || g.Echo != w.Echo || g.Stop != w.Stop || g.Scored != w.Scored || !bitsEqual(g.Logprob, w.Logprob) || len(g.Top) != len(w.Top) {
			return fmt.Errorf("token %d is %+v, want %+v", i, g, w)
		}
		for j, a := range g.Top {
			if a.ID != w.Top[j].ID || !bitsEqual(a.Logprob, w.Top[j].Logprob) {
				return fmt.Errorf("alternative %d of token %d is %+v, want %+v", j, i, a, w.Top[j])
			}
		}
	}
	return nil
}

func bitsEqual(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) }

func ids(list []Token) []int32 {
	var out []int32
	for _, t := range list {
		out = append(out, t.ID)
	}
	return out
}

// draw makes a request at random. Prompts often begin alike.
func draw(rng *engine.SplitMix) Request {
	pick := func(n int) bool { return rng.Intn(n) == 0 }
	r := Request{Client: []string{"", "a", "b"}[rng.Intn(3)], MaxTokens: rng.Intn(20), Logprobs: -1}
	start := rng.Intn(3)
	for i := range 1 + rng.Intn(40) {
		r.Prompt = append(r.Prompt, int32((start+i*i)%shape.Vocab))
	}
	for i := len(r.Prompt) - rng.Intn(5); i < len(r.Prompt); i++ {
		if i >= 0 {
			r.Prompt[i] = int32(rng.Intn(shape.Vocab))
		}
	}
	if pick(10) {
		r.MaxTokens = 2 * shape.Context
	}
	if pick(2) {
		r.Sampling = engine.Sampling{Temperature: float32(rng.Float64() * 2), Seed: rng.Uint64()}
		if pick(2) {
			r.Sampling.TopP = float32(rng.Float64())
		}
		if pick(2) {
			r.Sampling.TopK = rng.Intn(20)
		}
		if pick(3) {
			r.Sampling.MinP = float32(rng.Float64() / 4)
		}
	}
	if pick(3) {
		r.Sampling.RepetitionPenalty = float32(0.5 + rng.Float64())
	}
	if pick(3) {
		r.Logprobs = rng.Intn(MaxTop + 1)
	}
	r.Echo = pick(3)
	for range rng.Intn(4) {
		r.Stop = append(r.Stop, int32(rng.Intn(shape.Vocab)))
	}
	return r
}

// A spy watches what a server does with its batch. Every slot of a page is
// written once between two clearings, in order, and nothing is read that was not
// written.
type spy struct {
	engine.Model
	t      testing.TB
	steps  [][]engine.Run
	filled map[int32]int // slots written, by page
}

func (s *spy) Batch(o engine.BatchOptions) (engine.Batch, error) {
	b, err := s.Model.(engine.Batcher).Batch(o)
	s.filled = make(map[int32]int)
	return &spyBatch{b, s, o}, err
}

type spyBatch struct {
	engine.Batch
	spy *spy
	o   engine.BatchOptions
}

func (b *spyBatch) Step(runs []engine.Run) ([]float32, error) {
	for i, r := range runs {
		for p := range r.Position + len(r.Tokens) {
			page, slot := r.Pages[p/b.o.PageTokens], p%b.o.PageTokens
			switch filled := b.spy.filled[page]; {
			case p < r.Position && slot >= filled:
				b.spy.t.Errorf("run %d at %d reads slot %d of page %d, of which %d are written", i, r.Position, slot, page, filled)
			case p >= r.Position && slot != filled:
				b.spy.t.Errorf("run %d writes slot %d of page %d, of which %d are written", i, slot, page, filled)
			case p >= r.Position:
				b.spy.filled[page]++
			}
		}
	}
	b.spy.steps = append(b.spy.steps, slices.Clone(runs))
	return b.Batch.Step(runs)
}

func (b *spyBatch) Clear(pages []int32) {
	for _, p := range pages {
		delete(b.spy.filled, p)
	}
	b.Batch.Clear(pages)
}
