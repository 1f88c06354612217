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
type layerSpans struct {
	qkv, out, gateUp, down, attentionNorm, feedNorm span
	bias, outBias, gateUpBias, downBias             span // empty where the shape has none

	router  span // of a mixture, which has experts in place of gateUp and down
	experts []expertSpans
}

type expertSpans struct{ gateUp, down span }

type layout struct {
	embed, norm, head span
	layers            []layerSpans
}

func newLayout(s engine.Shape) layout {
	t := s.Tensors()
	take := func(n int) span { // the next n tensors
		of := span{t[0].Offset, t[n-1].Offset + t[n-1].Len}
		t = t[n:]
		return of
	}
	l := layout{embed: take(1)}
	for range s.Layers {
		var layer layerSpans
		layer.qkv, layer.out = take(3), take(1)
		if s.Experts == 0 {
			layer.gateUp, layer.down = take(2), take(1)
		} else {
			layer.router = take(1)
		}
		for range s.Experts {
			layer.experts = append(layer.experts, expertSpans{gateUp: take(2), down: take(1)})
		}
		layer.attentionNorm, layer.feedNorm = take(1), take(1)
		if s.QKVBias {
			layer.bias = take(3)
		}
		if s.OutBias {
			layer.outBias = take(1)
		}
		if s.FFNBias {
			layer.gateUpBias, layer.downBias = take(2), take(1)
		}
		l.layers = append(l.layers, layer)
	}
	l.norm, l.head = take(1), l.embed
	if !s.Tied {
		l.head = take(1)
	}
	return l
}

// dims are the widths that follow from a shape.
type dims struct {
	vocab, dim, heads, kvHeads, group, head, kv, qkv, ffn int
	experts, perToken                                     int     // 0: a plain model
	actRow, gateRow                                       int     // how far apart rows of the feed-forward's activations are
	scale                                                 float32 // of attention scores
	eps                                                   float32
}

func newDims(s engine.Shape) dims {
	d := dims{vocab: s.Vocab, dim: s.Dim, heads: s.Heads, kvHeads: s.KVHeads, group: s.Heads / s.KVHeads,
		head: s.HeadDim(), kv: s.KVHeads * s.HeadDim(), ffn: s.FFN, eps: s.NormEps, experts: s.Experts, perToken: s.ExpertsPerToken}
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
	pending              int       // targets whose gradients wait for Update
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
	m.packed = make([]float32, max(layer, set.PackedLen(d.dim, d.vocab), set.PackedLen(d.dim, max(1, d.experts))))
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
