package modelfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/modelfile/safetensors"
	"github.com/google/go-cmp/cmp"
)

// hugging is as written by Hugging Face's library for a small Llama.
const hugging = `{"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":1,"eos_token_id":2,
 "hidden_act":"silu","hidden_size":64,"initializer_range":0.02,"intermediate_size":172,"max_position_embeddings":256,"mlp_bias":false,"model_type":"llama",
 "num_attention_heads":8,"num_hidden_layers":5,"num_key_value_heads":4,"pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":null,
 "tie_word_embeddings":true,"torch_dtype":"float32","transformers_version":"4.40.0","use_cache":true,"vocab_size":512}`

func TestConfig(t *testing.T) {
	want := engine.Shape{Vocab: 512, Dim: 64, Layers: 5, Heads: 8, KVHeads: 4, FFN: 172, Context: 256, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	got, err := DecodeConfig([]byte(hugging))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("shape differs:\n%s", d)
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		old, new, reason string
	}{
		"other model":   {`"model_type":"llama"`, `"model_type":"mamba"`, "mamba"},
		"activation":    {`"silu"`, `"gelu"`, "gelu"},
		"bias":          {`"model_type":"llama"`, `"model_type":"qwen2","mlp_bias":true`, "biases"},
		"expert":        {`"model_type":"llama"`, `"model_type":"mixtral","num_local_experts":1`, "experts"},
		"many experts":  {`"model_type":"llama"`, `"model_type":"mixtral","num_local_experts":4,"num_experts_per_tok":5`, "experts_per_token"},
		"scaling":       {`"rope_scaling":null`, `"rope_scaling":{"type":"yarn","factor":4}`, "rotary"},
		"new scaling":   {`"rope_scaling":null`, `"rope_parameters":{"rope_type":"longrope","rope_theta":1e4}`, "rotary"},
		"no factor":     {`"rope_scaling":null`, `"rope_scaling":{"type":"linear"}`, "factor"},
		"partial":       {`"rope_scaling":null`, `"partial_rotary_factor":0.5`, "part of each head"},
		"window":        {`"use_cache":true`, `"sliding_window":4096`, "window"},
		"quantised":     {`"use_cache":true`, `"quantization_config":{"bits":4}`, "quantised"},
		"head":          {`"use_cache":true`, `"head_dim":16`, "head_dim"},
		"width":         {`"hidden_size":64`, `"hidden_size":63`, "head width"},
		"no layers":     {`"num_hidden_layers":5`, `"num_hidden_layers":0`, "layers"},
		"negative":      {`"vocab_size":512`, `"vocab_size":-512`, "vocab"},
		"not a number":  {`"vocab_size":512`, `"vocab_size":"512"`, "vocab_size"},
		"not JSON":      {`{"arch`, `"arch`, "invalid"},
		"huge exponent": {`1e-05`, `1e-999`, "norm_eps"},
	} {
		changed := strings.Replace(hugging, c.old, c.new, 1)
		if changed == hugging {
			t.Fatalf("%s: nothing changed", name)
		}
		_, err := DecodeConfig([]byte(changed))
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: error is %v, want one about %q", name, err, c.reason)
		}
		if err != nil && !errors.Is(err, ErrConfig) && !errors.Is(err, engine.ErrBadShape) {
			t.Errorf("%s: error %v is of no known kind", name, err)
		}
	}
}

func TestGeneration(t *testing.T) {
	one := int32(1)
	for text, want := range map[string]Generation{
		`{}`: {}, `{"eos_token_id":null}`: {}, `{"eos_token_id":2,"bos_token_id":1}`: {BOS: &one, EOS: []int32{2}},
		`{"eos_token_id":[2,3],"pad_token_id":1}`: {Pad: &one, EOS: []int32{2, 3}},
	} {
		got, err := decodeGeneration([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s differs:\n%s", text, d)
		}
		b, err := got.encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeGeneration(b); err != nil || !cmp.Equal(again, want) {
			t.Errorf("%s came back as %+v, %v", text, again, err)
		}
	}
	for _, text := range []string{`{"eos_token_id":"2"}`, `{"eos_token_id":1e99}`, `{"eos_token_id":[1.5]}`, `[]`} {
		if _, err := decodeGeneration([]byte(text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func FuzzDecodeConfig(f *testing.F) {
	for _, s := range shapes() {
		b, err := encodeConfig(s, safetensors.F32, Generation{EOS: []int32{1, 2}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(hugging))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeConfig(b)
		if err != nil {
			return
		}
		again, err := encodeConfig(s, safetensors.F32, Generation{})
		if err != nil {
			t.Fatalf("decoded shape is not encoded: %v", err)
		}
		if back, err := DecodeConfig(again); err != nil || back != s {
			t.Fatalf("shape changed from %+v to %+v, %v", s, back, err)
		}
	})
}

// TestConfigGolden holds what other programs read.
func TestConfigGolden(t *testing.T) {
	pad := int32(0)
	got, err := encodeConfig(shapes()["tied"], safetensors.BF16, Generation{EOS: []int32{0, 4}, Pad: &pad})
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "architectures": [
    "LlamaForCausalLM"
  ],
  "model_type": "llama",
  "torch_dtype": "bfloat16",
  "vocab_size": 40,
  "hidden_size": 16,
  "intermediate_size": 24,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "num_key_value_heads": 2,
  "head_dim": 8,
  "max_position_embeddings": 32,
  "rms_norm_eps": 1e-05,
  "rope_theta": 10000.0,
  "tie_word_embeddings": true,
  "hidden_act": "silu",
  "attention_bias": false,
  "mlp_bias": false,
  "bos_token_id": null,
  "eos_token_id": [
    0,
    4
  ],
  "pad_token_id": 0
}
`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
}

// TestForeignFamilies reads what other programs write: Llama 3.1's scaling in the
// old and the new place, and Qwen 2, which has biases and a window it does not use.
func TestForeignFamilies(t *testing.T) {
	plain := engine.Shape{Vocab: 512, Dim: 64, Layers: 5, Heads: 8, KVHeads: 4, FFN: 172, Context: 256, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	scaled, newer, biased := plain, plain, plain
	scaled.RopeScaling = engine.RopeScaling{Kind: engine.RopeLlama3, Factor: 8, LowFactor: 1, HighFactor: 4, Original: 8192}
	newer.RopeScaling, newer.RopeTheta = scaled.RopeScaling, 500000
	biased.QKVBias = true
	attentive, feeding, mixture := plain, plain, plain
	attentive.QKVBias, attentive.OutBias, feeding.FFNBias = true, true, true
	mixture.Experts, mixture.ExpertsPerToken, mixture.Balance, mixture.RopeTheta = 8, 2, 0.001, 1e6
	for name, c := range map[string]struct {
		old, new string
		want     engine.Shape
	}{
		"old place":           {`"rope_scaling":null`, `"rope_scaling":{"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192,"rope_type":"llama3"}`, scaled},
		"new place":           {`"rope_scaling":null`, `"rope_parameters":{"rope_theta":500000.0,"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192,"rope_type":"llama3"}`, newer},
		"default":             {`"rope_scaling":null`, `"rope_parameters":{"rope_type":"default","rope_theta":10000.0}`, plain},
		"Qwen 2":              {`"model_type":"llama"`, `"model_type":"qwen2","sliding_window":32768,"use_sliding_window":false`, biased},
		"biases":              {`"attention_bias":false`, `"attention_bias":true`, attentive},
		"feed-forward biases": {`"mlp_bias":false`, `"mlp_bias":true`, feeding},
		"Mixtral":             {`"model_type":"llama"`, `"model_type":"mixtral","num_local_experts":8,"num_experts_per_tok":2,"router_aux_loss_coef":0.001,"output_router_logits":false,"sliding_window":null`, mixture},
		"Mixtral, defaults":   {`"model_type":"llama"`, `"model_type":"mixtral"`, mixture},
	} {
		got, err := DecodeConfig([]byte(strings.Replace(hugging, c.old, c.new, 1)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: shape differs:\n%s", name, d)
		}
	}
	if _, err := DecodeConfig([]byte(strings.Replace(hugging, `"model_type":"llama"`, `"model_type":"qwen2","sliding_window":32768,"use_sliding_window":true`, 1))); !errors.Is(err, ErrConfig) {
		t.Errorf("a window in use: error is %v", err)
	}
}
