package native

import (
	"fmt"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

// maxStepRows bounds the memory of one step.
const maxStepRows = 1 << 14

// A batch decodes many sequences with the arithmetic of a session. All rows of a
// step go through each matrix together, so its weights are read once.
type batch struct {
	options engine.BatchOptions
	context int
	dims    dims
	layout  layout
	set     *kernel.Set
	weights *served
	rotary  rotary
	pages   *pages
	team    *team

	rows                              []row // of the step under way
	x, h, qkv, y, gateUp, act, logits []float32
	small                             *kernel.Small // a row as the int8 products take it
	mixed                             *mixed        // of a mixture
}

// A row is one token of a step.
type row struct {
	run      int // index
	token    int32
	position int
	wanted   bool // its logits are
}

// Batch implements engine.Batcher.
func (m *model) Batch(o engine.BatchOptions) (engine.Batch, error) {
	if o.Rows < 1 || o.Rows > maxStepRows || o.LogitRows < 0 || o.LogitRows > o.Rows {
		return nil, fmt.Errorf("open batch: %d rows and %d of logits, want 1 to %d and no more of logits", o.Rows, o.LogitRows, maxStepRows)
	}
	p, err := newPages(m.dims, len(m.layout.layers), o.Pages, o.PageTokens, o.Int8)
	if err != nil {
		return nil, fmt.Errorf("open batch: %w", err)
	}
	weights, err := m.serve(o.Int8)
	if err != nil {
		return nil, fmt.Errorf("open batch: %w", err)
	}
	m.rotary.grow(min(m.shape.Context, o.Pages*o.PageTokens))
	d := m.dims
	f := func(width int) []float32 { return make([]float32, o.Rows*width) }
	b := &batch{options: o, context: m.shape.Context, dims: d, layout: m.layout, set: m.set, rotary: *m.rotary, pages: p,
		team: newTeam(len(m.work.list)), weights: weights,
		x: f(d.dim), h: f(d.dim), qkv: f(d.qkv), y: f(d.dim), gateUp: f(2 * d.ffn), act: f(d.ffn),
		logits: make([]float32, o.LogitRows*d.vocab)}
	if d.experts > 0 {
		b.mixed = newMixed(o.Rows, d)
	}
	if o.Int8 {
		b.small = kernel.NewSmall(o.Rows, max(d.dim, d.ffn))
	}
	return b, nil
}

func (b *batch) Step(runs []engine.Run) ([]float32, error) {
	if b.weights == nil {
		return nil, fmt.Errorf("decode: %w", errClosed)
	}
	if err := b.load(runs); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if len(b.rows) == 0 {
		return nil, nil
	}
	for i, r := range b.rows {
		b.weights.embedding(r.token, b.x[i*b.dims.dim:(i+1)*b.dims.dim])
	}
	for i := range b.layout.layers {
		b.layer(i, runs)
	}
	return b.head(), nil
}

// load checks the runs and lists their rows.
func (b *batch) load(runs []engine.Run) error {
	b.rows = b.rows[:0]
	logits := 0
	for i, r := range runs {
		end := r.Position + len(r.Tokens)
		switch {
		case r.Position < 0 || r.Position > b.context || end > b.context:
			return fmt.Errorf("%w: run %d has positions %d to %d, context is %d", engine.ErrContextFull, i, r.Position, end, b.context)
		case end > len(r.Pages)*b.options.PageTokens:
			return fmt.Errorf("%w: run %d ends at %d, beyond its %d pages of %d", engine.ErrContextFull, i, end, len(r.Pages), b.options.PageTokens)
		case r.Logits < 0 || r.Logits > len(r.Tokens):
			return fmt.Errorf("%w: run %d wants %d rows of logits of %d tokens", engine.ErrBadTokens, i, r.Logits, len(r.Tokens))
		case len(b.rows)+len(r.Tokens) > b.options.Rows || logits+r.Logits > b.options.LogitRows:
			return fmt.Errorf("%w: more than %d tokens or %d rows of logits in a step", engine.ErrBadTokens, b.options.Rows, b.options.LogitRows)
		}
		if err := checkVocabulary(r.Tokens, b.dims.vocab); err != nil {
			return err
		}
		for _, p := range r.Pages {
			if p < 0 || int(p) >= b.options.Pages {
				return fmt.Errorf("%w: run %d has page %d of %d", engine.ErrBadTokens, i, p, b.options.Pages)
			}
		}
		logits += r.Logits
		for j, t := range r.Tokens {
			b.rows = append(b.rows, row{run: i, token: t, position: r.Position + j, wanted: j >= len(r.Tokens)-r.Logits})
		}
	}
	return nil
}

// layer runs all rows through one layer.
func (b *batch) layer(i int, runs []engine.Run) {
	d, w, n := b.dims, &b.weights.layers[i], len(b.rows)
	b.eachRow(n, func(r int) { b.normalize(r, b.x, w.attentionNorm) })
	b.multiply(n, b.h, &w.qkv, b.qkv, false)
	b.eachRow(n, func(r int) {
		row, at := b.qkv[r*d.qkv:(r+1)*d.qkv], b.rows[r]
		addBias(b.set, w.bias, row)
		b.rotary.turn(b.set, row, d.heads+d.kvHeads, at.position, false)
		tokens := b.options.PageTokens
		b.pages.store(i, runs[at.run].Pages[at.position/tokens], at.position%tokens, row[d.dim:])
	})
	b.attend(i, runs)
	b.eachRow(n, func(r int) { b.shrink(r, b.y, d.dim) })
	b.multiply(n, b.y, &w.out, b.x, true)
	b.eachRow(n, func(r int) {
		addBias(b.set, w.outBias, b.x[r*d.dim:(r+1)*d.dim])
		b.normalize(r, b.x, w.feedNorm)
	})
	if d.experts > 0 {
		b.mix(n, w)
		return
	}
	b.multiply(n, b.h, &w.gateUp, b.gateUp, false)
	b.glu(n, w.gateUpBias)
	b.multiply(n, b.act, &w.down, b.x, true)
	addBias(b.set, w.downBias, b.x[:n*d.dim])
}

// glu makes n rows of gateUp into as many of act.
func (b *batch) glu(n int, bias []float32) {
	ffn := b.dims.ffn
	b.eachRow(n, func(r int) {
		gu := b.gateUp[2*r*ffn : 2*(r+1)*ffn]
		addBias(b.set, bias, gu)
		b.set.SwiGLU(b.act[r*ffn:(r+1)*ffn], gu[:ffn], gu[ffn:])
		b.shrink(r, b.act, ffn)
	})
}

// mix adds to n rows of x what the experts make of those of h.
func (b *batch) mix(n int, w *servedLayer) {
	d, e := b.dims, b.mixed
	b.multiply(n, b.h, &w.router, e.logits, false)
	e.choose(n, d, e.logits)
	for i := range w.experts {
		first, rows := e.gather(i, b.h, d.dim)
		if rows == 0 {
			continue
		}
		for r := range rows {
			b.shrink(r, e.x, d.dim)
		}
		b.multiply(rows, e.x, &w.experts[i].gateUp, b.gateUp, false)
		b.glu(rows, nil)
		b.multiply(rows, b.act, &w.experts[i].down, e.out[first*d.dim:], false)
	}
	e.scatter(b.set, n, d, b.x)
}

// eachRow calls f for every row. What is done to one row is too short to share.
func (b *batch) eachRow(n int, f func(r int)) {
	const together = 4
	b.team.split((n+together-1)/together, func(task int, _ *worker) {
		for r := task * together; r < min(n, (task+1)*together); r++ {
			f(r)
		}
	})
}

// normalize leaves a normalised row in h.
func (b *batch) normalize(r int, x, gains []float32) {
	dim := b.dims.dim
	normalizeRow(b.set, x[r*dim:(r+1)*dim], gains, b.h[r*dim:(r+1)*dim], b.dims.eps)
	b.shrink(r, b.h, dim)
}

// shrink prepares a row for the int8 product that follows, if one does.
func (b *batch) shrink(r int, x []float32, width int) {
	if b.small != nil {
		b.small.Set(b.set, r, x[r*width:(r+1)*width])
	}
}

// attend is attention of every row over what its sequence has so far, by heads.
// Query heads that share keys are worked on together where a run is one token.
func (b *batch) attend(layer int, runs []engine.Run) {
	d := b.dims
	from := make([]int, len(runs)) // first row of each run
	for i := 1; i < len(runs); i++ {
		from[i] = from[i-1] + len(runs[i-1].Tokens)
	}
	b.team.split(len(runs)*d.kvHeads, func(task int, w *worker) {
		r, kv := &runs[task/d.kvHeads], task%d.kvHeads
		at, n := from[task/d.kvHeads], len(r.Tokens)
		if n == 1 {
			b.pages.attend(b.set, layer, r.Pages, kv, d.group, r.Position, true,
				b.qkv[at*d.qkv+kv*d.group*d.head:], d.head, b.y[at*d.dim+kv*d.group*d.head:], d.head, w)
			return
		}
		for h := kv * d.group; h < (kv+1)*d.group; h++ {
			for first := 0; first < n; first += queryRows {
				b.pages.attend(b.set, layer, r.Pages, kv, min(queryRows, n-first), r.Position+first, false,
					b.qkv[(at+first)*d.qkv+h*d.head:], d.qkv, b.y[(at+first)*d.dim+h*d.head:], d.dim, w)
			}
		}
	})
}

// head returns the logits of the rows that want them.
func (b *batch) head() []float32 {
	d, n := b.dims, 0
	for r := range b.rows {
		if b.rows[r].wanted {
			normalizeRow(b.set, b.x[r*d.dim:(r+1)*d.dim], b.weights.norm, b.h[n*d.dim:(n+1)*d.dim], d.eps)
			b.shrink(n, b.h, d.dim)
			n++
		}
	}
	b.multiply(n, b.h, &b.weights.head, b.logits, false)
	return b.logits[:n*d.vocab]
}

// multiply sets (or adds to) rows of y the product of rows of x with a matrix,
// divided by columns.
func (b *batch) multiply(n int, x []float32, w *matrix, y []float32, add bool) {
	tasks := w.tasks(len(b.team.members))
	b.team.split(tasks, func(task int, k *worker) {
		if w.small != nil {
			w.small.Multiply(b.set, n, b.small, task, tasks, y, w.out, add)
			return
		}
		panels := b.set.Panels(w.out)
		from, to := b.set.PanelColumns(panels*task/tasks), min(w.out, b.set.PanelColumns(panels*(task+1)/tasks))
		right := kernel.Right{Data: w.packed.Data[from*w.in:], Packed: true, Depth: w.in}
		if n == 1 {
			b.set.MultiplyRow(to-from, w.in, x, right, y[from:], add, &k.Scratch)
			return
		}
		b.set.Multiply(n, to-from, w.in, kernel.Left{Data: x, Row: w.in, Step: 1}, right, y[from:], w.out, add, &k.Scratch)
	})
}

func (b *batch) Clear(list []int32) {
	if b.pages == nil {
		return
	}
	for _, p := range list {
		b.pages.clear(p)
	}
}

// Close overwrites what the batch knew of the texts.
func (b *batch) Close() {
	if b.weights == nil {
		return
	}
	for p := range b.pages.count {
		b.pages.clear(int32(p))
	}
	for _, s := range [][]float32{b.x, b.h, b.qkv, b.y, b.gateUp, b.act, b.logits} {
		clear(s)
	}
	b.mixed.clear()
	clear(b.rows[:cap(b.rows)])
	for _, w := range b.team.members {
		clear(w.probs[:cap(w.probs)])
		clear(w.keys[:cap(w.keys)])
		w.Scratch = kernel.Scratch{}
	}
	if b.small != nil {
		b.small.Clear()
	}
	b.team.close()
	b.weights, b.pages = nil, nil
}
