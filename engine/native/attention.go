package native

import (
	"math"

	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

const (
	// queryRows is how many queries are worked on at a time; keys that lie after
	// all of them are skipped.
	queryRows = 32

	// Up to storedSeq tokens the forward pass keeps all probabilities. Beyond it
	// the backward pass computes them again, longBlock queries at a time, to the
	// same bits, and memory is linear in the length.
	storedSeq = 512
	longBlock = 4 * queryRows
)

var negInf = math.Float32frombits(0xff800000)

// A headView locates one query head of one sequence.
type headView struct {
	q, k, v   int // first element in a qkv buffer
	y         int // in the buffer of attention results
	attention int
}

func (m *model) headAt(a *activations, b, h int) headView {
	d := m.dims
	row := b * a.seq * d.qkv
	kv := h / d.group
	return headView{
		q: row + h*d.head, k: row + d.dim + kv*d.head, v: row + d.dim + d.kv + kv*d.head,
		y: b*a.seq*d.dim + h*d.head, attention: (b*d.heads + h) * a.seq * a.stride,
	}
}

// attend computes causal attention from l.qkv into l.y.
func (m *model) attend(a *activations, l *layerActivations) {
	d := m.dims
	m.work.split(a.batch*d.heads, 1, func(from, to int, w *worker) {
		for i := from; i < to; i++ {
			at := m.headAt(a, i/d.heads, i%d.heads)
			keys := m.packHead(w, l.qkv[at.k:], a.seq)
			values := m.arrangeHead(&w.values, l.qkv[at.v:], d.qkv, a.seq)
			for first := 0; first < a.seq; first += queryRows {
				n := min(queryRows, a.seq-first)
				var block []float32
				if l.attention != nil {
					block = l.attention[at.attention+first*a.stride:]
				} else {
					block = grow(&w.probs, queryRows*a.stride)
				}
				m.probabilities(a, l, at, keys, first, n, block, w)
				m.set.Multiply(n, d.head, first+n, kernel.Left{Data: block, Row: a.stride, Step: 1},
					values, l.y[at.y+first*d.dim:], d.dim, false, &w.Scratch)
			}
		}
	})
}

// probabilities computes n rows of attention, from query first on.
func (m *model) probabilities(a *activations, l *layerActivations, at headView, keys kernel.Right, first, n int, block []float32, w *worker) {
	d := m.dims
	m.set.Multiply(n, first+n, d.head, kernel.Left{Data: l.qkv[at.q+first*d.qkv:], Row: d.qkv, Step: 1},
		keys, block, a.stride, false, &w.Scratch)
	for r := range n {
		softmax(m.set, block[r*a.stride:(r+1)*a.stride], first+r+1, first+n, d.scale)
	}
}

// packHead transposes the keys or the values of one head of one sequence.
func (m *model) packHead(w *worker, rows []float32, seq int) kernel.Right {
	d := m.dims
	packed := grow(&w.packed, m.set.PackedLen(d.head, seq))
	m.set.Pack(packed, rows, d.qkv, d.head, seq, 0, m.set.Panels(seq))
	return kernel.Right{Data: packed, Packed: true}
}

// arrangeHead brings together one head's part of rows that are stride apart.
func (m *model) arrangeHead(buffer *[]float32, rows []float32, stride, seq int) kernel.Right {
	head := m.dims.head
	to := grow(buffer, m.set.PackedLen(seq, head))
	m.set.Arrange(to, rows, stride, seq, head)
	return kernel.Right{Data: to, Packed: true, Depth: seq}
}

// softmax turns the first n scores of a row into probabilities and clears the
// row up to end. It fills the last block with scores of minus infinity, which
// add nothing to any lane, so results do not depend on that.
func softmax(set *kernel.Set, row []float32, n, end int, scale float32) {
	whole := min((n+15)&^15, len(row))
	for i := n; i < whole; i++ {
		row[i] = negInf
	}
	x := row[:whole]
	sum := set.ExpSum(x, scale, float32(set.Max(x)*scale))
	set.Scale(x, 1/sum)
	if whole < end {
		clear(row[whole:end])
	}
}

// attendBack computes a.dqkv from a.dy. Heads that share keys and values are
// added in order by one worker.
func (m *model) attendBack(a *activations, l *layerActivations) {
	d := m.dims
	m.work.split(a.batch*d.kvHeads, 1, func(from, to int, w *worker) {
		for i := from; i < to; i++ {
			for g := range d.group {
				at := m.headAt(a, i/d.kvHeads, i%d.kvHeads*d.group+g)
				m.headBack(a, l, at, g > 0, w)
			}
		}
	})
}

// headBack does one head; with add, gradients of keys and values are added.
func (m *model) headBack(a *activations, l *layerActivations, at headView, add bool, w *worker) {
	d, span := m.dims, a.seq
	if l.attention == nil {
		span = longBlock
	}
	keys := m.arrangeHead(&w.keys, l.qkv[at.k:], d.qkv, a.seq)
	queries := m.arrangeHead(&w.queries, l.qkv[at.q:], d.qkv, a.seq)
	dy := m.arrangeHead(&w.values, a.dy[at.y:], d.dim, a.seq)
	for from := 0; from < a.seq; from += span {
		to := min(a.seq, from+span)
		p := m.remembered(a, l, at, from, to, w)
		ds := m.scoreGrad(a, l, at, from, to, p, keys, w)
		// A key is seen by the queries from its own position on. The sums over
		// queries run in order: a later span goes on where the last one stopped.
		for first := 0; first < to; first += queryRows {
			n, top := min(queryRows, to-first), max(first, from)
			corner := (top-from)*a.stride + first
			m.set.Multiply(n, d.head, to-top, kernel.Left{Data: p[corner:], Row: 1, Step: a.stride},
				m.set.From(dy, top), a.dqkv[at.v+first*d.qkv:], d.qkv, add || first < from, &w.Scratch)
			m.set.Multiply(n, d.head, to-top, kernel.Left{Data: ds[corner:], Row: 1, Step: a.stride},
				m.set.From(queries, top), a.dqkv[at.k+first*d.qkv:], d.qkv, add || first < from, &w.Scratch)
		}
	}
}

// remembered returns the probabilities of queries from to to, which are computed
// again if they were not kept.
func (m *model) remembered(a *activations, l *layerActivations, at headView, from, to int, w *worker) []float32 {
	if l.attention != nil {
		return l.attention[at.attention+from*a.stride : at.attention+to*a.stride]
	}
	keys := m.packHead(w, l.qkv[at.k:], to)
	p := grow(&w.probs, longBlock*a.stride)
	for first := from; first < to; first += queryRows {
		m.probabilities(a, l, at, keys, first, min(queryRows, to-first), p[(first-from)*a.stride:], w)
	}
	return p
}

// scoreGrad computes the gradients of the scores of queries from to to, and
// those of the queries.
func (m *model) scoreGrad(a *activations, l *layerActivations, at headView, from, to int, p []float32, keys kernel.Right, w *worker) []float32 {
	d := m.dims
	values := m.packHead(w, l.qkv[at.v:], to)
	ds := grow(&w.scores, (to-from)*a.stride)
	for first := from; first < to; first += queryRows {
		n := min(queryRows, to-first)
		block := ds[(first-from)*a.stride:]
		m.set.Multiply(n, first+n, d.head, kernel.Left{Data: a.dy[at.y+first*d.dim:], Row: d.dim, Step: 1},
			values, block, a.stride, false, &w.Scratch)
		for r := range n {
			row, known := block[r*a.stride:(r+1)*a.stride], first+r+1
			whole := (known + 15) &^ 15
			clear(row[known:max(whole, first+n)])
			probs := p[(first-from+r)*a.stride:][:whole]
			m.set.SoftmaxGrad(row[:whole], probs, m.set.Dot(probs, row[:whole]), d.scale)
		}
		m.set.Multiply(n, d.head, first+n, kernel.Left{Data: block, Row: a.stride, Step: 1},
			keys, a.dqkv[at.q+first*d.qkv:], d.qkv, false, &w.Scratch)
	}
	return ds
}
