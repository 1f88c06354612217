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

// The two families that are read and written.
const (
	llamaType = "llama"
	qwenType  = "qwen2" // a Llama with biases on queries, keys and values
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
	architecture, family, noWindow := "LlamaForCausalLM", llamaType, (*bool)(nil)
	if s.QKVBias { // what Hugging Face calls Llama has biases on the output too
		architecture, family, noWindow = "Qwen2ForCausalLM", qwenType, new(bool)
	}
	b, err := json.MarshalIndent(config{
		Architectures: []string{architecture}, ModelType: family, Type: torch,
		Vocab: s.Vocab, Dim: s.Dim, FFN: s.FFN, Layers: s.Layers, Heads: s.Heads, KVHeads: &s.KVHeads, HeadDim: &head,
		Context: s.Context, NormEps: &eps, RopeTheta: &theta, Tied: s.Tied, Activation: "silu",
		RopeScaling: scalingOf(s), UseWindow: noWindow, BOS: g.BOS, EOS: eos, Pad: g.Pad,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode config: %w", err)
	}
	return append(b, '\n'), nil
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
		Context: c.Context, Tied: c.Tied, RopeTheta: 10000, NormEps: 1e-6, QKVBias: c.ModelType == qwenType, RopeScaling: c.scaling()}
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

// unsupported says what the engine cannot compute, empty if nothing.
func (c config) unsupported() string {
	switch {
	case c.ModelType != llamaType && c.ModelType != qwenType:
		return fmt.Sprintf("model_type is %.60q, want llama or qwen2", c.ModelType)
	case c.Activation != "" && c.Activation != "silu":
		return fmt.Sprintf("hidden_act is %.60q, want silu", c.Activation)
	case c.AttentionBias || c.FeedBias:
		return "it has biases on more than queries, keys and values"
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
