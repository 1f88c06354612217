package native

// layerActivations are what a layer's forward pass leaves for its backward pass,
// one row for each token.
type layerActivations struct {
	x, h1, qkv, y, x2, h2, gateUp, act []float32
	r1, r2                             []float32 // reciprocal norms
	mixture                            *mixture  // of a layer of experts, which has no gateUp and act
	attention                          []float32 // per sequence and head: seq rows of stride elements; nil if long
}

// activations belong to a batch of one size.
type activations struct {
	batch, seq, rows int
	stride           int // of attention rows: seq rounded up to whole blocks
	layers           []layerActivations
	last, hidden, r  []float32 // final residual stream, its norm and reciprocal norm
	logits           []float32 // of headRows tokens
	losses           []float64
	inputs, targets  []int32
	mask             []bool  // targets that count; nil: all
	share            float32 // of each in the loss that gradients are of
	pull             float32 // of even use of experts, against that

	dx, dh, dqkv, dy, dact, dgateUp []float32
}

// prepare returns buffers for a batch, reusing the last ones if they are of the
// same size. Their content is left over.
func (m *model) prepare(batch, seq int, training bool) *activations {
	a := m.acts
	if a == nil || a.batch != batch || a.seq != seq {
		a = m.newActivations(batch, seq)
		m.acts = a
	}
	if training && a.dx == nil {
		d, n := m.dims, a.rows
		f := func(width int) []float32 { return make([]float32, n*width) }
		a.dx, a.dh, a.dqkv, a.dy = f(d.dim), f(d.dim), f(d.qkv), f(d.dim)
		a.dact, a.dgateUp = f(d.actRow*max(1, d.perToken)), f(d.gateRow*max(1, d.perToken))
	}
	m.rotary.grow(seq)
	return a
}

func (m *model) newActivations(batch, seq int) *activations {
	d, n := m.dims, batch*seq
	a := &activations{batch: batch, seq: seq, rows: n, stride: (seq + 15) &^ 15}
	f := func(width int) []float32 { return make([]float32, n*width) }
	for range m.layout.layers {
		a.layers = append(a.layers, layerActivations{
			x: f(d.dim), h1: f(d.dim), qkv: f(d.qkv), y: f(d.dim), x2: f(d.dim), h2: f(d.dim), r1: f(1), r2: f(1),
		})
		if l := &a.layers[len(a.layers)-1]; d.experts > 0 {
			l.mixture = newMixture(n, d)
		} else {
			l.gateUp, l.act = f(d.gateRow), f(d.actRow)
		}
		if seq <= m.keep {
			a.layers[len(a.layers)-1].attention = f(d.heads * a.stride)
		}
	}
	a.last, a.hidden, a.r = f(d.dim), f(d.dim), f(1)
	a.logits = make([]float32, m.headRows(a)*m.logitStride())
	a.losses = make([]float64, n)
	a.inputs, a.targets = make([]int32, n), make([]int32, n)
	return a
}

// load separates inputs from targets, of which those with the mask count.
func (a *activations) load(tokens []int32, mask []bool) {
	a.mask = mask
	for b := range a.batch {
		row := tokens[b*(a.seq+1) : (b+1)*(a.seq+1)]
		copy(a.inputs[b*a.seq:], row[:a.seq])
		copy(a.targets[b*a.seq:(b+1)*a.seq], row[1:])
	}
}
