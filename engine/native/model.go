package native

import (
	"fmt"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// A span is a window of the flat parameter vector.
type span struct{ from, to int }

func (s span) of(v []float32) []float32 { return v[s.from:s.to] }

// layerSpans locates one layer. Tensors that are used together lie together:
// query, key and value are one matrix here, and so are gate and up.
type layerSpans struct{ qkv, out, gateUp, down, attentionNorm, feedNorm, bias span }

type layout struct {
	embed, norm, head span
	layers            []layerSpans
}

func newLayout(s engine.Shape) layout {
	t := s.Tensors()
	join := func(i, n int) span { return span{t[i].Offset, t[i+n-1].Offset + t[i+n-1].Len} }
	l := layout{embed: join(0, 1)}
	perLayer := 9
	if s.QKVBias {
		perLayer = 12
	}
	for i := range s.Layers {
		at := 1 + i*perLayer
		l.layers = append(l.layers, layerSpans{
			qkv: join(at, 3), out: join(at+3, 1), gateUp: join(at+4, 2), down: join(at+6, 1),
			attentionNorm: join(at+7, 1), feedNorm: join(at+8, 1),
		})
		if s.QKVBias {
			l.layers[i].bias = join(at+9, 3)
		}
	}
	at := 1 + s.Layers*perLayer
	l.norm, l.head = join(at, 1), l.embed
	if !s.Tied {
		l.head = join(at+1, 1)
	}
	return l
}

// dims are the widths that follow from a shape.
type dims struct {
	vocab, dim, heads, kvHeads, group, head, kv, qkv, ffn int
	actRow, gateRow                                       int     // how far apart rows of the feed-forward's activations are
	scale                                                 float32 // of attention scores
	eps                                                   float32
}

func newDims(s engine.Shape) dims {
	d := dims{vocab: s.Vocab, dim: s.Dim, heads: s.Heads, kvHeads: s.KVHeads, group: s.Heads / s.KVHeads,
		head: s.HeadDim(), kv: s.KVHeads * s.HeadDim(), ffn: s.FFN, eps: s.NormEps}
	d.qkv = d.dim + 2*d.kv
	d.actRow, d.gateRow = apart(d.ffn), apart(2*d.ffn)
	d.scale = 1 / r0.Sqrt(float32(d.head))
	return d
}

type model struct {
	shape   engine.Shape
	dims    dims
	layout  layout
	tensors []engine.Tensor
	set     *kernel.Set
	work    *workers
	half    *half // nil under profile R0
	rotary  *rotary

	params, grads, state []float32
	packed               []float32 // the matrices in use, transposed for forward products
	fresh                bool      // gradients are to be set, not added to
	keep                 int       // the longest sequence whose attention is kept
	acts                 *activations
	served               *weights // what the last session was opened over
}

func newModel(s engine.Shape, set *kernel.Set, threads int) *model {
	n := s.Parameters()
	m := &model{shape: s, dims: newDims(s), layout: newLayout(s), tensors: s.Tensors(), set: set,
		work: newWorkers(threads), rotary: newRotary(s), params: make([]float32, n), state: make([]float32, 2*n+1), keep: storedSeq}
	d := m.dims
	layer := set.PackedLen(d.dim, d.qkv) + set.PackedLen(d.dim, d.dim) + set.PackedLen(d.dim, 2*d.ffn) + set.PackedLen(d.ffn, d.dim)
	m.packed = make([]float32, max(layer, set.PackedLen(d.dim, d.vocab)))
	return m
}

func (m *model) Shape() engine.Shape { return m.shape }
func (m *model) Params() []float32   { return m.params }

// OptimizerState is first moments (or Muon's momentum), second moments, and the
// number of updates since it was fresh.
func (m *model) OptimizerState() []float32 { return m.state }
func (m *model) ResetOptimizer()           { clear(m.state) }

// maxBatchTokens bounds the memory of one call.
const maxBatchTokens = 1 << 20

// check reports whether the tokens fit the model and the given arrangement.
func (m *model) check(tokens []int32, batch, seq int) error {
	switch {
	case batch < 1 || seq < 1 || batch > maxBatchTokens || seq > m.shape.Context || batch > maxBatchTokens/seq:
		return fmt.Errorf("%w: %d sequences of %d in a context of %d", engine.ErrBadTokens, batch, seq, m.shape.Context)
	case len(tokens) != batch*(seq+1):
		return fmt.Errorf("%w: have %d, want %d sequences of %d", engine.ErrBadTokens, len(tokens), batch, seq+1)
	}
	return checkVocabulary(tokens, m.shape.Vocab)
}

func checkVocabulary(tokens []int32, vocab int) error {
	for i, t := range tokens {
		if t < 0 || int(t) >= vocab {
			return fmt.Errorf("%w: token %d is %d in a vocabulary of %d", engine.ErrBadTokens, i, t, vocab)
		}
	}
	return nil
}

// Step trains on one batch.
func (m *model) Step(tokens []int32, batch, seq int, o engine.Optimizer, step int) (int64, error) {
	if err := o.Validate(); err != nil {
		return 0, fmt.Errorf("train step %d: %w", step, err)
	}
	if err := m.check(tokens, batch, seq); err != nil {
		return 0, fmt.Errorf("train step %d: %w", step, err)
	}
	loss, err := m.gradient(tokens, batch, seq)
	if err == nil {
		err = m.update(o, step)
	}
	if err != nil {
		return 0, fmt.Errorf("train step %d: %w", step, err)
	}
	return loss, nil
}

// gradient fills m.grads with the gradient of the mean loss, which it returns.
func (m *model) gradient(tokens []int32, batch, seq int) (int64, error) {
	if m.grads == nil {
		m.grads = make([]float32, len(m.params))
	}
	m.fresh = true
	if !m.shape.Tied {
		clear(m.layout.embed.of(m.grads)) // all others are set before they are added to
	}
	a := m.prepare(batch, seq, true)
	a.load(tokens)
	m.forward(a)
	m.head(a, true)
	m.backward(a)
	var sum float64
	for _, l := range a.losses {
		sum += l
	}
	return microNats(sum / float64(a.rows))
}

// lossRows is how many tokens Loss works on at once.
const lossRows = 1024

// Loss returns the loss of each sequence.
func (m *model) Loss(tokens []int32, batch, seq int) ([]int64, error) {
	if err := m.check(tokens, batch, seq); err != nil {
		return nil, fmt.Errorf("compute loss: %w", err)
	}
	out := make([]int64, 0, batch)
	chunk := max(1, lossRows/seq)
	for from := 0; from < batch; from += chunk {
		n := min(chunk, batch-from)
		a := m.prepare(n, seq, false)
		a.load(tokens[from*(seq+1) : (from+n)*(seq+1)])
		m.forward(a)
		m.head(a, false)
		for b := range n {
			var sum float64
			for _, l := range a.losses[b*seq : (b+1)*seq] {
				sum += l
			}
			micro, err := microNats(sum)
			if err != nil {
				return nil, fmt.Errorf("compute loss of sequence %d: %w", from+b, err)
			}
			out = append(out, micro)
		}
	}
	return out, nil
}

// microNats rounds a loss, which is never far below zero, half up.
func microNats(nats float64) (int64, error) {
	if !(nats > -1e9 && nats < 1e12) {
		return 0, engine.ErrNotFinite
	}
	micro := float64(nats*1e6) + 0.5
	n := int64(micro)
	if float64(n) > micro {
		n--
	}
	return n, nil
}
