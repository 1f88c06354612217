package gguf

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrTokenizer means that a tokenizer cannot be said in GGUF so that llama.cpp
// would encode text as it does.
var ErrTokenizer = errors.New("tokenizer cannot be exported")

// A Vocabulary is a byte-level BPE tokenizer as GGUF says it.
type Vocabulary struct {
	Tokens []string // by id, in the printable alphabet of byte-level tokenizers
	Types  []int32  // see the token types below
	Merges []string // "left right", the first has priority
	Pre    string   // llama.cpp's name for how text is cut into words

	BOS, EOS, EOT int32 // ids; -1 for none. EOT ends a turn, EOS a document
	AddBOS        bool
	ChatTemplate  string
}

// Token types.
const (
	normalToken  int32 = 1
	controlToken int32 = 3
	userToken    int32 = 4
	unusedToken  int32 = 5
)

// The patterns that cut text into words, by llama.cpp's names for them.
const (
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// maxTokenizer bounds a tokenizer.json.
const maxTokenizer = 64 << 20

type tokenizerFile struct {
	Normalizer   json.RawMessage `json:"normalizer"`
	PreTokenizer json.RawMessage `json:"pre_tokenizer"`
	Added        []struct {
		ID      int64  `json:"id"`
		Content string `json:"content"`
		Special bool   `json:"special"`
	} `json:"added_tokens"`
	Model struct {
		Type         string            `json:"type"`
		IgnoreMerges bool              `json:"ignore_merges"`
		ByteFallback bool              `json:"byte_fallback"`
		Vocab        map[string]int64  `json:"vocab"`
		Merges       []json.RawMessage `json:"merges"`
	} `json:"model"`
}

// ParseTokenizer reads a Hugging Face tokenizer.json of the byte-level BPE kind.
// The special tokens are left unset, since another file says which they are.
func ParseTokenizer(b []byte) (*Vocabulary, error) {
	v, err := parseTokenizer(b)
	if err != nil {
		return nil, fmt.Errorf("parse tokenizer.json: %w", err)
	}
	return v, nil
}

func parseTokenizer(b []byte) (*Vocabulary, error) {
	var f tokenizerFile
	if len(b) > maxTokenizer {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTokenizer, len(b), maxTokenizer)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTokenizer, err)
	}
	if f.Model.Type != "BPE" || f.Model.ByteFallback || (len(f.Normalizer) > 0 && string(f.Normalizer) != "null") {
		return nil, fmt.Errorf("%w: it is %q or normalises text or falls back to bytes, and only plain byte-level BPE is known", ErrTokenizer, f.Model.Type)
	}
	pre, err := preName(f.PreTokenizer, f.Model.IgnoreMerges)
	if err != nil {
		return nil, err
	}
	v := &Vocabulary{Pre: pre, BOS: -1, EOS: -1, EOT: -1}
	if err := v.fill(f); err != nil {
		return nil, err
	}
	for i, raw := range f.Model.Merges {
		m, err := mergeText(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: merge %d: %w", ErrTokenizer, i, err)
		}
		v.Merges = append(v.Merges, m)
	}
	return v, nil
}

// fill places the tokens by id; ids must be dense.
func (v *Vocabulary) fill(f tokenizerFile) error {
	ids := make(map[string]int64, len(f.Model.Vocab))
	for token, id := range f.Model.Vocab {
		ids[token] = id
	}
	added := map[string]bool{} // whether special
	for _, a := range f.Added {
		if id, ok := ids[a.Content]; ok && id != a.ID {
			return fmt.Errorf("%w: token %q has the ids %d and %d", ErrTokenizer, a.Content, id, a.ID)
		}
		ids[a.Content] = a.ID
		added[a.Content] = a.Special
	}
	if len(ids) > maxArray {
		return fmt.Errorf("%w: %d tokens", ErrTokenizer, len(ids))
	}
	v.Tokens, v.Types = make([]string, len(ids)), make([]int32, len(ids))
	for token, id := range ids {
		if id < 0 || id >= int64(len(ids)) || v.Types[id] != 0 || token == "" {
			return fmt.Errorf("%w: its ids are not the numbers from 0 to %d, each once", ErrTokenizer, len(ids)-1)
		}
		v.Tokens[id], v.Types[id] = token, normalToken
		if special, ok := added[token]; ok && special {
			v.Types[id] = controlToken
		} else if ok {
			v.Types[id] = userToken
		}
	}
	return nil
}

// mergeText reads a merge, a string or a pair of strings by the age of the file.
func mergeText(raw json.RawMessage) (string, error) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if l, r, ok := strings.Cut(s, " "); !ok || l == "" || r == "" {
			return "", fmt.Errorf("%.60q is not two tokens", s)
		}
		return s, nil
	}
	var pair []string
	if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 || pair[0] == "" || pair[1] == "" || strings.Contains(pair[0]+pair[1], " ") {
		return "", fmt.Errorf("%.60q is not two tokens", raw)
	}
	return pair[0] + " " + pair[1], nil
}

// preName finds llama.cpp's name for a pre-tokenizer. Names whose pattern is the
// same differ in whether a word that is a token is taken whole.
func preName(raw json.RawMessage, wholeWords bool) (string, error) {
	type step struct {
		Type    string `json:"type"`
		Pattern struct {
			Regex string `json:"Regex"`
		} `json:"pattern"`
		Behavior string `json:"behavior"`
		Invert   bool   `json:"invert"`
		Prefix   bool   `json:"add_prefix_space"`
		Regex    *bool  `json:"use_regex"`
	}
	var p struct {
		step
		Steps []step `json:"pretokenizers"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return "", fmt.Errorf("%w: pre_tokenizer: %w", ErrTokenizer, err)
	}
	steps := p.Steps
	if p.Type != "Sequence" {
		steps = []step{p.step}
	}
	cuts := func(s step) bool { return s.Regex == nil || *s.Regex }
	n := len(steps)
	if n == 0 || steps[n-1].Type != "ByteLevel" || steps[n-1].Prefix {
		return "", fmt.Errorf("%w: its words are not cut at the byte level", ErrTokenizer)
	}
	switch {
	case n == 1 && cuts(steps[0]) && !wholeWords:
		return "gpt-2", nil
	case n == 2 && steps[0].Type == "Split" && steps[0].Behavior == "Isolated" && !steps[0].Invert && !cuts(steps[1]):
		switch pattern := steps[0].Pattern.Regex; {
		case pattern == llama3Pattern && wholeWords:
			return "llama-bpe", nil
		case pattern == llama3Pattern:
			return "smaug-bpe", nil
		case pattern == qwen2Pattern && !wholeWords:
			return "qwen2", nil
		}
	}
	return "", fmt.Errorf("%w: llama.cpp has no name for how it cuts words: %.300s", ErrTokenizer, raw)
}

// metadata says the vocabulary, padded with unused tokens to the size of the
// embedding.
func (v *Vocabulary) metadata(size int) ([]Pair, error) {
	if len(v.Tokens) > size || len(v.Types) != len(v.Tokens) {
		return nil, fmt.Errorf("%w: %d tokens, the model has %d", ErrTokenizer, len(v.Tokens), size)
	}
	tokens, types := append([]string{}, v.Tokens...), append([]int32{}, v.Types...)
	for i := len(tokens); i < size; i++ {
		tokens, types = append(tokens, "[PAD"+strconv.Itoa(i)+"]"), append(types, unusedToken)
	}
	pairs := []Pair{
		{"tokenizer.ggml.model", "gpt2"},
		{"tokenizer.ggml.pre", v.Pre},
		{"tokenizer.ggml.tokens", tokens},
		{"tokenizer.ggml.token_type", types},
		{"tokenizer.ggml.merges", v.Merges},
		{"tokenizer.ggml.add_bos_token", v.AddBOS},
	}
	for _, special := range []struct {
		key string
		id  int32
	}{{"bos", v.BOS}, {"eos", v.EOS}, {"eot", v.EOT}} {
		switch {
		case special.id >= int32(size) || special.id < -1:
			return nil, fmt.Errorf("%w: %s is token %d of %d", ErrTokenizer, special.key, special.id, size)
		case special.id >= 0:
			pairs = append(pairs, Pair{"tokenizer.ggml." + special.key + "_token_id", uint32(special.id)})
		}
	}
	if v.ChatTemplate != "" {
		pairs = append(pairs, Pair{"tokenizer.chat_template", v.ChatTemplate})
	}
	return pairs, nil
}
