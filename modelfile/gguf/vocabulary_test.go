package gguf

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/tokenizer"
	"github.com/google/go-cmp/cmp"
)

// foreign is a tokenizer.json as newer versions of Hugging Face's library write
// it: merges as pairs, an added token beyond the vocabulary.
const foreign = `{"version":"1.0","added_tokens":[{"id":3,"content":"<s>","special":true},{"id":4,"content":"<x>","special":false}],
 "normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
 "model":{"type":"BPE","ignore_merges":false,"byte_fallback":false,"vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}}`

func TestParseForeign(t *testing.T) {
	got, err := ParseTokenizer([]byte(foreign))
	if err != nil {
		t.Fatal(err)
	}
	want := &Vocabulary{Tokens: []string{"a", "b", "ab", "<s>", "<x>"}, Types: []int32{1, 1, 1, 3, 4}, Merges: []string{"a b"},
		Pre: "gpt-2", BOS: -1, EOS: -1, EOT: -1}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseOurs(t *testing.T) {
	tok, err := tokenizer.Train(t.Context(), [][]byte{[]byte(strings.Repeat("the cat sat on the mat ", 9))}, 300, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tok.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseTokenizer(b)
	if err != nil {
		t.Fatal(err)
	}
	if v.Pre != "smaug-bpe" || len(v.Tokens) != 300 || v.Types[tokenizer.EndOfTurn] != controlToken || v.Types[299] != controlToken || v.Types[5] != normalToken {
		t.Errorf("pre %q, %d tokens, types %v", v.Pre, len(v.Tokens), v.Types)
	}
	// Llama 3 itself takes whole words first.
	whole, err := ParseTokenizer(bytes.Replace(b, []byte(`"ignore_merges":false`), []byte(`"ignore_merges":true`), 1))
	if err != nil || whole.Pre != "llama-bpe" {
		t.Errorf("whole words: %v, %v", whole, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string][2]string{
		"other model":      {`"BPE"`, `"Unigram"`},
		"byte fallback":    {`"byte_fallback":false`, `"byte_fallback":true`},
		"normalizer":       {`"normalizer":null`, `"normalizer":{"type":"NFC"}`},
		"other words":      {`"use_regex":true`, `"use_regex":false`},
		"prefix space":     {`"add_prefix_space":false`, `"add_prefix_space":true`},
		"gap":              {`"ab":2`, `"ab":9`},
		"repeated id":      {`"ab":2`, `"ab":1`},
		"negative id":      {`"ab":2`, `"ab":-2`},
		"two ids":          {`"id":3,"content":"<s>"`, `"id":3,"content":"ab"`},
		"empty token":      {`"content":"<s>"`, `"content":""`},
		"merge of one":     {`[["a","b"]]`, `["ab"]`},
		"merge of three":   {`[["a","b"]]`, `[["a","b","c"]]`},
		"merge with space": {`[["a","b"]]`, `[["a ","b"]]`},
		"not JSON":         {`{"version"`, `{version`},
	} {
		changed := strings.Replace(foreign, c[0], c[1], 1)
		if changed == foreign {
			t.Fatalf("%s: nothing changed", name)
		}
		if _, err := ParseTokenizer([]byte(changed)); !errors.Is(err, ErrTokenizer) {
			t.Errorf("%s: error is %v, want ErrTokenizer", name, err)
		}
	}
}

func TestVocabularyBounds(t *testing.T) {
	shape := engine.Shape{Vocab: 8, Dim: 4, Layers: 1, Heads: 1, KVHeads: 1, FFN: 4, Context: 8, RopeTheta: 10000, NormEps: 1e-5}
	params := make([]float32, shape.Parameters())
	v, err := ParseTokenizer([]byte(foreign))
	if err != nil {
		t.Fatal(err)
	}
	v.BOS, v.EOS = 3, 3
	var b bytes.Buffer
	if err := WriteModel(&b, Model{Shape: shape, Params: params, Vocabulary: v}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "b", "ab", "<s>", "<x>", "[PAD5]", "[PAD6]", "[PAD7]"}, f.Value("tokenizer.ggml.tokens")); d != "" {
		t.Errorf("tokens differ:\n%s", d)
	}
	if f.Value("tokenizer.ggml.eos_token_id") != uint32(3) || f.Value("tokenizer.ggml.eot_token_id") != nil {
		t.Error("special tokens differ")
	}
	v.EOS = 8
	if err := WriteModel(&b, Model{Shape: shape, Params: params, Vocabulary: v}); !errors.Is(err, ErrTokenizer) {
		t.Errorf("a special token beyond the vocabulary: error is %v", err)
	}
	v.EOS, shape.Vocab = 3, 4
	if err := WriteModel(&b, Model{Shape: shape, Params: params[:shape.Parameters()], Vocabulary: v}); !errors.Is(err, ErrTokenizer) {
		t.Errorf("more tokens than the model has: error is %v", err)
	}
}

func FuzzParseTokenizer(f *testing.F) {
	f.Add([]byte(foreign))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseTokenizer(b)
		if err == nil && (len(v.Tokens) != len(v.Types) || v.Pre == "") {
			t.Fatalf("parsed into %+v", v)
		}
	})
}
