package native

import "github.com/crescendo-network/crescendo/engine/internal/kernel"

// backward continues from a.dh, the gradient of the normed residual stream, and
// fills the gradients of everything below it, or adds to them if they are not
// fresh.
func (m *model) backward(a *activations) {
	d := m.dims
	m.byBlocks(a.rows, func(from, to int, _ *worker) {
		clear(a.dx[from*d.dim : to*d.dim])
		m.normalizeBack(from, to, a, a.last, m.layout.norm, a.r)
	})
	m.gainGrad(a, a.last, m.layout.norm, a.r)
	for i := len(a.layers) - 1; i >= 0; i-- {
		l, s := &a.layers[i], &m.layout.layers[i]
		if d.experts > 0 {
			m.mixBack(a, l, s)
		} else {
			m.addWeightGrad(d.dim, d.ffn, a.rows, a.dx, d.dim, rowsOf{l.act, d.actRow}, s.down, !m.fresh)
			m.biasGrad(a.rows, rowsOf{a.dx, d.dim}, s.downBias)
		}
		back := m.backLayer(s)
		m.byBlocks(a.rows, func(from, to int, k *worker) {
			if d.experts == 0 {
				m.feedBack(from, to, a, l, back, k)
			}
			m.normalizeBack(from, to, a, l.x2, s.feedNorm, l.r2)
			m.project(from, to, a.dx, d.dim, back.out, d.dim, a.dy, false, k)
		})
		if d.experts == 0 {
			m.weightGrad(2*d.ffn, d.dim, a.rows, a.dgateUp, d.gateRow, l.h2, s.gateUp)
			m.biasGrad(a.rows, rowsOf{a.dgateUp, d.gateRow}, s.gateUpBias)
		}
		m.gainGrad(a, l.x2, s.feedNorm, l.r2)
		m.weightGrad(d.dim, d.dim, a.rows, a.dx, d.dim, l.y, s.out)
		m.biasGrad(a.rows, rowsOf{a.dx, d.dim}, s.outBias)
		m.attendBack(a, l)
		m.byBlocks(a.rows, func(from, to int, k *worker) {
			m.turn(from, to, a.seq, a.dqkv, true)
			m.project(from, to, a.dqkv, d.qkv, back.qkv, d.dim, a.dh, false, k)
			m.normalizeBack(from, to, a, l.x, s.attentionNorm, l.r1)
		})
		m.weightGrad(d.qkv, d.dim, a.rows, a.dqkv, d.qkv, l.h1, s.qkv)
		m.biasGrad(a.rows, rowsOf{a.dqkv, d.qkv}, s.bias)
		m.gainGrad(a, l.x, s.attentionNorm, l.r1)
	}
	embed := m.layout.embed.of(m.grads)
	m.work.split(d.dim, 64, func(from, to int, _ *worker) {
		for i, t := range a.inputs {
			row := embed[int(t)*d.dim+from : int(t)*d.dim+to]
			m.set.Combine(row, 1, row, 1, a.dx[i*d.dim+from:i*d.dim+to])
		}
	})
}

// feedBack sets rows of a.dh to the gradient of a feed-forward's inputs.
func (m *model) feedBack(from, to int, a *activations, l *layerActivations, back layerWeights, k *worker) {
	d := m.dims
	m.multiply(from, to, rowsOf{a.dx, d.dim}, d.dim, back.down, d.ffn, rowsOf{a.dact, d.actRow}, false, k)
	for r := from; r < to; r++ {
		gu, dgu := l.gateUp[r*d.gateRow:r*d.gateRow+2*d.ffn], a.dgateUp[r*d.gateRow:r*d.gateRow+2*d.ffn]
		m.set.SwiGLUGrad(dgu[:d.ffn], dgu[d.ffn:], a.dact[r*d.actRow:r*d.actRow+d.ffn], gu[:d.ffn], gu[d.ffn:])
	}
	m.multiply(from, to, rowsOf{a.dgateUp, d.gateRow}, 2*d.ffn, back.gateUp, d.dim, rowsOf{a.dh, d.dim}, false, k)
}

// weightGrad sets the gradient of a matrix (out by in) to the product of the
// transpose of dy, whose rows are stride apart, with x.
func (m *model) weightGrad(out, in, rows int, dy []float32, stride int, x []float32, of span) {
	m.addWeightGrad(out, in, rows, dy, stride, rowsOf{x, in}, of, !m.fresh)
}

func (m *model) addWeightGrad(out, in, rows int, dy []float32, stride int, x rowsOf, of span, add bool) {
	dw := of.of(m.grads)
	if m.half != nil {
		m.half.weightGrad(m.work, out, in, rows, rowsOf{dy, stride}, x, dw, add)
		return
	}
	m.work.split(out, tileRows, func(from, to int, k *worker) {
		m.set.Multiply(to-from, in, rows, kernel.Left{Data: dy[from:], Row: 1, Step: stride},
			kernel.Right{Data: x.data, Row: x.row}, dw[from*in:], in, add, &k.Scratch)
	})
}

// biasGrad adds up dy by columns, over rows in order.
func (m *model) biasGrad(rows int, dy rowsOf, bias span) {
	db := bias.of(m.grads)
	m.work.split(len(db), 16, func(from, to int, _ *worker) {
		if m.fresh {
			clear(db[from:to])
		}
		for i := range rows {
			m.set.Combine(db[from:to], 1, db[from:to], 1, dy.data[i*dy.row+from:i*dy.row+to])
		}
	})
}

// normalizeBack adds to rows of a.dx the gradient that comes through a norm.
func (m *model) normalizeBack(from, to int, a *activations, x []float32, norm span, r []float32) {
	dim, w := m.dims.dim, norm.of(m.params)
	for i := from; i < to; i++ {
		row, dy := x[i*dim:(i+1)*dim], a.dh[i*dim:(i+1)*dim]
		c := float32(m.set.Dot3(dy, w, row)*r[i]) * float32(r[i]*r[i]) / float32(dim)
		m.set.NormGrad(a.dx[i*dim:(i+1)*dim], dy, row, w, r[i], c)
	}
}

// gainGrad adds the gradients of a norm's gains. They are divided by columns, so
// that each is summed over rows in order.
func (m *model) gainGrad(a *activations, x []float32, norm span, r []float32) {
	dim, dw := m.dims.dim, norm.of(m.grads)
	m.work.split(dim, 64, func(from, to int, _ *worker) {
		if m.fresh {
			clear(dw[from:to])
		}
		for i := range a.rows {
			m.set.AddProduct(dw[from:to], a.dh[i*dim+from:i*dim+to], x[i*dim+from:i*dim+to], r[i])
		}
	})
}
