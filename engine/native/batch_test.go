package native

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
)

// served shapes: plain, grouped heads with biases and widths that fill no tile,
// and one whose rows are not whole blocks of 32.
var batchShapes = map[string]engine.Shape{
	"plain":   {Vocab: 96, Dim: 64, Layers: 2, Heads: 2, KVHeads: 2, FFN: 96, Context: 96, Tied: true, RopeTheta: 10000, NormEps: 1e-5},
	"grouped": {Vocab: 101, Dim: 72, Layers: 2, Heads: 6, KVHeads: 2, FFN: 90, Context: 80, RopeTheta: 500000, NormEps: 1e-6, QKVBias: true},
	"biased":  {Vocab: 67, Dim: 48, Layers: 2, Heads: 4, KVHeads: 2, FFN: 52, Context: 64, RopeTheta: 10000, NormEps: 1e-5, QKVBias: true, OutBias: true, FFNBias: true},
	"mixture": {Vocab: 67, Dim: 48, Layers: 2, Heads: 4, KVHeads: 2, FFN: 52, Context: 64, RopeTheta: 10000, NormEps: 1e-5, Experts: 5, ExpertsPerToken: 2},
}

func batchModel(t *testing.T, shape engine.Shape, kernel string, threads int) engine.Model {
	t.Helper()
	e, err := NewWithKernel(threads, kernel)
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.New(shape)
	if err != nil {
		t.Fatal(err)
	}
	e.Init(m, 7)
	rng := engine.NewSplitMix(3)
	for i, p := 0, m.Params(); i < len(p); i++ { // biases too, and logits that differ
		p[i] += float32(rng.Float64()-0.5) / 8
	}
	return m
}

func openBatch(t *testing.T, m engine.Model, o engine.BatchOptions) engine.Batch {
	t.Helper()
	b, err := m.(engine.Batcher).Batch(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// alone returns the logits after every token, by a session.
func alone(t *testing.T, m engine.Model, tokens []int32) [][]float32 {
	t.Helper()
	s, err := m.Session(len(tokens))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all [][]float32
	for i := range tokens {
		logits, err := s.Feed(tokens[i : i+1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, append([]float32(nil), logits...))
	}
	return all
}

// aloneInt8 is alone in 8 bits: a batch of one row at a time.
func aloneInt8(t *testing.T, m engine.Model, tokens []int32) [][]float32 {
	t.Helper()
	b := openBatch(t, m, engine.BatchOptions{Pages: 1, PageTokens: len(tokens), Rows: 1, LogitRows: 1, Int8: true})
	var all [][]float32
	for i := range tokens {
		logits, err := b.Step([]engine.Run{{Tokens: tokens[i : i+1], Position: i, Pages: []int32{0}, Logits: 1}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, append([]float32(nil), logits...))
	}
	return all
}

// A text is one sequence of a test: what it is, and how far it is.
type batchText struct {
	tokens []int32
	want   [][]float32
	done   int
	pages  []int32
}

// TestBatchBits runs texts side by side, in random pieces, with pages in random
// order, and compares every row of logits with that of a text alone.
func TestBatchBits(t *testing.T) {
	for name, shape := range batchShapes {
		for _, int8 := range []bool{false, true} {
			texts := batchTexts(t, shape, int8)
			for _, kernel := range Kernels() {
				for i, tokens := range []int{1, 3, 16, 32, 37} {
					threads := 1 + i%3
					t.Run(fmt.Sprintf("%s/int8=%v/%s/page=%d/threads=%d", name, int8, kernel, tokens, threads), func(t *testing.T) {
						m := batchModel(t, shape, kernel, threads)
						runTexts(t, m, texts, tokens, int8, uint64(tokens))
					})
				}
			}
		}
	}
}

func batchTexts(t *testing.T, shape engine.Shape, int8 bool) []batchText {
	m := batchModel(t, shape, "portable", 1)
	rng := engine.NewSplitMix(11)
	var texts []batchText
	for range 5 {
		x := batchText{tokens: make([]int32, 1+rng.Intn(shape.Context))}
		for i := range x.tokens {
			x.tokens[i] = int32(rng.Intn(shape.Vocab))
		}
		if int8 {
			x.want = aloneInt8(t, m, x.tokens)
		} else {
			x.want = alone(t, m, x.tokens)
		}
		texts = append(texts, x)
	}
	return texts
}

func runTexts(t *testing.T, m engine.Model, texts []batchText, pageTokens int, int8 bool, seed uint64) {
	const rows = 70
	rng := engine.NewSplitMix(seed)
	texts = append([]batchText(nil), texts...)
	free := make([]int32, 5*(m.Shape().Context/pageTokens+1))
	for i := range free {
		free[i] = int32(i)
		j := rng.Intn(i + 1)
		free[i], free[j] = free[j], free[i]
	}
	b := openBatch(t, m, engine.BatchOptions{Pages: len(free), PageTokens: pageTokens, Rows: rows, LogitRows: rows, Int8: int8})
	for step := 0; ; step++ {
		var runs []engine.Run
		var of []*batchText
		left := rows
		for i := range texts {
			x := &texts[i]
			n := min(len(x.tokens)-x.done, left, []int{0, 1, 1, 5, 40}[rng.Intn(5)])
			for len(x.pages)*pageTokens < x.done+n {
				x.pages, free = append(x.pages, free[0]), free[1:]
			}
			if n > 0 {
				runs = append(runs, engine.Run{Tokens: x.tokens[x.done : x.done+n], Position: x.done, Pages: x.pages, Logits: rng.Intn(n + 1)})
				of, left = append(of, x), left-n
				x.done += n
			}
		}
		logits, err := b.Step(runs)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range runs {
			for l := range r.Logits {
				at := of[i].done - r.Logits + l
				for j, v := range logits[:m.Shape().Vocab] {
					if math.Float32bits(v) != math.Float32bits(of[i].want[at][j]) {
						t.Fatalf("step %d (seed %d): logit %d after token %d is %v, alone %v", step, seed, j, at, v, of[i].want[at][j])
					}
				}
				logits = logits[m.Shape().Vocab:]
			}
		}
		over := true
		for _, x := range texts {
			over = over && x.done == len(x.tokens)
		}
		if over {
			return
		}
	}
}

// TestBatchClears looks for what a text left in memory.
func TestBatchClears(t *testing.T) {
	for _, int8 := range []bool{false, true} {
		t.Run(fmt.Sprintf("int8=%v", int8), func(t *testing.T) { batchClears(t, int8) })
	}
}

func batchClears(t *testing.T, int8 bool) {
	m := batchModel(t, batchShapes["grouped"], "portable", 1)
	b := openBatch(t, m, engine.BatchOptions{Pages: 4, PageTokens: 8, Rows: 20, LogitRows: 1, Int8: int8}).(*batch)
	used := func() (n int) {
		return stored(b.pages)
	}
	tokens := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	if _, err := b.Step([]engine.Run{{Tokens: tokens, Pages: []int32{2, 0}, Logits: 1}}); err != nil {
		t.Fatal(err)
	}
	if want := len(tokens) * 2 * b.dims.kv * len(b.layout.layers); used() != want {
		t.Fatalf("%d numbers are kept, want %d", used(), want)
	}
	b.Clear([]int32{0, 2})
	if used() != 0 {
		t.Errorf("%d numbers are left after the pages were cleared", used())
	}
	if _, err := b.Step([]engine.Run{{Tokens: tokens, Pages: []int32{1, 3}, Logits: 1}}); err != nil {
		t.Fatal(err)
	}
	pages := b.pages
	b.Close()
	if stored(pages) != 0 {
		t.Fatal("a closed batch holds keys or values of its text")
	}
	for _, s := range [][]float32{b.x, b.h, b.qkv, b.y, b.gateUp, b.act, b.logits} {
		for _, v := range s {
			if v != 0 {
				t.Fatal("a closed batch holds numbers of its text")
			}
		}
	}
	if _, err := b.Step(nil); err == nil {
		t.Error("a closed batch decodes")
	}
	b.Close()
	b.Clear([]int32{0})
}

func TestBatchRefuses(t *testing.T) {
	m := batchModel(t, batchShapes["plain"], "portable", 1)
	for _, o := range []engine.BatchOptions{
		{}, {Pages: 1, PageTokens: 1}, {Pages: 1, PageTokens: 1, Rows: 1, LogitRows: 2}, {Pages: 0, PageTokens: 1, Rows: 1},
		{Pages: 1, PageTokens: -1, Rows: 1}, {Pages: 1 << 40, PageTokens: 1 << 20, Rows: 1}, {Pages: 1, PageTokens: 1, Rows: maxStepRows + 1},
	} {
		if b, err := m.(engine.Batcher).Batch(o); err == nil {
			b.Close()
			t.Errorf("%+v is accepted", o)
		}
	}
	b := openBatch(t, m, engine.BatchOptions{Pages: 30, PageTokens: 4, Rows: 8, LogitRows: 2})
	one := []int32{5}
	for _, c := range []struct {
		run  engine.Run
		want error
	}{
		{engine.Run{Tokens: one, Position: 4, Pages: one}, engine.ErrContextFull},
		{engine.Run{Tokens: one, Position: -1, Pages: one}, engine.ErrContextFull},
		{engine.Run{Tokens: one, Position: 96, Pages: make([]int32, 30)}, engine.ErrContextFull},
		{engine.Run{Tokens: one, Pages: []int32{30}}, engine.ErrBadTokens},
		{engine.Run{Tokens: one, Pages: []int32{-1}}, engine.ErrBadTokens},
		{engine.Run{Tokens: []int32{96}, Pages: one}, engine.ErrBadTokens},
		{engine.Run{Tokens: make([]int32, 9), Pages: []int32{0, 1, 2}}, engine.ErrBadTokens},
		{engine.Run{Tokens: make([]int32, 3), Pages: one, Logits: 3}, engine.ErrBadTokens},
		{engine.Run{Tokens: one, Pages: one, Logits: 2}, engine.ErrBadTokens},
		{engine.Run{Tokens: one, Pages: one, Logits: -1}, engine.ErrBadTokens},
	} {
		if _, err := b.Step([]engine.Run{c.run}); !errors.Is(err, c.want) {
			t.Errorf("%+v: error is %v, want %v", c.run, err, c.want)
		}
	}
}

// TestTeam counts the tasks done of many short jobs, with helpers that fall
// asleep in between.
func TestTeam(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		w := newTeam(n)
		for round := range 2000 {
			tasks := round % 7
			done := make([]int32, tasks)
			w.split(tasks, func(i int, _ *worker) { done[i]++ })
			for i, d := range done {
				if d != 1 {
					t.Fatalf("%d members, round %d: task %d was done %d times", n, round, i, d)
				}
			}
		}
		w.close()
	}
}

// stored counts the numbers in a pool that are not zero.
func stored(p *pages) (n int) {
	for _, v := range slices.Concat(append(p.keys, p.values...)...) {
		if v != 0 {
			n++
		}
	}
	for _, v := range slices.Concat(append(p.smallKeys, p.smallValues...)...) {
		if v != 0 {
			n++
		}
	}
	return n
}

// TestBatchInt8IsNear: in 8 bits logits are near those in float32, but not equal.
func TestBatchInt8IsNear(t *testing.T) {
	for name, shape := range batchShapes {
		m := batchModel(t, shape, "portable", 1)
		tokens := []int32{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3}
		exact, rounded := alone(t, m, tokens), aloneInt8(t, m, tokens)
		var off, size float64
		for i := range exact {
			for j, v := range exact[i] {
				d := float64(v - rounded[i][j])
				off, size = off+d*d, size+float64(v)*float64(v)
			}
		}
		if r := math.Sqrt(off / size); r == 0 || r > 0.05 {
			t.Errorf("%s: logits in 8 bits are off by %.4f of their size, want more than 0 and at most 0.05", name, r)
		}
	}
}
