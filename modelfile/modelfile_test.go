package modelfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/google/go-cmp/cmp"
)

func shapes() map[string]engine.Shape {
	return map[string]engine.Shape{
		"tied":    {Vocab: 40, Dim: 16, Layers: 2, Heads: 2, KVHeads: 2, FFN: 24, Context: 32, Tied: true, RopeTheta: 10000, NormEps: 1e-5},
		"grouped": {Vocab: 33, Dim: 24, Layers: 1, Heads: 4, KVHeads: 2, FFN: 20, Context: 64, RopeTheta: 500000, NormEps: 1e-6},
	}
}

func TestFolderRoundTrip(t *testing.T) {
	for name, shape := range shapes() {
		t.Run(name, func(t *testing.T) {
			params := make([]float32, shape.Parameters())
			engine.InitParams(shape, params, 5)
			dir := filepath.Join(t.TempDir(), "a", "model")
			if err := WriteFolder(dir, shape, params, map[string][]byte{"tokenizer.json": []byte("{}")}); err != nil {
				t.Fatal(err)
			}
			gotShape, got, err := ReadFolder(dir)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(shape, gotShape); d != "" {
				t.Errorf("shape differs:\n%s", d)
			}
			if d := cmp.Diff(params, got); d != "" {
				t.Errorf("parameters differ")
			}
			files, err := os.ReadDir(dir)
			if err != nil || len(files) != 3 {
				t.Errorf("folder has %v, %v, want three files", files, err)
			}
		})
	}
}

func TestWriteFolderRejectsNames(t *testing.T) {
	shape := shapes()["tied"]
	params := make([]float32, shape.Parameters())
	for _, name := range []string{"../x", "a/b", "..", "config.json", "model.safetensors", ""} {
		if err := WriteFolder(t.TempDir(), shape, params, map[string][]byte{name: nil}); err == nil {
			t.Errorf("%q was written", name)
		}
	}
}

func TestReadWeightsRejects(t *testing.T) {
	shape := shapes()["tied"]
	var b bytes.Buffer
	if err := WriteWeights(&b, shape, make([]float32, shape.Parameters()), nil); err != nil {
		t.Fatal(err)
	}
	other := shape
	other.FFN++
	untied := shape
	untied.Tied = false
	huge := shape
	huge.Vocab, huge.Dim = engine.MaxVocab, engine.MaxDim
	for name, s := range map[string]engine.Shape{"other": other, "untied": untied, "huge": huge} {
		if _, err := ReadWeights(bytes.NewReader(b.Bytes()), int64(b.Len()), s); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: error is %v, want ErrMismatch", name, err)
		}
	}
}

func TestConfig(t *testing.T) {
	// As written by Hugging Face's library for a small Llama.
	text := `{"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":1,"eos_token_id":2,
 "hidden_act":"silu","hidden_size":64,"initializer_range":0.02,"intermediate_size":172,"max_position_embeddings":256,"model_type":"llama",
 "num_attention_heads":8,"num_hidden_layers":5,"num_key_value_heads":4,"pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":null,
 "tie_word_embeddings":true,"torch_dtype":"float32","transformers_version":"4.40.0","use_cache":true,"vocab_size":512}`
	want := engine.Shape{Vocab: 512, Dim: 64, Layers: 5, Heads: 8, KVHeads: 4, FFN: 172, Context: 256, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	got, err := DecodeConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("shape differs:\n%s", d)
	}
	for name, change := range map[string][2]string{
		"other model": {`"llama"`, `"mamba"`}, "activation": {`"silu"`, `"gelu"`}, "bias": {`"attention_bias":false`, `"attention_bias":true`},
		"scaling": {`"rope_scaling":null`, `"rope_scaling":{"type":"linear"}`}, "width": {`"hidden_size":64`, `"hidden_size":63`},
		"no layers": {`"num_hidden_layers":5`, `"num_hidden_layers":0`}, "head": {`"use_cache":true`, `"head_dim":16`}, "text": {`{"arch`, `"arch`},
	} {
		if _, err := DecodeConfig([]byte(strings.Replace(text, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzDecodeConfig(f *testing.F) {
	for _, s := range shapes() {
		b, err := EncodeConfig(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeConfig(b)
		if err != nil {
			return
		}
		again, err := EncodeConfig(s)
		if err != nil {
			t.Fatalf("decoded shape is not encoded: %v", err)
		}
		if back, err := DecodeConfig(again); err != nil || back != s {
			t.Fatalf("shape changed from %+v to %+v, %v", s, back, err)
		}
	})
}
