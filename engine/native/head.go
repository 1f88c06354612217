package native

import (
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// headRows is how many tokens' logits are held at a time, for each worker few enough
// that they stay in a near cache, and enough that reading the output projection
// for them, and adding to its gradient, pays. It is even, for tokens are paired.
func (m *model) headRows(a *activations) int {
	perWorker := 128
	if m.dims.vocab <= 8192 {
		perWorker = 256
	}
	return min(a.rows, perWorker*len(m.work.list))
}

// logitStride keeps rows of logits off powers of two, which would make the rows
// of a tile compete for the same cache lines.
func (m *model) logitStride() int { return (m.dims.vocab+15)&^15 + 16 }

// head computes a.losses and, with backward, the gradients of the output
// projection and of a.hidden, the latter into a.dh.
func (m *model) head(a *activations, backward bool) {
	d, stride := m.dims, m.logitStride()
	w := m.layout.head.of(m.params)
	packed := m.pack(w, d.dim, d.vocab)
	var back kernel.Right
	if backward {
		back = m.backHead(w)
	}
	for first := 0; first < a.rows; first += m.headRows(a) {
		n := min(m.headRows(a), a.rows-first)
		hidden := a.hidden[first*d.dim:]
		m.work.split(n, tileRows, func(from, to int, k *worker) {
			m.multiply(from, to, rowsOf{hidden, d.dim}, d.dim, packed, d.vocab, rowsOf{a.logits, stride}, false, k)
			for r := from; r < to; r++ {
				row := a.logits[r*stride : r*stride+d.vocab]
				if a.mask != nil && !a.mask[first+r] {
					a.losses[first+r] = 0
					clear(row)
					continue
				}
				a.losses[first+r] = m.crossEntropy(row, int(a.targets[first+r]), a.share, backward)
			}
			if backward {
				m.multiply(from, to, rowsOf{a.logits, stride}, d.vocab, back, d.dim, rowsOf{a.dh[first*d.dim:], d.dim}, false, k)
			}
		})
		if backward {
			m.addWeightGrad(d.vocab, d.dim, n, a.logits, stride, rowsOf{hidden, d.dim}, m.layout.head, !m.fresh || first > 0)
		}
	}
}

// crossEntropy returns the loss of one token and, with backward, replaces its
// logits by their gradient times share.
func (m *model) crossEntropy(row []float32, target int, share float32, backward bool) float64 {
	top := m.set.Max(row)
	margin := float64(row[target] - top)
	sum := m.set.ExpSum(row, 1, top)
	if backward {
		m.set.Scale(row, float32((1/sum)*share))
		row[target] -= share
	}
	return r0.Log64(float64(sum)) - margin
}
