package modelfile

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo/engine"
)

// ErrConfig means that a config.json describes no model of ours.
var ErrConfig = errors.New("config is not of a supported Llama model")

const maxConfig = 1 << 20

// config has the fields of Hugging Face's LlamaConfig that matter here. Pointers
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
	NormEps       *float32        `json:"rms_norm_eps,omitempty"`
	RopeTheta     *float32        `json:"rope_theta,omitempty"`
	RopeScaling   json.RawMessage `json:"rope_scaling,omitempty"`
	RopeParams    *ropeParams     `json:"rope_parameters,omitempty"`
	Tied          bool            `json:"tie_word_embeddings"`
	Activation    string          `json:"hidden_act"`
	AttentionBias bool            `json:"attention_bias"`
	FeedBias      bool            `json:"mlp_bias"`
}

// ropeParams is where newer versions of Hugging Face's library keep them.
type ropeParams struct {
	Theta *float32 `json:"rope_theta"`
	Type  string   `json:"rope_type"`
}

// EncodeConfig writes the config.json of a shape.
func EncodeConfig(s engine.Shape) ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("encode config: %w", err)
	}
	head := s.HeadDim()
	b, err := json.MarshalIndent(config{
		Architectures: []string{"LlamaForCausalLM"}, ModelType: "llama", Type: "float32",
		Vocab: s.Vocab, Dim: s.Dim, FFN: s.FFN, Layers: s.Layers, Heads: s.Heads, KVHeads: &s.KVHeads, HeadDim: &head,
		Context: s.Context, NormEps: &s.NormEps, RopeTheta: &s.RopeTheta, Tied: s.Tied, Activation: "silu",
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode config: %w", err)
	}
	return append(b, '\n'), nil
}

// DecodeConfig reads the shape from a config.json, and refuses what the engine
// would compute wrongly. Fields that do not change the arithmetic are ignored.
func DecodeConfig(b []byte) (engine.Shape, error) {
	var c config
	if len(b) > maxConfig {
		return engine.Shape{}, fmt.Errorf("decode config: %w: %d bytes", ErrConfig, len(b))
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return engine.Shape{}, fmt.Errorf("decode config: %w: %w", ErrConfig, err)
	}
	s := engine.Shape{Vocab: c.Vocab, Dim: c.Dim, Layers: c.Layers, Heads: c.Heads, KVHeads: c.Heads, FFN: c.FFN,
		Context: c.Context, Tied: c.Tied, RopeTheta: 10000, NormEps: 1e-6}
	if c.KVHeads != nil {
		s.KVHeads = *c.KVHeads
	}
	if c.NormEps != nil {
		s.NormEps = *c.NormEps
	}
	if c.RopeParams != nil && c.RopeParams.Theta != nil {
		s.RopeTheta = *c.RopeParams.Theta
	}
	if c.RopeTheta != nil {
		s.RopeTheta = *c.RopeTheta
	}
	switch {
	case c.ModelType != "llama":
		return engine.Shape{}, fmt.Errorf("decode config: %w: model_type is %q", ErrConfig, c.ModelType)
	case c.Activation != "" && c.Activation != "silu":
		return engine.Shape{}, fmt.Errorf("decode config: %w: hidden_act is %q", ErrConfig, c.Activation)
	case c.AttentionBias || c.FeedBias:
		return engine.Shape{}, fmt.Errorf("decode config: %w: it has biases", ErrConfig)
	case len(c.RopeScaling) > 0 && string(c.RopeScaling) != "null", c.RopeParams != nil && c.RopeParams.Type != "" && c.RopeParams.Type != "default":
		return engine.Shape{}, fmt.Errorf("decode config: %w: it scales the rotary embedding", ErrConfig)
	}
	if err := s.Validate(); err != nil {
		return engine.Shape{}, fmt.Errorf("decode config: %w", err)
	}
	if c.HeadDim != nil && *c.HeadDim != s.HeadDim() {
		return engine.Shape{}, fmt.Errorf("decode config: %w: head_dim is %d, want %d", ErrConfig, *c.HeadDim, s.HeadDim())
	}
	return s, nil
}
