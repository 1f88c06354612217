package gguf

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// A Model is what goes into one file.
type Model struct {
	Name   string // for people
	Shape  engine.Shape
	Params []float32
	Type   Type // of the matrices; norms stay float32

	Vocabulary *Vocabulary // nil for weights only, which need token ids as input
}

// WriteModel writes a model for llama.cpp.
func WriteModel(w io.Writer, m Model) error {
	if err := m.Shape.Validate(); err != nil {
		return fmt.Errorf("write GGUF: %w", err)
	}
	if len(m.Params) != m.Shape.Parameters() {
		return fmt.Errorf("write GGUF: %d parameters, the shape has %d", len(m.Params), m.Shape.Parameters())
	}
	metadata, err := m.metadata()
	if err != nil {
		return fmt.Errorf("write GGUF: %w", err)
	}
	tensors, err := m.tensors()
	if err != nil {
		return fmt.Errorf("write GGUF: %w", err)
	}
	return Write(w, metadata, tensors)
}

// fileTypes are llama.cpp's numbers for what most tensors of a file are.
var fileTypes = map[Type]uint32{F32: 0, F16: 1, Q8: 7}

func (m Model) metadata() ([]Pair, error) {
	s := m.Shape
	fileType, ok := fileTypes[m.Type]
	if !ok {
		return nil, fmt.Errorf("%w: %v", ErrType, m.Type)
	}
	pairs := []Pair{
		{"general.architecture", "llama"},
		{"general.type", "model"},
		{"general.name", m.Name},
		{"general.file_type", fileType},
		{"general.quantization_version", uint32(2)},
		{"general.alignment", uint32(alignment)},
		{"llama.vocab_size", uint32(s.Vocab)},
		{"llama.context_length", uint32(s.Context)},
		{"llama.embedding_length", uint32(s.Dim)},
		{"llama.block_count", uint32(s.Layers)},
		{"llama.feed_forward_length", uint32(s.FFN)},
		{"llama.attention.head_count", uint32(s.Heads)},
		{"llama.attention.head_count_kv", uint32(s.KVHeads)},
		{"llama.attention.key_length", uint32(s.HeadDim())},
		{"llama.attention.value_length", uint32(s.HeadDim())},
		{"llama.attention.layer_norm_rms_epsilon", s.NormEps},
		{"llama.rope.dimension_count", uint32(s.HeadDim())},
		{"llama.rope.freq_base", s.RopeTheta},
	}
	if s.Experts > 0 {
		pairs = append(pairs, Pair{"llama.expert_count", uint32(s.Experts)}, Pair{"llama.expert_used_count", uint32(s.ExpertsPerToken)})
	}
	switch s.RopeScaling.Kind {
	case "", engine.RopeLlama3: // the latter is a tensor
	case engine.RopeLinear:
		pairs = append(pairs, Pair{"llama.rope.scaling.type", "linear"}, Pair{"llama.rope.scaling.factor", s.RopeScaling.Factor})
	default:
		return nil, fmt.Errorf("%w: rope scaling %q", ErrType, s.RopeScaling.Kind)
	}
	if m.Vocabulary == nil {
		return append(pairs, Pair{"tokenizer.ggml.model", "no_vocab"}), nil
	}
	more, err := m.Vocabulary.metadata(s.Vocab)
	return append(pairs, more...), err
}

// names maps the end of a tensor's name in Hugging Face's files to its name in
// GGUF, below "blk.N." for those of layers.
var names = map[string]string{
	"self_attn.q_proj.weight":         "attn_q.weight",
	"self_attn.k_proj.weight":         "attn_k.weight",
	"self_attn.v_proj.weight":         "attn_v.weight",
	"self_attn.o_proj.weight":         "attn_output.weight",
	"mlp.gate_proj.weight":            "ffn_gate.weight",
	"mlp.up_proj.weight":              "ffn_up.weight",
	"mlp.down_proj.weight":            "ffn_down.weight",
	"self_attn.q_proj.bias":           "attn_q.bias",
	"self_attn.k_proj.bias":           "attn_k.bias",
	"self_attn.v_proj.bias":           "attn_v.bias",
	"self_attn.o_proj.bias":           "attn_output.bias",
	"mlp.gate_proj.bias":              "ffn_gate.bias",
	"mlp.up_proj.bias":                "ffn_up.bias",
	"mlp.down_proj.bias":              "ffn_down.bias",
	"block_sparse_moe.gate.weight":    "ffn_gate_inp.weight",
	"input_layernorm.weight":          "attn_norm.weight",
	"post_attention_layernorm.weight": "ffn_norm.weight",
	"model.embed_tokens.weight":       "token_embd.weight",
	"model.norm.weight":               "output_norm.weight",
	"lm_head.weight":                  "output.weight",
}

var errName = errors.New("llama.cpp's Llama has no such tensor")

func rename(name string) (string, error) {
	rest, layer := strings.CutPrefix(name, "model.layers.")
	prefix := ""
	if layer {
		var number string
		number, rest, _ = strings.Cut(rest, ".")
		prefix = "blk." + number + "."
	}
	if short, ok := names[rest]; ok {
		return prefix + short, nil
	}
	return "", fmt.Errorf("%s: %w", name, errName)
}

func (m Model) tensors() ([]Tensor, error) {
	var list []Tensor
	for _, t := range m.Shape.Tensors() {
		if prefix, expert := strings.CutSuffix(t.Name, "experts.0.w1.weight"); expert {
			list = append(list, m.experts(prefix)...)
		}
		if strings.Contains(t.Name, ".experts.") {
			continue
		}
		name, err := rename(t.Name)
		if err != nil {
			return nil, err
		}
		data := m.Params[t.Offset : t.Offset+t.Len]
		heads := 0
		switch {
		case strings.HasSuffix(name, "attn_q.weight"), strings.HasSuffix(name, "attn_q.bias"):
			heads = m.Shape.Heads
		case strings.HasSuffix(name, "attn_k.weight"), strings.HasSuffix(name, "attn_k.bias"):
			heads = m.Shape.KVHeads
		}
		if heads > 0 {
			data = interleave(data, heads, m.Shape.HeadDim(), t.Len/(heads*m.Shape.HeadDim()))
		}
		list = append(list, Tensor{Name: name, Dims: t.Dims, Type: m.stored(t), Data: data})
	}
	if m.Shape.RopeScaling.Kind == engine.RopeLlama3 {
		factors := ropeFactors(m.Shape)
		list = append(list, Tensor{Name: "rope_freqs.weight", Dims: []int{len(factors)}, Type: F32, Data: factors})
	}
	return list, nil
}

// experts are the three tensors of one layer that hold its experts one after the
// other.
func (m Model) experts(prefix string) []Tensor {
	layer, _, _ := strings.Cut(strings.TrimPrefix(prefix, "model.layers."), ".")
	var list []Tensor
	for _, pair := range [][2]string{{"w1", "ffn_gate_exps"}, {"w2", "ffn_down_exps"}, {"w3", "ffn_up_exps"}} {
		joined := Tensor{Name: "blk." + layer + "." + pair[1] + ".weight"}
		for _, t := range m.Shape.Tensors() {
			if strings.HasPrefix(t.Name, prefix+"experts.") && strings.HasSuffix(t.Name, "."+pair[0]+".weight") {
				joined.Dims, joined.Type = append([]int{m.Shape.Experts}, t.Dims...), m.stored(t)
				joined.Data = append(joined.Data, m.Params[t.Offset:t.Offset+t.Len]...)
			}
		}
		list = append(list, joined)
	}
	return list
}

// stored chooses the type of a tensor. What is not a matrix stays float32, and
// rows that are no whole blocks of Q8_0 are float16, as llama.cpp's own tool does.
func (m Model) stored(t engine.Tensor) Type {
	switch {
	case len(t.Dims) < 2, strings.HasSuffix(t.Name, "block_sparse_moe.gate.weight"):
		return F32
	case m.Type == Q8 && t.Dims[len(t.Dims)-1]%32 != 0:
		return F16
	}
	return m.Type
}

// interleave reorders the rows of each head: rotary pairs are rows (j, j+half) in
// Hugging Face's weights and rows (2j, 2j+1) in llama.cpp's.
func interleave(w []float32, heads, head, columns int) []float32 {
	out := make([]float32, len(w))
	half := head / 2
	for h := range heads {
		for j := range half {
			for side := range 2 {
				from, to := h*head+side*half+j, h*head+2*j+side
				copy(out[to*columns:(to+1)*columns], w[from*columns:(from+1)*columns])
			}
		}
	}
	return out
}

// ropeFactors is what llama.cpp divides each rotary frequency by.
func ropeFactors(s engine.Shape) []float32 {
	factors := make([]float32, s.HeadDim()/2)
	for j := range factors {
		f := r0.Exp64(-2 * float64(j) * r0.Log64(float64(s.RopeTheta)) / float64(s.HeadDim()))
		factors[j] = float32(f / s.RopeScaling.Scale(f))
	}
	return factors
}
