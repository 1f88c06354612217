package native

import "github.com/crescendo-network/crescendo/engine/internal/kernel"

// backward continues from a.dh, the gradient of the normed residual stream, and
// adds to m.grads.
func (m *model) backward(a *activations) {
	d, w, g := m.dims, m.params, m.grads
	clear(a.dx)
	m.normalizeBack(a, a.last, m.layout.norm, a.r)
	for i := len(a.layers) - 1; i >= 0; i-- {
		l, s := &a.layers[i], &m.layout.layers[i]
		m.projectBack(a.rows, a.dx, d.dim, s.down.of(w), d.ffn, a.dact)
		m.weightGrad(d.dim, d.ffn, a.rows, a.dx, d.dim, l.act, s.down.of(g))
		m.work.split(a.rows, 1, func(from, to int, _ *worker) {
			for r := from; r < to; r++ {
				gu, dgu := l.gateUp[2*r*d.ffn:2*(r+1)*d.ffn], a.dgateUp[2*r*d.ffn:2*(r+1)*d.ffn]
				m.set.SwiGLUGrad(dgu[:d.ffn], dgu[d.ffn:], a.dact[r*d.ffn:(r+1)*d.ffn], gu[:d.ffn], gu[d.ffn:])
			}
		})
		m.projectBack(a.rows, a.dgateUp, 2*d.ffn, s.gateUp.of(w), d.dim, a.dh)
		m.weightGrad(2*d.ffn, d.dim, a.rows, a.dgateUp, 2*d.ffn, l.h2, s.gateUp.of(g))
		m.normalizeBack(a, l.x2, s.feedNorm, l.r2)
		m.projectBack(a.rows, a.dx, d.dim, s.out.of(w), d.dim, a.dy)
		m.weightGrad(d.dim, d.dim, a.rows, a.dx, d.dim, l.y, s.out.of(g))
		m.attendBack(a, l)
		m.turn(a, a.dqkv, true)
		m.projectBack(a.rows, a.dqkv, d.qkv, s.qkv.of(w), d.dim, a.dh)
		m.weightGrad(d.qkv, d.dim, a.rows, a.dqkv, d.qkv, l.h1, s.qkv.of(g))
		m.normalizeBack(a, l.x, s.attentionNorm, l.r1)
	}
	embed := m.layout.embed.of(g)
	for i, t := range a.inputs {
		row := embed[int(t)*d.dim : (int(t)+1)*d.dim]
		m.set.Combine(row, 1, row, 1, a.dx[i*d.dim:(i+1)*d.dim])
	}
}

// projectBack sets dx to the product of dy with w, which has out rows of in elements.
func (m *model) projectBack(rows int, dy []float32, out int, w []float32, in int, dx []float32) {
	m.work.split(rows, tileRows, func(from, to int, k *worker) {
		m.set.Multiply(to-from, in, out, kernel.Left{Data: dy[from*out:], Row: out, Step: 1},
			kernel.Right{Data: w, Row: in}, dx[from*in:], in, false, &k.Scratch)
	})
}

// weightGrad adds to dw (out by in) the product of the transpose of dy, whose
// rows are stride apart, with x.
func (m *model) weightGrad(out, in, rows int, dy []float32, stride int, x, dw []float32) {
	m.work.split(out, tileRows, func(from, to int, k *worker) {
		m.set.Multiply(to-from, in, rows, kernel.Left{Data: dy[from:], Row: 1, Step: stride},
			kernel.Right{Data: x, Row: in}, dw[from*in:], in, true, &k.Scratch)
	})
}

// normalizeBack adds to a.dx the gradient that comes through a norm, and to the
// norm's gains theirs. The latter are divided by columns, so that each is summed
// over rows in order.
func (m *model) normalizeBack(a *activations, x []float32, norm span, r []float32) {
	dim := m.dims.dim
	w, dw := norm.of(m.params), norm.of(m.grads)
	m.work.split(a.rows, 1, func(from, to int, _ *worker) {
		for i := from; i < to; i++ {
			row, dy := x[i*dim:(i+1)*dim], a.dh[i*dim:(i+1)*dim]
			c := float32(m.set.Dot3(dy, w, row)*r[i]) * float32(r[i]*r[i]) / float32(dim)
			m.set.NormGrad(a.dx[i*dim:(i+1)*dim], dy, row, w, r[i], c)
		}
	})
	m.work.split(dim, 16, func(from, to int, _ *worker) {
		for i := range a.rows {
			m.set.AddProduct(dw[from:to], a.dh[i*dim+from:i*dim+to], x[i*dim+from:i*dim+to], r[i])
		}
	})
}
