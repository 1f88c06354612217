package engine

import (
	"errors"
	"fmt"
)

// ErrBadShape means that a shape describes no model this package can lay out.
var ErrBadShape = errors.New("bad model shape")

// Bounds on the fields of a Shape. They are far above any model in use and keep
// every product of them inside an int64.
const (
	MaxVocab   = 1 << 21
	MaxDim     = 1 << 17
	MaxLayers  = 1 << 10
	MaxHeads   = 1 << 10
	MaxFFN     = 1 << 20
	MaxContext = 1 << 22
)

// A Shape is a Llama-family network: RMSNorm before each block, rotary position
// embedding, grouped-query attention and a SwiGLU feed-forward.
type Shape struct {
	Vocab     int     `json:"vocab"`
	Dim       int     `json:"dim"`
	Layers    int     `json:"layers"`
	Heads     int     `json:"heads"`
	KVHeads   int     `json:"kv_heads"`
	FFN       int     `json:"ffn"`
	Context   int     `json:"context"`
	Tied      bool    `json:"tied"` // the output projection is the embedding
	RopeTheta float32 `json:"rope_theta"`
	NormEps   float32 `json:"norm_eps"`

	// The zero values of what follows are the plain model.
	QKVBias     bool        `json:"qkv_bias,omitempty"` // biases on queries, keys and values
	RopeScaling RopeScaling `json:"rope_scaling,omitzero"`
}

// A Tensor is one named window of the flat parameter vector.
type Tensor struct {
	Name   string // as in Hugging Face's LlamaForCausalLM
	Dims   []int  // row-major; matrices are [out, in]
	Offset int    // first element in the flat vector
	Len    int
	Matrix bool // a matrix inside a layer, which Muon updates; false for embeddings, norms and biases
}

// HeadDim is the width of one attention head.
func (s Shape) HeadDim() int { return s.Dim / max(1, s.Heads) }

// Validate reports the first reason why the shape cannot be laid out.
func (s Shape) Validate() error {
	bounds := []struct {
		name       string
		value, max int
	}{
		{"vocab", s.Vocab, MaxVocab}, {"dim", s.Dim, MaxDim}, {"layers", s.Layers, MaxLayers},
		{"heads", s.Heads, MaxHeads}, {"kv_heads", s.KVHeads, MaxHeads}, {"ffn", s.FFN, MaxFFN},
		{"context", s.Context, MaxContext},
	}
	for _, b := range bounds {
		if b.value < 1 || b.value > b.max {
			return fmt.Errorf("%w: %s is %d, want 1 to %d", ErrBadShape, b.name, b.value, b.max)
		}
	}
	switch {
	case s.Vocab < 2:
		return fmt.Errorf("%w: vocab is %d, want at least 2", ErrBadShape, s.Vocab)
	case s.Dim%s.Heads != 0 || s.HeadDim()%2 != 0:
		return fmt.Errorf("%w: dim %d over %d heads gives no even head width", ErrBadShape, s.Dim, s.Heads)
	case s.Heads%s.KVHeads != 0:
		return fmt.Errorf("%w: %d heads cannot share %d key-value heads", ErrBadShape, s.Heads, s.KVHeads)
	case !(s.RopeTheta >= 1 && s.RopeTheta <= 1e9):
		return fmt.Errorf("%w: rope_theta is %v, want 1 to 1e9", ErrBadShape, s.RopeTheta)
	case !(s.NormEps >= 1e-12 && s.NormEps <= 1):
		return fmt.Errorf("%w: norm_eps is %v, want 1e-12 to 1", ErrBadShape, s.NormEps)
	}
	return s.RopeScaling.validate()
}

// Parameters is the exact number of parameters, 0 for a shape that is not valid.
func (s Shape) Parameters() int {
	if s.Validate() != nil {
		return 0
	}
	q, kv := s.Dim, s.KVHeads*s.HeadDim()
	layer := s.Dim*(2*q+2*kv) + 3*s.FFN*s.Dim + 2*s.Dim
	if s.QKVBias {
		layer += q + 2*kv
	}
	n := s.Vocab*s.Dim + s.Layers*layer + s.Dim
	if !s.Tied {
		n += s.Vocab * s.Dim
	}
	return n
}

// Tensors lists the parameters in canonical order, which is the order of a
// PyTorch LlamaForCausalLM: embedding, layers, final norm, output projection;
// only the biases, if there are any, come at the end of their layer.
// It is empty for a shape that is not valid.
func (s Shape) Tensors() []Tensor {
	if s.Validate() != nil {
		return nil
	}
	var list []Tensor
	offset := 0
	add := func(name string, matrix bool, dims ...int) {
		n := 1
		for _, d := range dims {
			n *= d
		}
		list = append(list, Tensor{Name: name, Dims: dims, Offset: offset, Len: n, Matrix: matrix})
		offset += n
	}
	kv := s.KVHeads * s.HeadDim()
	add("model.embed_tokens.weight", false, s.Vocab, s.Dim)
	for i := range s.Layers {
		p := fmt.Sprintf("model.layers.%d.", i)
		add(p+"self_attn.q_proj.weight", true, s.Dim, s.Dim)
		add(p+"self_attn.k_proj.weight", true, kv, s.Dim)
		add(p+"self_attn.v_proj.weight", true, kv, s.Dim)
		add(p+"self_attn.o_proj.weight", true, s.Dim, s.Dim)
		add(p+"mlp.gate_proj.weight", true, s.FFN, s.Dim)
		add(p+"mlp.up_proj.weight", true, s.FFN, s.Dim)
		add(p+"mlp.down_proj.weight", true, s.Dim, s.FFN)
		add(p+"input_layernorm.weight", false, s.Dim)
		add(p+"post_attention_layernorm.weight", false, s.Dim)
		if s.QKVBias {
			add(p+"self_attn.q_proj.bias", false, s.Dim)
			add(p+"self_attn.k_proj.bias", false, kv)
			add(p+"self_attn.v_proj.bias", false, kv)
		}
	}
	add("model.norm.weight", false, s.Dim)
	if !s.Tied {
		add("lm_head.weight", false, s.Vocab, s.Dim)
	}
	return list
}
