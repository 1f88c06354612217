package native

import "github.com/crescendo-network/crescendo/engine/internal/kernel"

// Under profile bf16 the factors of every product with a weight matrix, and of
// every gradient of one, are rounded to bfloat16 and multiplied in pairs. All
// else, attention, norms, loss, optimizer and the parameters themselves, is that
// of profile R0. A session computes under R0 whatever the model trains under.
type half struct {
	set          *kernel.Set
	dy, x        []float32 // the factors of a weight gradient, woven
	layer, embed []float32 // matrices that gradients are sent back through
}

// products is the set that multiplies by matrices, and depth the number of its
// elements that n elements of theirs take.
func (m *model) products() *kernel.Set {
	if m.half != nil {
		return m.half.set
	}
	return m.set
}

func (m *model) depth(n int) int {
	if m.half != nil {
		return (n + 1) / 2
	}
	return n
}

// packPanels transposes some panels of a matrix of out rows of in elements.
func (m *model) packPanels(to, w []float32, in, out, from, until int, k *worker) {
	if m.half == nil {
		m.set.Pack(to, w, in, in, out, from, until)
		return
	}
	set, n := m.half.set, m.depth(in)
	width, row := set.PackedLen(1, 1), apart(n)
	for j := from; j < until; j++ {
		count := min(width, out-j*width)
		rows := grow(&k.half, count*row)
		for r := range count {
			set.Pairs(rows[r*row:r*row+n], w[(j*width+r)*in:(j*width+r+1)*in])
		}
		set.Pack(to[j*width*n:(j+1)*width*n], rows, row, n, count, 0, 1)
	}
}

// A backMatrix is one that gradients are sent back through: out rows of in elements.
type backMatrix struct {
	to      *kernel.Right
	w       []float32
	out, in int
}

// backLayer makes the matrices of one layer ready for that.
func (m *model) backLayer(s *layerSpans) layerWeights {
	d, w := m.dims, m.params
	var back layerWeights
	m.arrange(m.backBuffer(), []backMatrix{{&back.qkv, s.qkv.of(w), d.qkv, d.dim}, {&back.out, s.out.of(w), d.dim, d.dim},
		{&back.gateUp, s.gateUp.of(w), 2 * d.ffn, d.dim}, {&back.down, s.down.of(w), d.dim, d.ffn}})
	return back
}

func (m *model) backBuffer() *[]float32 {
	if m.half != nil {
		return &m.half.layer
	}
	return &m.packed // the forward pass is done with it
}

// arranged is one matrix made ready, until the next or backLayer.
func (m *model) arranged(w []float32, rows, columns int) (back kernel.Right) {
	m.arrange(m.backBuffer(), []backMatrix{{&back, w, rows, columns}})
	return back
}

// backHead makes the output projection ready.
func (m *model) backHead(w []float32) (back kernel.Right) {
	if m.half == nil {
		return kernel.Right{Data: w, Row: m.dims.dim}
	}
	m.arrange(&m.half.embed, []backMatrix{{&back, w, m.dims.vocab, m.dims.dim}})
	return back
}

// arrange brings the rows of matrices together, once for all of a batch, unless
// they can be read as they are: under R0, if their rows are close.
func (m *model) arrange(buffer *[]float32, list []backMatrix) {
	set, total, panels := m.products(), 0, 0
	var far []backMatrix
	for _, b := range list {
		if len(b.w) == 0 {
			continue
		}
		if m.half == nil && b.in <= kernel.FarRow {
			*b.to = kernel.Right{Data: b.w, Row: b.in}
			continue
		}
		far, total, panels = append(far, b), total+set.PackedLen(m.depth(b.out), b.in), panels+set.Panels(b.in)
	}
	data := grow(buffer, max(total, len(*buffer)))
	for _, b := range far {
		n := set.PackedLen(m.depth(b.out), b.in)
		*b.to, data = kernel.Right{Data: data[:n], Packed: true}, data[n:]
	}
	m.work.split(panels, 1, func(from, until int, _ *worker) {
		for _, b := range far {
			n := set.Panels(b.in)
			for j := max(0, from); j < min(n, until); j++ {
				m.arrangePanel(b, j)
			}
			from, until = from-n, until-n
		}
	})
}

func (m *model) arrangePanel(b backMatrix, j int) {
	set, n := m.products(), m.depth(b.out)
	width := set.PackedLen(1, 1)
	first, count, panel := j*width, min(width, b.in-j*width), b.to.Data[j*width*n:(j+1)*width*n]
	if m.half == nil {
		set.Arrange(panel, b.w[first:], b.in, b.out, count)
		return
	}
	for p := range n {
		to := panel[p*width : (p+1)*width]
		low, high := b.w[2*p*b.in+first:][:count], []float32(nil)
		if 2*p+1 < b.out {
			high = b.w[(2*p+1)*b.in+first:][:count]
		}
		set.Weave(to[:count], low, high)
		clear(to[count:])
	}
}

// multiply is model.multiply of rounded factors.
func (h *half) multiply(from, to int, x rowsOf, in int, w kernel.Right, out int, y rowsOf, add bool, k *worker) {
	n := (in + 1) / 2
	row := apart(n)
	for ; from < to; from += blockRows {
		rows := min(blockRows, to-from)
		left := grow(&k.half, rows*row)
		for r := range rows {
			h.set.Pairs(left[r*row:r*row+n], x.data[(from+r)*x.row:(from+r)*x.row+in])
		}
		h.set.Multiply(rows, out, n, kernel.Left{Data: left, Row: row, Step: 1}, w, y.data[from*y.row:], y.row, add, &k.Scratch)
	}
}

// weightGrad is model.addWeightGrad of rounded factors; tokens are paired in order.
func (h *half) weightGrad(work *workers, out, in, rows int, dy, x rowsOf, dw []float32, add bool) {
	n, rowY, rowX := (rows+1)/2, apart(out), apart(in)
	wovenY, wovenX := grow(&h.dy, n*rowY), grow(&h.x, n*rowX)
	work.split(n, 8, func(from, to int, _ *worker) {
		for p := from; p < to; p++ {
			h.weaveRows(wovenY[p*rowY:p*rowY+out], dy, p, rows)
			h.weaveRows(wovenX[p*rowX:p*rowX+in], x, p, rows)
		}
	})
	work.split(out, tileRows, func(from, to int, k *worker) {
		h.set.Multiply(to-from, in, n, kernel.Left{Data: wovenY[from:], Row: 1, Step: rowY},
			kernel.Right{Data: wovenX, Row: rowX}, dw[from*in:], in, add, &k.Scratch)
	})
}

// weaveRows makes rows 2p and 2p+1 of x, which has that many, into one of pairs.
func (h *half) weaveRows(to []float32, x rowsOf, p, rows int) {
	low, high := x.data[2*p*x.row:][:len(to)], []float32(nil)
	if 2*p+1 < rows {
		high = x.data[(2*p+1)*x.row:][:len(to)]
	}
	h.set.Weave(to, low, high)
}
