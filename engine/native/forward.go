package native

import (
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// tileRows is the granularity at which rows are divided among workers; any
// would do, the tallest tile of a kernel wastes least.
const tileRows = 12

// forward computes the residual stream after the last layer and its norm.
func (m *model) forward(a *activations) {
	d, w := m.dims, m.params
	embed := m.layout.embed.of(w)
	for i, t := range a.inputs {
		copy(a.layers[0].x[i*d.dim:(i+1)*d.dim], embed[int(t)*d.dim:])
	}
	for i := range a.layers {
		l, s := &a.layers[i], &m.layout.layers[i]
		m.normalize(a.rows, l.x, s.attentionNorm.of(w), l.h1, l.r1)
		m.project(a.rows, l.h1, d.dim, s.qkv.of(w), d.qkv, l.qkv, false)
		m.turn(a, l.qkv, false)
		m.attend(a, l)
		copy(l.x2, l.x)
		m.project(a.rows, l.y, d.dim, s.out.of(w), d.dim, l.x2, true)
		m.normalize(a.rows, l.x2, s.feedNorm.of(w), l.h2, l.r2)
		m.project(a.rows, l.h2, d.dim, s.gateUp.of(w), 2*d.ffn, l.gateUp, false)
		m.work.split(a.rows, 1, func(from, to int, _ *worker) {
			for r := from; r < to; r++ {
				gu := l.gateUp[2*r*d.ffn : 2*(r+1)*d.ffn]
				m.set.SwiGLU(l.act[r*d.ffn:(r+1)*d.ffn], gu[:d.ffn], gu[d.ffn:])
			}
		})
		next := a.last
		if i+1 < len(a.layers) {
			next = a.layers[i+1].x
		}
		copy(next, l.x2)
		m.project(a.rows, l.act, d.ffn, s.down.of(w), d.dim, next, true)
	}
	m.normalize(a.rows, a.last, m.layout.norm.of(w), a.hidden, a.r)
}

// project sets (or adds to) y the product of x with the transpose of w, which
// has out rows of in elements.
func (m *model) project(rows int, x []float32, in int, w []float32, out int, y []float32, add bool) {
	packed := m.pack(w, in, out)
	m.work.split(rows, tileRows, func(from, to int, k *worker) {
		m.set.Multiply(to-from, out, in, kernel.Left{Data: x[from*in:], Row: in, Step: 1},
			packed, y[from*out:], out, add, &k.Scratch)
	})
}

// pack transposes w into the buffer shared by all matrices.
func (m *model) pack(w []float32, in, out int) kernel.Right {
	packed := m.packed[:m.set.PackedLen(in, out)]
	m.work.split(m.set.Panels(out), 1, func(from, to int, _ *worker) {
		m.set.Pack(packed, w, in, in, out, from, to)
	})
	return kernel.Right{Data: packed, Packed: true}
}

// normalize is RMSNorm by rows; r receives the reciprocal norms.
func (m *model) normalize(rows int, x, w, y, r []float32) {
	m.work.split(rows, 1, func(from, to int, _ *worker) {
		for i := from; i < to; i++ {
			r[i] = normalizeRow(m.set, x[i*m.dims.dim:(i+1)*m.dims.dim], w, y[i*m.dims.dim:(i+1)*m.dims.dim], m.dims.eps)
		}
	})
}

func normalizeRow(set *kernel.Set, x, w, y []float32, eps float32) float32 {
	r := 1 / r0.Sqrt(set.Dot(x, x)/float32(len(x))+eps)
	set.ScaleBy(y, x, w, r)
	return r
}

// turn applies the rotary embedding to queries and keys.
func (m *model) turn(a *activations, qkv []float32, back bool) {
	d := m.dims
	m.work.split(a.rows, 1, func(from, to int, _ *worker) {
		for r := from; r < to; r++ {
			m.rotary.turn(m.set, qkv[r*d.qkv:(r+1)*d.qkv], d.heads+d.kvHeads, r%a.seq, back)
		}
	})
}
