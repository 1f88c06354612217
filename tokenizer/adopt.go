package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Bounds of what a folder says beside its tokenizer.json.
const (
	maxStart  = 8
	maxEnds   = 64
	maxConfig = 1 << 20
)

// bundleMark begins what Adopt makes of a tokenizer of another kind.
const bundleMark = `{"crescendo":"tokenizer/1",`

// A bundle is a tokenizer.json made elsewhere and what its folder says beside it.
type bundle struct {
	Mark      string          `json:"crescendo"`
	Vocab     int             `json:"vocab"`     // of the model: what its tokenizer has no word for stays unused
	Start     []int32         `json:"start"`     // what a prompt begins with
	Between   int32           `json:"separator"` // what stands before each document of a corpus
	Ends      []int32         `json:"ends"`      // what ends an answer
	Tokenizer json.RawMessage `json:"tokenizer"` // tokenizer.json, without white space
}

// Folder is what a model's folder says of its tokenizer.
type Folder struct {
	Tokenizer []byte // tokenizer.json
	Config    []byte // tokenizer_config.json; nil: there is none
	Vocab     int    // of the model
	BOS       *int32 // as its generation config or config has it; nil: none
	EOS       []int32
}

// Adopt makes of a folder's tokenizer what Load reads: the file as it is, if it
// is of the kind that this package trains, else the file and what the folder
// says of it, in one.
func Adopt(f Folder) ([]byte, error) {
	if _, err := Load(f.Tokenizer); err == nil {
		return f.Tokenizer, nil
	}
	data, err := adopt(f)
	if err != nil {
		return nil, fmt.Errorf("read tokenizer.json: %w", err)
	}
	return data, nil
}

func adopt(f Folder) ([]byte, error) {
	t, err := loadOther(f.Tokenizer)
	if err != nil {
		return nil, err
	}
	if f.Vocab < len(t.tokens) {
		return nil, fmt.Errorf("it has %d tokens, the model %d", len(t.tokens), f.Vocab)
	}
	b := bundle{Mark: "tokenizer/1", Vocab: f.Vocab, Start: t.foreign.start, Ends: f.EOS, Tokenizer: f.Tokenizer}
	if err := b.configure(t, f); err != nil {
		return nil, err
	}
	if b.Start == nil {
		b.Start = []int32{}
	}
	switch {
	case len(b.Start) > 0:
		b.Between = b.Start[0]
	case len(b.Ends) > 0:
		b.Between = b.Ends[0]
	default:
		return nil, fmt.Errorf("the folder names neither a token that begins a text nor one that ends it (bos_token, eos_token)")
	}
	data, err := marshal(b)
	if err != nil {
		return nil, err
	}
	if _, err := Load(data); err != nil {
		return nil, err
	}
	return data, nil
}

// configure reads what tokenizer_config.json says of the first and the last
// token. Of the first it knows better than the file, if it says whether there is
// one: so do the programs that folders are made for.
func (b *bundle) configure(t *Tokenizer, f Folder) error {
	if f.Config == nil {
		return nil
	}
	if len(f.Config) > maxConfig {
		return fmt.Errorf("tokenizer_config.json has %d bytes, limit %d", len(f.Config), maxConfig)
	}
	var c struct {
		AddBOS *bool      `json:"add_bos_token"`
		BOS    namedToken `json:"bos_token"`
		EOS    namedToken `json:"eos_token"`
	}
	if err := json.Unmarshal(f.Config, &c); err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	if id, ok := t.ControlID(string(c.EOS)); ok && !slices.Contains(b.Ends, id) {
		b.Ends = append(slices.Clone(b.Ends), id)
	}
	if c.AddBOS == nil {
		return nil
	}
	b.Start = nil
	if id, ok := t.ControlID(string(c.BOS)); ok && *c.AddBOS {
		b.Start = []int32{id}
	} else if f.BOS != nil && *c.AddBOS {
		b.Start = []int32{*f.BOS}
	}
	return nil
}

// namedToken is a token's name, alone or within an object.
type namedToken string

func (n *namedToken) UnmarshalJSON(data []byte) error {
	var object struct {
		Content string `json:"content"`
	}
	if json.Unmarshal(data, &object) == nil {
		*n = namedToken(object.Content)
		return nil
	}
	return json.Unmarshal(data, (*string)(n))
}

func loadBundle(data []byte) (*Tokenizer, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%d bytes, limit %d", len(data), MaxFileBytes)
	}
	var b bundle
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, err
	}
	if again, err := marshal(b); err != nil || !bytes.Equal(again, data) {
		return nil, fmt.Errorf("not as this package writes it")
	}
	t, err := loadOther(b.Tokenizer)
	if err != nil {
		return nil, err
	}
	switch {
	case b.Vocab < len(t.tokens) || b.Vocab > maxOtherVocab:
		return nil, fmt.Errorf("vocabulary of %d tokens, want %d to %d", b.Vocab, len(t.tokens), maxOtherVocab)
	case len(b.Start) > maxStart || len(b.Ends) > maxEnds:
		return nil, fmt.Errorf("%d tokens begin a text and %d end it", len(b.Start), len(b.Ends))
	}
	for _, id := range slices.Concat(b.Start, b.Ends, []int32{b.Between}) {
		if id < 0 || int(id) >= b.Vocab {
			return nil, fmt.Errorf("token %d begins or ends a text, of %d", id, b.Vocab)
		}
	}
	if t.Control(b.Between) == "" {
		return nil, fmt.Errorf("token %d separates documents, but is text or not known", b.Between)
	}
	t.tokens = append(t.tokens, make([][]byte, b.Vocab-len(t.tokens))...)
	o := t.foreign
	o.source, o.start, o.between, o.ends = data, b.Start, b.Between, b.Ends
	o.layout = layoutOf(t)
	return t, nil
}

// Separator returns the token that stands before each document of a corpus.
func (t *Tokenizer) Separator() int32 {
	if t.foreign == nil {
		return EndOfText
	}
	return t.foreign.between
}

// Start returns the tokens that a prompt begins with.
func (t *Tokenizer) Start() []int32 {
	if t.foreign == nil {
		return []int32{EndOfText}
	}
	return slices.Clone(t.foreign.start)
}

// BOS returns the first of them; nil in tokenizers of our own kind, whose files
// name none.
func (t *Tokenizer) BOS() *int32 {
	if t.foreign == nil || len(t.foreign.start) == 0 {
		return nil
	}
	id := t.foreign.start[0]
	return &id
}

// Ends returns the tokens that end an answer.
func (t *Tokenizer) Ends() []int32 {
	if t.foreign == nil {
		return []int32{EndOfText, EndOfTurn}
	}
	ends := append(slices.Clone(t.foreign.ends), t.foreign.between)
	ends = append(ends, t.foreign.layout.end(t)...)
	slices.Sort(ends)
	return slices.Compact(ends)
}

// EncodePrompt returns the tokens of a text as the model is to go on with it;
// there is at least one.
func (t *Tokenizer) EncodePrompt(text []byte) []int32 {
	ids := t.AppendEncode(t.Start(), text)
	if len(ids) == 0 {
		ids = append(ids, t.Separator())
	}
	return ids
}

// Loses reports whether decoding the tokens of a text gives another text.
func (t *Tokenizer) Loses(text []byte) bool {
	return t.foreign != nil && !bytes.Equal(t.Decode(t.Encode(text)), text)
}

// FileJSON returns the tokenizer.json, for other programs to read.
func (t *Tokenizer) FileJSON() ([]byte, error) {
	if t.foreign != nil {
		return t.foreign.file, nil
	}
	return t.MarshalJSON()
}
