package native

import (
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// update changes the parameters by m.grads.
func (m *model) update(o engine.Optimizer, step int) error {
	norm := r0.Sqrt64(m.gradSquares())
	if !(norm < 1e18) {
		return engine.ErrNotFinite
	}
	scale := float32(1)
	if o.Clip > 0 && norm > float64(o.Clip) {
		scale = float32(float64(o.Clip) / norm)
	}
	count := &m.state[len(m.state)-1]
	if *count < 1<<24 { // beyond it the corrections are 1 anyway
		*count++
	}
	schedule := o.Rate(step)
	settings := adamSettings(o, int(*count), scale, float32(o.LR*schedule))
	var matrices []engine.Tensor
	for _, t := range m.tensors {
		if t.Matrix && o.Kind == engine.Muon {
			matrices = append(matrices, t)
			continue
		}
		s := settings
		if t.Matrix {
			s.LR = float32(o.MatrixLR * schedule)
		}
		if !o.Decays(t) {
			s.Decay = 0
		}
		m.adamW(t, &s)
	}
	lr := float32(o.MatrixLR * schedule)
	m.work.split(len(matrices), 1, func(from, to int, w *worker) {
		for _, t := range matrices[from:to] {
			m.muon(t, o, lr, scale, w)
		}
	})
	return nil
}

// squaresBlock is the length over which squares are summed in float32.
const squaresBlock = 4096

// gradSquares is the sum of the squares of the gradient.
func (m *model) gradSquares() float64 {
	blocks := make([]float32, (len(m.grads)+squaresBlock-1)/squaresBlock)
	m.work.split(len(blocks), 64, func(from, to int, _ *worker) {
		for i := from; i < to; i++ {
			x := m.grads[i*squaresBlock : min(len(m.grads), (i+1)*squaresBlock)]
			blocks[i] = m.set.Dot(x, x)
		}
	})
	var sum float64
	for _, b := range blocks {
		sum += float64(b)
	}
	return sum
}

func adamSettings(o engine.Optimizer, count int, scale, lr float32) kernel.AdamW {
	return kernel.AdamW{
		GradScale: scale,
		Beta1:     o.Beta1, Rest1: 1 - o.Beta1,
		Beta2: o.Beta2, Rest2: 1 - o.Beta2,
		Correct1: float32(1 / (1 - r0.Pow64(float64(o.Beta1), count))),
		Correct2: float32(1 / (1 - r0.Pow64(float64(o.Beta2), count))),
		Eps:      o.Eps, Decay: o.WeightDecay, LR: lr,
	}
}

func (m *model) adamW(t engine.Tensor, s *kernel.AdamW) {
	n := len(m.params)
	m.work.split(t.Len, squaresBlock, func(from, to int, _ *worker) {
		from, to = t.Offset+from, t.Offset+to
		m.set.AdamW(m.params[from:to], m.grads[from:to], m.state[from:to], m.state[n+from:n+to], s)
	})
}

// Coefficients of the Newton-Schulz iteration of Jordan et al. (2024), which
// takes singular values close to one in five steps.
const (
	schulz1 = 3.4445
	schulz3 = -4.7750
	schulz5 = 2.0315
)

// muon updates one matrix by its momentum, with singular values made equal.
func (m *model) muon(t engine.Tensor, o engine.Optimizer, lr, scale float32, w *worker) {
	out, in := t.Dims[0], t.Dims[1]
	p, g := m.params[t.Offset:t.Offset+t.Len], m.grads[t.Offset:t.Offset+t.Len]
	momentum := m.state[t.Offset : t.Offset+t.Len]
	fresh := float32((1 - o.Momentum) * scale)
	m.set.Combine(momentum, o.Momentum, momentum, fresh, g)
	u := grow(&w.muon[0], t.Len)
	m.set.Combine(u, o.Momentum, momentum, fresh, g)
	keep := 1 - float32(lr*o.WeightDecay)
	norm := float32(r0.Sqrt64(float64(m.set.Dot(u, u))))
	if norm == 0 {
		m.set.Scale(p, keep)
		return
	}
	m.set.Scale(u, 1/(norm+1e-12))
	u = m.orthogonalize(u, out, in, o.NewtonSchulzSteps, w)
	gain := lr
	if out > in {
		gain = float32(lr * r0.Sqrt(float32(out)/float32(in)))
	}
	m.set.Combine(p, keep, p, -gain, u)
}

// orthogonalize runs Newton-Schulz steps on x, in the orientation that has fewer
// rows than columns.
func (m *model) orthogonalize(x []float32, rows, columns, steps int, w *worker) []float32 {
	y := grow(&w.muon[1], len(x))
	turned := rows > columns
	if turned {
		transpose(y, x, rows, columns)
		x, y = y, x
		rows, columns = columns, rows
	}
	a, b := grow(&w.muon[2], rows*rows), grow(&w.muon[3], rows*rows)
	packed := grow(&w.muon[4], m.set.PackedLen(columns, rows))
	for range steps {
		m.set.Pack(packed, x, columns, columns, rows, 0, m.set.Panels(rows))
		m.set.MultiplySymmetric(rows, columns, kernel.Left{Data: x, Row: columns, Step: 1},
			kernel.Right{Data: packed, Packed: true}, a, &w.Scratch)
		m.set.MultiplySymmetric(rows, rows, kernel.Left{Data: a, Row: rows, Step: 1},
			kernel.Right{Data: a, Row: rows}, b, &w.Scratch)
		m.set.Combine(b, schulz3, a, schulz5, b)
		m.set.Multiply(rows, columns, rows, kernel.Left{Data: b, Row: rows, Step: 1},
			kernel.Right{Data: x, Row: columns}, y, columns, false, &w.Scratch)
		m.set.Combine(y, 1, y, schulz1, x)
		x, y = y, x
	}
	if turned {
		transpose(y, x, rows, columns)
		x = y
	}
	return x
}

// transpose writes the rows by columns matrix x into y as columns by rows.
func transpose(y, x []float32, rows, columns int) {
	for i := range rows {
		for j, v := range x[i*columns : (i+1)*columns] {
			y[j*rows+i] = v
		}
	}
}
