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
	MaxExperts = 1 << 10
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
	OutBias     bool        `json:"out_bias,omitempty"` // a bias on what attention adds
	FFNBias     bool        `json:"ffn_bias,omitempty"` // biases on the three matrices of the feed-forward
	RopeScaling RopeScaling `json:"rope_scaling,omitzero"`

	// A mixture of experts: each layer has Experts feed-forwards, and a router
	// sends every token to ExpertsPerToken of them, by the softmax over those
	// (Jiang et al. 2024, Mixtral). No token is dropped. Balance is the
	// coefficient of the loss that keeps the experts evenly used (Fedus et al.
	// 2021, equation 4); it is trained on but not reported.
	Experts         int     `json:"experts,omitempty"`
	ExpertsPerToken int     `json:"experts_per_token,omitempty"`
	Balance         float32 `json:"balance,omitempty"`
}

// A Tensor is one named window of the flat parameter vector.
type Tensor struct {
	Name   string // as in Hugging Face's LlamaForCausalLM
	Dims   []int  // row-major; matrices are [out, in]
	Offset int    // first element in the flat vector
	Len    int
	Matrix bool // a matrix inside a layer, which Muon updates; false for embeddings, norms, biases and routers
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
	if err := s.validateExperts(); err != nil {
		return err
	}
	return s.RopeScaling.validate()
}

func (s Shape) validateExperts() error {
	switch {
	case s.Experts == 0 && (s.ExpertsPerToken != 0 || s.Balance != 0):
		return fmt.Errorf("%w: experts_per_token and balance are for a mixture of experts", ErrBadShape)
	case s.Experts == 0:
		return nil
	case s.Experts < 2 || s.Experts > MaxExperts:
		return fmt.Errorf("%w: experts is %d, want 2 to %d, or 0 for a plain model", ErrBadShape, s.Experts, MaxExperts)
	case s.ExpertsPerToken < 1 || s.ExpertsPerToken > s.Experts:
		return fmt.Errorf("%w: experts_per_token is %d, want 1 to %d", ErrBadShape, s.ExpertsPerToken, s.Experts)
	case !(s.Balance >= 0 && s.Balance <= 1):
		return fmt.Errorf("%w: balance is %v, want 0 to 1", ErrBadShape, s.Balance)
	case s.FFNBias:
		return fmt.Errorf("%w: experts have no biases", ErrBadShape)
	}
	return nil
}

// Parameters is the exact number of parameters, 0 for a shape that is not valid.
func (s Shape) Parameters() int { return s.parameters(s.Experts) }

// ActiveParameters is how many of them one token uses: all, unless the shape is
// a mixture of experts.
func (s Shape) ActiveParameters() int { return s.parameters(s.ExpertsPerToken) }

// parameters counts so many experts a layer.
func (s Shape) parameters(experts int) int {
	if s.Validate() != nil {
		return 0
	}
	q, kv, feed := s.Dim, s.KVHeads*s.HeadDim(), 3*s.FFN*s.Dim
	layer := s.Dim*(2*q+2*kv) + 2*s.Dim
	if s.Experts > 0 {
		feed = experts*feed + s.Experts*s.Dim
	}
	layer += feed
	if s.QKVBias {
		layer += q + 2*kv
	}
	if s.OutBias {
		layer += s.Dim
	}
	if s.FFNBias {
		layer += 2*s.FFN + s.Dim
	}
	n := s.Vocab*s.Dim + s.Layers*layer + s.Dim
	if !s.Tied {
		n += s.Vocab * s.Dim
	}
	return n
}

// Tensors lists the parameters in canonical order, which is the order of a
// PyTorch LlamaForCausalLM: embedding, layers, final norm, output projection;
// only the biases, if there are any, come at the end of their layer. Experts are
// named and ordered as in MixtralForCausalLM, but each one's w3 (up) follows its
// w1 (gate).
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
		if s.Experts == 0 {
			add(p+"mlp.gate_proj.weight", true, s.FFN, s.Dim)
			add(p+"mlp.up_proj.weight", true, s.FFN, s.Dim)
			add(p+"mlp.down_proj.weight", true, s.Dim, s.FFN)
		} else {
			add(p+"block_sparse_moe.gate.weight", false, s.Experts, s.Dim)
		}
		for e := range s.Experts {
			expert := fmt.Sprintf("%sblock_sparse_moe.experts.%d.", p, e)
			add(expert+"w1.weight", true, s.FFN, s.Dim)
			add(expert+"w3.weight", true, s.FFN, s.Dim)
			add(expert+"w2.weight", true, s.Dim, s.FFN)
		}
		add(p+"input_layernorm.weight", false, s.Dim)
		add(p+"post_attention_layernorm.weight", false, s.Dim)
		if s.QKVBias {
			add(p+"self_attn.q_proj.bias", false, s.Dim)
			add(p+"self_attn.k_proj.bias", false, kv)
			add(p+"self_attn.v_proj.bias", false, kv)
		}
		if s.OutBias {
			add(p+"self_attn.o_proj.bias", false, s.Dim)
		}
		if s.FFNBias {
			add(p+"mlp.gate_proj.bias", false, s.FFN)
			add(p+"mlp.up_proj.bias", false, s.FFN)
			add(p+"mlp.down_proj.bias", false, s.Dim)
		}
	}
	add("model.norm.weight", false, s.Dim)
	if !s.Tied {
		add("lm_head.weight", false, s.Vocab, s.Dim)
	}
	return list
}
