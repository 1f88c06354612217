// Package growth makes the first parameters of a larger model out of a smaller one
// that has been trained, so that the larger one begins where the smaller one
// stopped: it computes the same function.
//
// Width grows by whole copies. The residual stream of a model r times as wide is r
// copies of the old one, which leaves the mean square, and so RMSNorm, as it was;
// a matrix that reads copies is divided by their number. Heads are copied whole,
// so that the rotary embedding stays, and may be shared out among more keys; feed-forward units need not be copied evenly.
// Exact copies would get equal gradients and never part, so noise is added to the
// matrices that read copies, and what one copy gets is taken from the others: the
// sum, which is all the old function sees, stays. (Du and others 2024, Samragh and
// others 2024.)
// An output that was the embedding may become a matrix of its own.
// A shorter context changes nothing for the texts that still fit.
//
// A feed-forward may become a mixture of experts, each of which starts as that
// feed-forward: whatever the router says, its weights of a token add up to one, and
// so do equal experts (Komatsuzaki and others 2022). The router is drawn like a
// fresh one, so that experts see different tokens and part ways.
//
// Depth grows by layers that pass the residual stream on: each is a copy of the layer
// before it with the two matrices that write to the stream set to zero.
//
// The result depends on its arguments alone, to the bit. The package trains
// nothing, keeps no optimizer state (it should be fresh after growth) and does not
// change vocabularies or the width of a head.
package growth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// ErrShape means that one model cannot grow into the other.
var ErrShape = errors.New("model cannot grow into this shape")

// DefaultNoise is ten decibels below the weights, as others found good; it did better
// than none: see docs/experiments.md.
const DefaultNoise = 300

// MaxNoise bounds Grow's noise: as large as the weights themselves.
const MaxNoise = 1000

// Check reports the first reason why a model of one shape cannot grow into the
// other.
func Check(from, to engine.Shape) error {
	for _, s := range []engine.Shape{from, to} {
		if err := s.Validate(); err != nil {
			return fmt.Errorf("grow: %w: %w", ErrShape, err)
		}
	}
	switch {
	case to.Dim%from.Dim != 0:
		return fmt.Errorf("grow: %w: width %d is no multiple of %d", ErrShape, to.Dim, from.Dim)
	case to.HeadDim() != from.HeadDim():
		return fmt.Errorf("grow: %w: heads of width %d cannot become %d wide; change their number with the width", ErrShape, from.HeadDim(), to.HeadDim())
	case to.KVHeads%from.KVHeads != 0:
		return fmt.Errorf("grow: %w: %d key-value heads are no multiple of %d", ErrShape, to.KVHeads, from.KVHeads)
	case to.FFN < from.FFN:
		return fmt.Errorf("grow: %w: feed-forward width %d is below %d", ErrShape, to.FFN, from.FFN)
	case to.Layers < from.Layers:
		return fmt.Errorf("grow: %w: %d layers are fewer than %d", ErrShape, to.Layers, from.Layers)
	case to.Tied && !from.Tied:
		return fmt.Errorf("grow: %w: an output of its own cannot become the embedding", ErrShape)
	case from.Experts > 0 && (to.Experts != from.Experts || to.ExpertsPerToken != from.ExpertsPerToken):
		return fmt.Errorf("grow: %w: %d experts, %d a token, cannot become %d, %d a token", ErrShape, from.Experts, from.ExpertsPerToken, to.Experts, to.ExpertsPerToken)
	}
	// All that is left must be equal, whatever fields a shape has or may yet get.
	rest := to
	rest.Dim, rest.Heads, rest.KVHeads, rest.FFN, rest.Layers, rest.Context = from.Dim, from.Heads, from.KVHeads, from.FFN, from.Layers, from.Context
	rest.Tied = from.Tied
	rest.Experts, rest.ExpertsPerToken, rest.Balance = from.Experts, from.ExpertsPerToken, from.Balance
	if rest != from {
		return fmt.Errorf("grow: %w: vocabulary, norms, biases and rotary embedding must be as they were", ErrShape)
	}
	return nil
}

// Grow returns the parameters of the larger model. Noise is in thousandths of the
// root mean square of the weights it is added to, from 0 to MaxNoise; the seed
// chooses it.
func Grow(from engine.Shape, params []float32, to engine.Shape, seed uint64, noise int) ([]float32, error) {
	if err := Check(from, to); err != nil {
		return nil, err
	}
	if len(params) != from.Parameters() {
		return nil, fmt.Errorf("grow: %d parameters, the shape has %d", len(params), from.Parameters())
	}
	if noise < 0 || noise > MaxNoise {
		return nil, fmt.Errorf("grow: noise is %d, want 0 to %d", noise, MaxNoise)
	}
	g := newPlan(from, to, noise)
	old := map[string]engine.Tensor{}
	for _, t := range from.Tensors() {
		old[t.Name] = t
	}
	out := make([]float32, to.Parameters())
	for i, t := range to.Tensors() {
		w := out[t.Offset : t.Offset+t.Len]
		kind := kindOf(t.Name)
		rng := engine.NewSplitMix(seed ^ uint64(i+1)*0x9e3779b97f4a7c15)
		if g.mixed && kind == router {
			draw(w, rng)
			continue
		}
		source, identity := g.source(t.Name)
		src, ok := old[source]
		if !ok {
			return nil, fmt.Errorf("grow: %w: no tensor %q to grow %q from", ErrShape, source, t.Name)
		}
		if identity && writes[kind] {
			continue // zero: the layer adds nothing yet
		}
		if err := g.fill(kind, w, params[src.Offset:src.Offset+src.Len], rng); err != nil {
			return nil, err
		}
	}
	if !r0.Finite(out) {
		return nil, fmt.Errorf("grow: %w", engine.ErrNotFinite)
	}
	return out, nil
}

// writes are the kinds of tensors that write to the residual stream.
var writes = map[string]bool{
	"self_attn.o_proj.weight": true, "self_attn.o_proj.bias": true, "mlp.down_proj.weight": true, "mlp.down_proj.bias": true,
	experts + "w2.weight": true,
}

// Kinds of tensors that mixtures have.
const (
	router  = "block_sparse_moe.gate.weight"
	experts = "block_sparse_moe.experts."
)

// expertOf is the kind of a plain model that an expert's is a copy of.
var expertOf = map[string]string{
	experts + "w1.weight": "mlp.gate_proj.weight", experts + "w3.weight": "mlp.up_proj.weight", experts + "w2.weight": "mlp.down_proj.weight",
}

// draw fills a router as a fresh model's is: with the same deviation.
func draw(w []float32, rng *engine.SplitMix) {
	const range2 = 0.02 * 3.4641016151377544
	for i := range w {
		w[i] = float32(range2 * float64(rng.Float64()-0.5))
	}
}

// kindOf is a tensor's name without the numbers of its layer and expert.
func kindOf(name string) string {
	rest, layer := strings.CutPrefix(name, "model.layers.")
	if !layer {
		return name
	}
	_, rest, _ = strings.Cut(rest, ".")
	if expert, ok := strings.CutPrefix(rest, experts); ok {
		_, rest, _ = strings.Cut(expert, ".")
		return experts + rest
	}
	return rest
}
