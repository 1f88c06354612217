package native

import (
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// routes say which experts the rows of a layer go to, and with what weight. An
// assignment is a row and one of its experts; assignments are numbered by expert,
// those of one expert by row, so that an expert's inputs lie together.
type routes struct {
	chosen []int32   // rows by perToken: experts, the most wanted first
	weight []float32 // of each, adding up to one for a row
	at     []int32   // number of each assignment
	rowOf  []int32   // by number
	from   []int     // number of each expert's first assignment, and of all
	frozen bool      // keep who was chosen, so that tests can take differences
}

func newRoutes(rows int, d dims) routes {
	n := rows * d.perToken
	return routes{chosen: make([]int32, n), weight: make([]float32, n), at: make([]int32, n), rowOf: make([]int32, n), from: make([]int, d.experts+1)}
}

// choose fills the routes of rows by their logits, experts to a row. A row's
// weights are the softmax over the logits of its own experts, summed in falling
// order; of equal logits the lower expert's counts as larger.
func (r *routes) choose(rows int, d dims, logits []float32) {
	k := d.perToken
	clear(r.from)
	for i := range rows {
		row, chosen := logits[i*d.experts:(i+1)*d.experts], r.chosen[i*k:(i+1)*k]
		if !r.frozen {
			pick(row, chosen)
		}
		softmaxOver(row, chosen, r.weight[i*k:(i+1)*k])
		for _, e := range chosen {
			r.from[e+1]++
		}
	}
	for e := range d.experts {
		r.from[e+1] += r.from[e]
	}
	next := append([]int(nil), r.from...)
	for i := range rows {
		for j := i * k; j < (i+1)*k; j++ {
			n := next[r.chosen[j]]
			next[r.chosen[j]]++
			r.at[j], r.rowOf[n] = int32(n), int32(i)
		}
	}
}

// pick finds the largest elements of a row, as many as chosen holds.
func pick(row []float32, chosen []int32) {
	for j := range chosen {
		best := int32(-1)
		for e, v := range row {
			if (best < 0 || v > row[best]) && !holds(chosen[:j], int32(e)) {
				best = int32(e)
			}
		}
		chosen[j] = best
	}
}

func holds(list []int32, e int32) bool {
	for _, v := range list {
		if v == e {
			return true
		}
	}
	return false
}

func softmaxOver(row []float32, chosen []int32, weight []float32) {
	var sum float32
	for j, e := range chosen {
		weight[j] = r0.Exp(row[e] - row[chosen[0]])
		sum += weight[j]
	}
	for j := range weight {
		weight[j] /= sum
	}
}

// mixture is what a layer of experts keeps for its backward pass. Rows of x,
// gateUp, act and out belong to assignments.
type mixture struct {
	routes
	logits              []float32 // of the router: rows by experts
	x, gateUp, act, out []float32
	dweight             []float32 // rows by perToken
	dlogits             []float32
}

func newMixture(rows int, d dims) *mixture {
	n := rows * d.perToken
	f := func(n int) []float32 { return make([]float32, n) }
	return &mixture{routes: newRoutes(rows, d), logits: f(rows * d.experts), dweight: f(n), dlogits: f(rows * d.experts),
		x: f(n * d.dim), gateUp: f(n * d.gateRow), act: f(n * d.actRow), out: f(n * d.dim)}
}

// mix adds to the residual stream what the experts make of l.h2, into next.
func (m *model) mix(a *activations, l *layerActivations, s *layerSpans, next []float32) {
	d, w, x := m.dims, m.params, l.mixture
	router := m.pack(s.router.of(w), d.dim, d.experts)
	m.byBlocks(a.rows, func(from, to int, k *worker) {
		m.project(from, to, l.h2, d.dim, router, d.experts, x.logits, false, k)
	})
	x.choose(a.rows, d, x.logits)
	m.work.split(len(x.rowOf), tileRows, func(from, to int, _ *worker) {
		for n := from; n < to; n++ {
			copy(x.x[n*d.dim:(n+1)*d.dim], l.h2[int(x.rowOf[n])*d.dim:])
		}
	})
	for e := range s.experts {
		m.expert(x, &s.experts[e], x.from[e], x.from[e+1])
	}
	m.byBlocks(a.rows, func(from, to int, _ *worker) {
		for i := from; i < to; i++ {
			row := next[i*d.dim : (i+1)*d.dim]
			copy(row, l.x2[i*d.dim:])
			for j := i * d.perToken; j < (i+1)*d.perToken; j++ {
				m.set.Combine(row, 1, row, x.weight[j], x.out[int(x.at[j])*d.dim:(int(x.at[j])+1)*d.dim])
			}
		}
	})
}

// expert computes the outputs of the assignments of one expert.
func (m *model) expert(x *mixture, s *expertSpans, first, end int) {
	if first == end {
		return
	}
	d := m.dims
	n := m.products().PackedLen(m.depth(d.dim), 2*d.ffn)
	gateUp := m.packInto(m.packed[:n], s.gateUp.of(m.params), d.dim, 2*d.ffn)
	down := m.packInto(m.packed[n:n+m.products().PackedLen(m.depth(d.ffn), d.dim)], s.down.of(m.params), d.ffn, d.dim)
	m.byBlocks(end-first, func(from, to int, k *worker) {
		from, to = from+first, to+first
		m.multiply(from, to, rowsOf{x.x, d.dim}, d.dim, gateUp, 2*d.ffn, rowsOf{x.gateUp, d.gateRow}, false, k)
		for r := from; r < to; r++ {
			gu := x.gateUp[r*d.gateRow : r*d.gateRow+2*d.ffn]
			m.set.SwiGLU(x.act[r*d.actRow:r*d.actRow+d.ffn], gu[:d.ffn], gu[d.ffn:])
		}
		m.multiply(from, to, rowsOf{x.act, d.actRow}, d.ffn, down, d.dim, rowsOf{x.out, d.dim}, false, k)
	})
}

// mixBack sets a.dh to the gradient of l.h2, from a.dx, and fills the gradients
// of the experts and their router.
func (m *model) mixBack(a *activations, l *layerActivations, s *layerSpans) {
	d, x := m.dims, l.mixture
	m.byBlocks(a.rows, func(from, to int, _ *worker) {
		for i := from; i < to; i++ {
			dx := a.dx[i*d.dim : (i+1)*d.dim]
			for j := i * d.perToken; j < (i+1)*d.perToken; j++ {
				out := x.out[int(x.at[j])*d.dim : (int(x.at[j])+1)*d.dim]
				x.dweight[j] = m.set.Dot(dx, out)
				copy(out, dx) // which is not needed again
				m.set.Scale(out, x.weight[j])
			}
		}
	})
	for e := range s.experts {
		m.expertBack(a, x, &s.experts[e], x.from[e], x.from[e+1])
	}
	m.routerBack(a, x)
	m.weightGrad(d.experts, d.dim, a.rows, x.dlogits, d.experts, l.h2, s.router)
	router := m.arranged(s.router.of(m.params), d.experts, d.dim)
	m.byBlocks(a.rows, func(from, to int, k *worker) {
		m.multiply(from, to, rowsOf{x.dlogits, d.experts}, d.experts, router, d.dim, rowsOf{a.dh, d.dim}, false, k)
		for i := from; i < to; i++ {
			row := a.dh[i*d.dim : (i+1)*d.dim]
			for j := i * d.perToken; j < (i+1)*d.perToken; j++ {
				m.set.Combine(row, 1, row, 1, x.out[int(x.at[j])*d.dim:(int(x.at[j])+1)*d.dim])
			}
		}
	})
}

// expertBack takes the gradients of an expert's outputs, in x.out, and leaves
// those of its inputs there.
func (m *model) expertBack(a *activations, x *mixture, s *expertSpans, first, end int) {
	if first == end { // nobody came
		if m.fresh {
			clear(s.gateUp.of(m.grads))
			clear(s.down.of(m.grads))
		}
		return
	}
	d, n := m.dims, end-first
	m.addWeightGrad(d.dim, d.ffn, n, x.out[first*d.dim:], d.dim, rowsOf{x.act[first*d.actRow:], d.actRow}, s.down, !m.fresh)
	var down, gateUp kernel.Right
	m.arrange(m.backBuffer(), []backMatrix{{&down, s.down.of(m.params), d.dim, d.ffn}, {&gateUp, s.gateUp.of(m.params), 2 * d.ffn, d.dim}})
	m.byBlocks(n, func(from, to int, k *worker) {
		from, to = from+first, to+first
		m.multiply(from, to, rowsOf{x.out, d.dim}, d.dim, down, d.ffn, rowsOf{a.dact, d.actRow}, false, k)
		for r := from; r < to; r++ {
			gu, dgu := x.gateUp[r*d.gateRow:r*d.gateRow+2*d.ffn], a.dgateUp[r*d.gateRow:r*d.gateRow+2*d.ffn]
			m.set.SwiGLUGrad(dgu[:d.ffn], dgu[d.ffn:], a.dact[r*d.actRow:r*d.actRow+d.ffn], gu[:d.ffn], gu[d.ffn:])
		}
		m.multiply(from, to, rowsOf{a.dgateUp, d.gateRow}, 2*d.ffn, gateUp, d.dim, rowsOf{x.out, d.dim}, false, k)
	})
	m.weightGrad(2*d.ffn, d.dim, n, a.dgateUp[first*d.gateRow:], d.gateRow, x.x[first*d.dim:], s.gateUp)
}

// routerBack sets the gradients of the router's logits: what comes through the
// weights of the chosen experts, and the pull towards even use.
func (m *model) routerBack(a *activations, x *mixture) {
	d := m.dims
	used := make([]float32, d.experts) // fraction of the assignments
	for e := range used {
		used[e] = float32(x.from[e+1]-x.from[e]) / float32(a.rows*d.perToken)
	}
	pull := float32(m.shape.Balance*float32(d.experts)) * a.pull / float32(a.rows)
	m.byBlocks(a.rows, func(from, to int, _ *worker) {
		for i := from; i < to; i++ {
			dl := x.dlogits[i*d.experts : (i+1)*d.experts]
			clear(dl)
			if pull > 0 {
				m.balance(dl, x.logits[i*d.experts:(i+1)*d.experts], used, pull)
			}
			var mean float32
			for j := i * d.perToken; j < (i+1)*d.perToken; j++ {
				mean += float32(x.weight[j] * x.dweight[j])
			}
			for j := i * d.perToken; j < (i+1)*d.perToken; j++ {
				dl[x.chosen[j]] += float32(x.weight[j] * (x.dweight[j] - mean))
			}
		}
	})
}

// balance sets dl to the gradient of pull times the sum over experts of used and
// the row's softmax over all of them.
func (m *model) balance(dl, logits, used []float32, pull float32) {
	top := m.set.Max(logits)
	copy(dl, logits)
	sum := m.set.ExpSum(dl, 1, top)
	m.set.Scale(dl, 1/sum)
	mean := m.set.Dot(dl, used)
	for e := range dl {
		dl[e] = float32(float32(pull*dl[e]) * (used[e] - mean))
	}
}

// balanceLoss is what the last forward pass adds to the mean loss for uneven use
// of experts, for tests.
func (m *model) balanceLoss(a *activations) float64 {
	var sum float64
	for i := range a.layers {
		x := a.layers[i].mixture
		if x == nil {
			continue
		}
		for e := range m.dims.experts {
			used := float64(x.from[e+1]-x.from[e]) / float64(a.rows*m.dims.perToken)
			var mean float64
			for r := range a.rows {
				row := append([]float32(nil), x.logits[r*m.dims.experts:(r+1)*m.dims.experts]...)
				total := m.set.ExpSum(row, 1, m.set.Max(row))
				mean += float64(row[e]) / float64(total) / float64(a.rows)
			}
			sum += used * mean
		}
	}
	return float64(m.shape.Balance) * float64(m.dims.experts) * sum
}

// mixed is what decoding needs for a layer of experts: one expert's inputs, and
// the outputs of all assignments.
type mixed struct {
	routes
	logits, x, out []float32
}

func newMixed(rows int, d dims) *mixed {
	return &mixed{routes: newRoutes(rows, d), logits: make([]float32, rows*d.experts), x: make([]float32, rows*d.dim), out: make([]float32, rows*d.perToken*d.dim)}
}

// gather copies the rows of h that go to an expert into x. It returns the number
// of the first assignment and how many there are.
func (e *mixed) gather(expert int, h []float32, dim int) (first, rows int) {
	first, rows = e.from[expert], e.from[expert+1]-e.from[expert]
	for r := range rows {
		copy(e.x[r*dim:(r+1)*dim], h[int(e.rowOf[first+r])*dim:])
	}
	return first, rows
}

// scatter adds the outputs, weighed, to n rows of x.
func (e *mixed) scatter(set *kernel.Set, n int, d dims, x []float32) {
	for i := range n {
		row := x[i*d.dim : (i+1)*d.dim]
		for j := i * d.perToken; j < (i+1)*d.perToken; j++ {
			set.Combine(row, 1, row, e.weight[j], e.out[int(e.at[j])*d.dim:(int(e.at[j])+1)*d.dim])
		}
	}
}

// clear overwrites what is left of the text.
func (e *mixed) clear() {
	if e == nil {
		return
	}
	for _, s := range [][]float32{e.logits, e.x, e.out, e.weight} {
		clear(s)
	}
	clear(e.chosen)
}
