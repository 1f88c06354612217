package native

import (
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
	"github.com/crescendo-network/crescendo/engine/r0"
)

const (
	// tileRows is the granularity at which rows are divided among workers; any
	// would do, the tallest tile of a kernel wastes least.
	tileRows = 12

	// blockRows is how many tokens go through a run of operations together, so
	// that what one leaves the next finds in the second cache.
	blockRows = 8 * tileRows
)

// byBlocks gives f blocks of rows, each worker its own run of them.
func (m *model) byBlocks(rows int, f func(from, to int, w *worker)) {
	m.work.split(rows, tileRows, func(from, to int, w *worker) {
		for ; from < to; from += blockRows {
			f(from, min(to, from+blockRows), w)
		}
	})
}

// forward computes the residual stream after the last layer and its norm.
func (m *model) forward(a *activations) {
	d, w := m.dims, m.params
	embed := m.layout.embed.of(w)
	for i, t := range a.inputs {
		copy(a.layers[0].x[i*d.dim:(i+1)*d.dim], embed[int(t)*d.dim:])
	}
	for i := range a.layers {
		l, s := &a.layers[i], &m.layout.layers[i]
		next := a.last
		if i+1 < len(a.layers) {
			next = a.layers[i+1].x
		}
		packed := m.packLayer(s)
		m.byBlocks(a.rows, func(from, to int, k *worker) {
			m.normalize(from, to, l.x, s.attentionNorm.of(w), l.h1, l.r1)
			m.project(from, to, l.h1, d.dim, packed.qkv, d.qkv, l.qkv, false, k)
			addBias(m.set, s.bias.of(w), l.qkv[from*d.qkv:to*d.qkv])
			m.turn(from, to, a.seq, l.qkv, false)
		})
		m.attend(a, l)
		m.byBlocks(a.rows, func(from, to int, k *worker) {
			copy(l.x2[from*d.dim:to*d.dim], l.x[from*d.dim:])
			m.project(from, to, l.y, d.dim, packed.out, d.dim, l.x2, true, k)
			addBias(m.set, s.outBias.of(w), l.x2[from*d.dim:to*d.dim])
			m.normalize(from, to, l.x2, s.feedNorm.of(w), l.h2, l.r2)
			if d.experts > 0 {
				return
			}
			m.multiply(from, to, rowsOf{l.h2, d.dim}, d.dim, packed.gateUp, 2*d.ffn, rowsOf{l.gateUp, d.gateRow}, false, k)
			for r := from; r < to; r++ {
				gu := l.gateUp[r*d.gateRow : r*d.gateRow+2*d.ffn]
				addBias(m.set, s.gateUpBias.of(w), gu)
				m.set.SwiGLU(l.act[r*d.actRow:r*d.actRow+d.ffn], gu[:d.ffn], gu[d.ffn:])
			}
			copy(next[from*d.dim:to*d.dim], l.x2[from*d.dim:])
			m.multiply(from, to, rowsOf{l.act, d.actRow}, d.ffn, packed.down, d.dim, rowsOf{next, d.dim}, true, k)
			addBias(m.set, s.downBias.of(w), next[from*d.dim:to*d.dim])
		})
		if d.experts > 0 {
			m.mix(a, l, s, next)
		}
	}
	m.byBlocks(a.rows, func(from, to int, _ *worker) {
		m.normalize(from, to, a.last, m.layout.norm.of(w), a.hidden, a.r)
	})
}

// project sets (or adds to) rows of y the product of x with the transpose of w,
// which was packed from out rows of in elements.
func (m *model) project(from, to int, x []float32, in int, w kernel.Right, out int, y []float32, add bool, k *worker) {
	m.multiply(from, to, rowsOf{x, in}, in, w, out, rowsOf{y, out}, add, k)
}

// addBias adds the bias, if there is one, to rows as wide as it.
func addBias(set *kernel.Set, bias, rows []float32) {
	for n := len(bias); n > 0 && len(rows) > 0; rows = rows[n:] {
		set.Combine(rows[:n], 1, rows[:n], 1, bias)
	}
}

// packLayer transposes the matrices of one layer into the buffer that layers share.
func (m *model) packLayer(s *layerSpans) layerWeights {
	d, w := m.dims, m.params
	var packed layerWeights
	list := []struct {
		to      *kernel.Right
		from    span
		in, out int
	}{{&packed.qkv, s.qkv, d.dim, d.qkv}, {&packed.out, s.out, d.dim, d.dim}, {&packed.gateUp, s.gateUp, d.dim, 2 * d.ffn}, {&packed.down, s.down, d.ffn, d.dim}}
	if d.experts > 0 {
		list = list[:2] // each expert is packed when its turn comes
	}
	at, panels := 0, 0
	for _, p := range list {
		n := m.products().PackedLen(m.depth(p.in), p.out)
		*p.to = kernel.Right{Data: m.packed[at : at+n], Packed: true}
		at, panels = at+n, panels+m.products().Panels(p.out)
	}
	m.work.split(panels, 1, func(from, to int, k *worker) {
		for _, p := range list {
			n := m.products().Panels(p.out)
			if from < n && to > 0 {
				m.packPanels(p.to.Data, p.from.of(w), p.in, p.out, max(0, from), min(n, to), k)
			}
			from, to = from-n, to-n
		}
	})
	return packed
}

// pack transposes w into the buffer that layers share.
func (m *model) pack(w []float32, in, out int) kernel.Right {
	return m.packInto(m.packed[:m.products().PackedLen(m.depth(in), out)], w, in, out)
}

func (m *model) packInto(packed, w []float32, in, out int) kernel.Right {
	m.work.split(m.products().Panels(out), 1, func(from, to int, k *worker) {
		m.packPanels(packed, w, in, out, from, to, k)
	})
	return kernel.Right{Data: packed, Packed: true}
}

// normalize is RMSNorm of rows from to to; r receives the reciprocal norms.
func (m *model) normalize(from, to int, x, w, y, r []float32) {
	for i := from; i < to; i++ {
		r[i] = normalizeRow(m.set, x[i*m.dims.dim:(i+1)*m.dims.dim], w, y[i*m.dims.dim:(i+1)*m.dims.dim], m.dims.eps)
	}
}

func normalizeRow(set *kernel.Set, x, w, y []float32, eps float32) float32 {
	r := 1 / r0.Sqrt(set.Dot(x, x)/float32(len(x))+eps)
	set.ScaleBy(y, x, w, r)
	return r
}

// turn applies the rotary embedding to the queries and keys of rows from to to.
func (m *model) turn(from, to, seq int, qkv []float32, back bool) {
	d := m.dims
	for r := from; r < to; r++ {
		m.rotary.turn(m.set, qkv[r*d.qkv:(r+1)*d.qkv], d.heads+d.kvHeads, r%seq, back)
	}
}
