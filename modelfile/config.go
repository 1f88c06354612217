package modelfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/modelfile/safetensors"
)

// ErrConfig means that a config.json describes no model of ours.
var ErrConfig = errors.New("config is not of a supported Llama model")

const maxConfig = 1 << 20

// The families that are read and written.
const (
	llamaType   = "llama"
	qwenType    = "qwen2"   // a Llama with biases on queries, keys and values
	mixtralType = "mixtral" // a Llama with experts
)

// config has the fields of Hugging Face's LlamaConfig and Qwen2Config that matter here. Pointers
// tell absent fields, which have defaults, from zero.
type config struct {
	Architectures []string        `json:"architectures"`
	ModelType     string          `json:"model_type"`
	Type          string          `json:"torch_dtype,omitempty"`
	Vocab         int             `json:"vocab_size"`
	Dim           int             `json:"hidden_size"`
	FFN           int             `json:"intermediate_size"`
	Layers        int             `json:"num_hidden_layers"`
	Heads         int             `json:"num_attention_heads"`
	KVHeads       *int            `json:"num_key_value_heads,omitempty"`
	HeadDim       *int            `json:"head_dim,omitempty"`
	Context       int             `json:"max_position_embeddings"`
	NormEps       *decimal        `json:"rms_norm_eps,omitempty"`
	RopeTheta     *decimal        `json:"rope_theta,omitempty"`
	RopeScaling   *ropeScaling    `json:"rope_scaling,omitempty"`
	RopeParams    *ropeParams     `json:"rope_parameters,omitempty"`
	PartialRotary *decimal        `json:"partial_rotary_factor,omitempty"`
	Tied          bool            `json:"tie_word_embeddings"`
	Activation    string          `json:"hidden_act"`
	AttentionBias bool            `json:"attention_bias"`
	FeedBias      bool            `json:"mlp_bias"`
	Window        json.RawMessage `json:"sliding_window,omitempty"`
	UseWindow     *bool           `json:"use_sliding_window,omitempty"` // Qwen 2 only
	Quantization  json.RawMessage `json:"quantization_config,omitempty"`

	// Mixtral only.
	Experts   *int     `json:"num_local_experts,omitempty"`
	PerToken  *int     `json:"num_experts_per_tok,omitempty"`
	Balance   *decimal `json:"router_aux_loss_coef,omitempty"`
	WithRoute *bool    `json:"output_router_logits,omitempty"` // adds the balancing loss when training

	// Written always: Hugging Face's defaults are ids 1 and 2.
	BOS *int32          `json:"bos_token_id"`
	EOS json.RawMessage `json:"eos_token_id"`
	Pad *int32          `json:"pad_token_id"`
}

// ropeParams is where newer versions of Hugging Face's library keep them.
type ropeParams struct {
	ropeScaling
	Theta   *decimal `json:"rope_theta"`
	Partial *decimal `json:"partial_rotary_factor,omitempty"`
}

// A decimal is written with a point even if it is whole: strict readers tell 10000
// from 10000.0.
type decimal float32

// MarshalJSON implements json.Marshaler.
func (d decimal) MarshalJSON() ([]byte, error) {
	b := strconv.AppendFloat(nil, float64(d), 'g', -1, 32)
	if !bytes.ContainsAny(b, ".e") {
		b = append(b, ".0"...)
	}
	return b, nil
}

// torchNames are PyTorch's names for the types of safetensors.
var torchNames = map[string]string{safetensors.F32: "float32", safetensors.BF16: "bfloat16", safetensors.F16: "float16"}

// encodeConfig writes the config.json of a shape.
func encodeConfig(s engine.Shape, kind string, g Generation) ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("encode config: %w", err)
	}
	torch, ok := torchNames[kind]
	if !ok {
		return nil, fmt.Errorf("encode config: %w: %q", safetensors.ErrType, kind)
	}
	eos, err := g.eosJSON()
	if err != nil {
		return nil, fmt.Errorf("encode config: %w", err)
	}
	head, eps, theta := s.HeadDim(), decimal(s.NormEps), decimal(s.RopeTheta)
	c, err := familyOf(s)
	if err != nil {
		return nil, fmt.Errorf("encode config: %w", err)
	}
	b, err := json.MarshalIndent(config{
		Architectures: c.Architectures, ModelType: c.ModelType, Type: torch,
		AttentionBias: c.AttentionBias, FeedBias: c.FeedBias,
		Experts: c.Experts, PerToken: c.PerToken, Balance: c.Balance, WithRoute: c.WithRoute,
		Vocab: s.Vocab, Dim: s.Dim, FFN: s.FFN, Layers: s.Layers, Heads: s.Heads, KVHeads: &s.KVHeads, HeadDim: &head,
		Context: s.Context, NormEps: &eps, RopeTheta: &theta, Tied: s.Tied, Activation: "silu",
		RopeScaling: scalingOf(s), UseWindow: c.UseWindow, BOS: g.BOS, EOS: eos, Pad: g.Pad,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode config: %w", err)
	}
	return append(b, '\n'), nil
}

// familyOf is the part of a config that tells families apart.
func familyOf(s engine.Shape) (config, error) {
	switch {
	case s.Experts > 0 && (s.QKVBias || s.OutBias):
		return config{}, fmt.Errorf("%w: Mixtral has no biases", ErrConfig)
	case s.Experts > 0:
		balance := decimal(s.Balance)
		return config{Architectures: []string{"MixtralForCausalLM"}, ModelType: mixtralType,
			Experts: &s.Experts, PerToken: &s.ExpertsPerToken, Balance: &balance, WithRoute: new(bool)}, nil
	case s.QKVBias && !s.OutBias && !s.FFNBias:
		return config{Architectures: []string{"Qwen2ForCausalLM"}, ModelType: qwenType, UseWindow: new(bool)}, nil
	case s.QKVBias != s.OutBias:
		return config{}, fmt.Errorf("%w: Llama has biases on all of attention's matrices or on none", ErrConfig)
	}
	return config{Architectures: []string{"LlamaForCausalLM"}, ModelType: llamaType, AttentionBias: s.OutBias, FeedBias: s.FFNBias}, nil
}

// DecodeConfig reads the shape from a config.json, and refuses what the engine
// would compute wrongly. Fields that do not change the arithmetic are ignored.
func DecodeConfig(b []byte) (engine.Shape, error) {
	s, err := decodeConfig(b)
	if err != nil {
		return engine.Shape{}, fmt.Errorf("decode config: %w", err)
	}
	return s, nil
}

func decodeConfig(b []byte) (engine.Shape, error) {
	var c config
	if len(b) > maxConfig {
		return engine.Shape{}, fmt.Errorf("%w: %d bytes", ErrConfig, len(b))
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return engine.Shape{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if reason := c.unsupported(); reason != "" {
		return engine.Shape{}, fmt.Errorf("%w: %s", ErrConfig, reason)
	}
	s := engine.Shape{Vocab: c.Vocab, Dim: c.Dim, Layers: c.Layers, Heads: c.Heads, KVHeads: c.Heads, FFN: c.FFN,
		Context: c.Context, Tied: c.Tied, RopeTheta: 10000, NormEps: 1e-6, QKVBias: c.ModelType == qwenType || c.AttentionBias,
		OutBias: c.AttentionBias, FFNBias: c.FeedBias, RopeScaling: c.scaling()}
	if c.ModelType == mixtralType {
		c.mixture(&s)
	}
	if c.KVHeads != nil {
		s.KVHeads = *c.KVHeads
	}
	if c.NormEps != nil {
		s.NormEps = float32(*c.NormEps)
	}
	if c.RopeParams != nil && c.RopeParams.Theta != nil {
		s.RopeTheta = float32(*c.RopeParams.Theta)
	}
	if c.RopeTheta != nil {
		s.RopeTheta = float32(*c.RopeTheta)
	}
	if err := s.Validate(); err != nil {
		return engine.Shape{}, err
	}
	if c.HeadDim != nil && *c.HeadDim != s.HeadDim() {
		return engine.Shape{}, fmt.Errorf("%w: head_dim is %d, and the engine wants hidden_size over heads, %d", ErrConfig, *c.HeadDim, s.HeadDim())
	}
	return s, nil
}

// mixture reads what Mixtral has beside Llama, with the defaults of its config.
func (c config) mixture(s *engine.Shape) {
	s.RopeTheta, s.NormEps, s.KVHeads, s.Experts, s.ExpertsPerToken, s.Balance = 1e6, 1e-5, 8, 8, 2, 0.001
	if c.Experts != nil {
		s.Experts = *c.Experts
	}
	if c.PerToken != nil {
		s.ExpertsPerToken = *c.PerToken
	}
	if c.Balance != nil {
		s.Balance = float32(*c.Balance)
	}
}

// unsupported says what the engine cannot compute, empty if nothing.
func (c config) unsupported() string {
	switch {
	case c.ModelType != llamaType && c.ModelType != qwenType && c.ModelType != mixtralType:
		return fmt.Sprintf("model_type is %.60q, want llama, qwen2 or mixtral", c.ModelType)
	case c.Activation != "" && c.Activation != "silu":
		return fmt.Sprintf("hidden_act is %.60q, want silu", c.Activation)
	case c.ModelType != llamaType && (c.AttentionBias || c.FeedBias):
		return "it has biases that models of its type do not have"
	case !c.RopeScaling.known(), c.RopeParams != nil && !c.RopeParams.ropeScaling.known():
		return "it scales the rotary embedding in a way other than linear or llama3"
	case partial(c.PartialRotary), c.RopeParams != nil && partial(c.RopeParams.Partial):
		return "it rotates only a part of each head"
	case given(c.Window) && (c.ModelType != qwenType || c.UseWindow == nil || *c.UseWindow):
		return "its attention slides a window"
	case given(c.Quantization):
		return "its weights are quantised; take the folder they were made from"
	}
	return ""
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func partial(f *decimal) bool { return f != nil && *f != 1 }
