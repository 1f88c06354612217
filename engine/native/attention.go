package native

import (
	"math"

	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

// queryRows is how many queries are worked on at a time; keys that lie after all
// of them are skipped.
const queryRows = 32

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
			p := l.attention[at.attention : at.attention+a.seq*a.stride]
			for first := 0; first < a.seq; first += queryRows {
				n := min(queryRows, a.seq-first)
				block := p[first*a.stride:]
				m.set.Multiply(n, first+n, d.head, kernel.Left{Data: l.qkv[at.q+first*d.qkv:], Row: d.qkv, Step: 1},
					keys, block, a.stride, false, &w.Scratch)
				for r := range n {
					softmax(m.set, block[r*a.stride:(r+1)*a.stride], first+r+1, first+n, d.scale)
				}
				m.set.Multiply(n, d.head, first+n, kernel.Left{Data: block, Row: a.stride, Step: 1},
					kernel.Right{Data: l.qkv[at.v:], Row: d.qkv}, l.y[at.y+first*d.dim:], d.dim, false, &w.Scratch)
			}
		}
	})
}

// packHead transposes the keys or the values of one head of one sequence.
func (m *model) packHead(w *worker, rows []float32, seq int) kernel.Right {
	d := m.dims
	packed := grow(&w.packed, m.set.PackedLen(d.head, seq))
	m.set.Pack(packed, rows, d.qkv, d.head, seq, 0, m.set.Panels(seq))
	return kernel.Right{Data: packed, Packed: true}
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
	d := m.dims
	values := m.packHead(w, l.qkv[at.v:], a.seq)
	p := l.attention[at.attention : at.attention+a.seq*a.stride]
	ds := grow(&w.scores, a.seq*a.stride)
	for first := 0; first < a.seq; first += queryRows {
		n := min(queryRows, a.seq-first)
		block := ds[first*a.stride:]
		m.set.Multiply(n, first+n, d.head, kernel.Left{Data: a.dy[at.y+first*d.dim:], Row: d.dim, Step: 1},
			values, block, a.stride, false, &w.Scratch)
		for r := range n {
			row, known := block[r*a.stride:(r+1)*a.stride], first+r+1
			whole := (known + 15) &^ 15
			clear(row[known:max(whole, first+n)])
			probs := p[(first+r)*a.stride:][:whole]
			m.set.SoftmaxGrad(row[:whole], probs, m.set.Dot(probs, row[:whole]), d.scale)
		}
		m.set.Multiply(n, d.head, first+n, kernel.Left{Data: block, Row: a.stride, Step: 1},
			kernel.Right{Data: l.qkv[at.k:], Row: d.qkv}, a.dqkv[at.q+first*d.qkv:], d.qkv, false, &w.Scratch)
	}
	// A key is seen by the queries from its own position on.
	for first := 0; first < a.seq; first += queryRows {
		n, rest := min(queryRows, a.seq-first), a.seq-first
		corner := first*a.stride + first
		m.set.Multiply(n, d.head, rest, kernel.Left{Data: p[corner:], Row: 1, Step: a.stride},
			kernel.Right{Data: a.dy[at.y+first*d.dim:], Row: d.dim}, a.dqkv[at.v+first*d.qkv:], d.qkv, add, &w.Scratch)
		m.set.Multiply(n, d.head, rest, kernel.Left{Data: ds[corner:], Row: 1, Step: a.stride},
			kernel.Right{Data: l.qkv[at.q+first*d.qkv:], Row: d.qkv}, a.dqkv[at.k+first*d.qkv:], d.qkv, add, &w.Scratch)
	}
}
