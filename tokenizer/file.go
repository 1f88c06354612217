package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// MaxFileBytes bounds a tokenizer.json. The largest that Train can make is
// well below; those of large models take up to about 17 MiB.
const MaxFileBytes = 32 << 20

// maxMerges bounds the merges of a file: more than one may make a token.
const maxMerges = 2 * MaxVocab

// alphabet writes each byte as one printable character, as all byte-level
// tokenizers since GPT-2 do, so that tokens are JSON strings.
var alphabet = func() (runes [256]rune) {
	next := rune(256)
	for b := range 256 {
		switch {
		case b >= '!' && b <= '~', b >= 0xa1 && b <= 0xac, b >= 0xae:
			runes[b] = rune(b)
		default:
			runes[b] = next
			next++
		}
	}
	return runes
}()

func spell(token []byte) string {
	var s strings.Builder
	for _, b := range token {
		s.WriteRune(alphabet[b])
	}
	return s.String()
}

// The parts of tokenizer.json, as far as they are ours to choose.
type (
	file struct {
		Version       string          `json:"version"`
		Truncation    json.RawMessage `json:"truncation"`
		Padding       json.RawMessage `json:"padding"`
		AddedTokens   []addedToken    `json:"added_tokens"`
		Normalizer    json.RawMessage `json:"normalizer"`
		PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
		PostProcessor json.RawMessage `json:"post_processor"`
		Decoder       json.RawMessage `json:"decoder"`
		Model         model           `json:"model"`
	}
	addedToken struct {
		ID         int32  `json:"id"`
		Content    string `json:"content"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
		Normalized bool   `json:"normalized"`
		Special    bool   `json:"special"`
	}
	model struct {
		Type                    string          `json:"type"`
		Dropout                 json.RawMessage `json:"dropout"`
		UnkToken                json.RawMessage `json:"unk_token"`
		ContinuingSubwordPrefix json.RawMessage `json:"continuing_subword_prefix"`
		EndOfWordSuffix         json.RawMessage `json:"end_of_word_suffix"`
		FuseUnk                 bool            `json:"fuse_unk"`
		ByteFallback            bool            `json:"byte_fallback"`
		IgnoreMerges            bool            `json:"ignore_merges"`
		Vocab                   json.RawMessage `json:"vocab"`
		Merges                  []string        `json:"merges"`
	}
)

const (
	null        = `null`
	decoderJSON = `{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`
)

var preTokenizerJSON = func() string {
	pattern, err := marshal(Pattern)
	if err != nil {
		panic(err) // a constant string
	}
	return `{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":` + string(pattern) +
		`},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}`
}()

// marshal is json.Marshal without the escapes meant for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// MarshalJSON returns the tokenizer as a Hugging Face tokenizer.json; one that
// was made elsewhere as it was loaded. Equal tokenizers give equal bytes.
func (t *Tokenizer) MarshalJSON() ([]byte, error) {
	if t.foreign != nil {
		return t.foreign.source, nil
	}
	f := file{
		Version:       "1.0",
		Truncation:    json.RawMessage(null),
		Padding:       json.RawMessage(null),
		AddedTokens:   []addedToken{},
		Normalizer:    json.RawMessage(null),
		PreTokenizer:  json.RawMessage(preTokenizerJSON),
		PostProcessor: json.RawMessage(null),
		Decoder:       json.RawMessage(decoderJSON),
		Model: model{
			Type:                    "BPE",
			Dropout:                 json.RawMessage(null),
			UnkToken:                json.RawMessage(null),
			ContinuingSubwordPrefix: json.RawMessage(null),
			EndOfWordSuffix:         json.RawMessage(null),
			Merges:                  make([]string, len(t.merges)),
		},
	}
	vocab := bytes.NewBufferString("{")
	for id := range t.tokens {
		name, added := t.name(int32(id))
		if added {
			f.AddedTokens = append(f.AddedTokens, addedToken{ID: int32(id), Content: name, Special: true})
		}
		key, err := marshal(name)
		if err != nil {
			return nil, err
		}
		if id > 0 {
			vocab.WriteByte(',')
		}
		fmt.Fprintf(vocab, "%s:%d", key, id)
	}
	vocab.WriteByte('}')
	f.Model.Vocab = vocab.Bytes()
	for i, m := range t.merges {
		f.Model.Merges[i] = spell(t.tokens[m.left]) + " " + spell(t.tokens[m.right])
	}
	return marshal(f)
}

// name returns how the file spells a token, and whether it is an added token,
// one that no text encodes to.
func (t *Tokenizer) name(id int32) (string, bool) {
	switch {
	case id < firstByte:
		return controlNames[id], true
	case int(id) >= t.used:
		return reservedName(int(id) - t.used), true
	}
	return spell(t.tokens[id]), false
}

// Load reads what MarshalJSON wrote and refuses everything else, other
// tokenizers and other spellings of this one included: a file that loads
// leaves no doubt about how text encodes, here or in another engine. For
// tokenizers that were made elsewhere see Adopt.
func Load(data []byte) (*Tokenizer, error) {
	read := load
	if bytes.HasPrefix(data, []byte(bundleMark)) {
		read = loadBundle
	}
	t, err := read(data)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	return t, nil
}

func load(data []byte) (*Tokenizer, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%d bytes, limit %d", len(data), MaxFileBytes)
	}
	var f struct {
		Model struct {
			Vocab  map[string]int32 `json:"vocab"`
			Merges []string         `json:"merges"`
		} `json:"model"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	if len(f.Model.Merges) > maxMerges {
		return nil, fmt.Errorf("%d merges, limit %d", len(f.Model.Merges), maxMerges)
	}
	merges := make([][2]int32, len(f.Model.Merges))
	for i, m := range f.Model.Merges {
		left, right, _ := strings.Cut(m, " ")
		for side, s := range [2]string{left, right} {
			id, ok := f.Model.Vocab[s]
			if !ok {
				return nil, fmt.Errorf("merge %d: %.60q is not in the vocabulary", i, s)
			}
			merges[i][side] = id
		}
	}
	t, err := build(len(f.Model.Vocab), merges)
	if err != nil {
		return nil, err
	}
	want, err := t.MarshalJSON()
	if err != nil {
		return nil, err
	}
	for i := range min(len(data), len(want)) {
		if data[i] != want[i] {
			return nil, fmt.Errorf("byte %d: not as this package writes it", i)
		}
	}
	if len(data) != len(want) {
		return nil, fmt.Errorf("%d bytes where this package writes %d", len(data), len(want))
	}
	return t, nil
}
