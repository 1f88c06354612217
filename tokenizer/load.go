package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a tokenizer that was made elsewhere. Those of large models have
// about 150,000 tokens; what a corpus can be packed with is less (MaxVocab).
const (
	maxOtherVocab  = 1 << 18
	maxOtherMerges = 1 << 20
	maxOtherToken  = 1024 // bytes
	maxAddedTexts  = 64
	maxAddedText   = 64 // bytes
)

// blank is how tokenizers of characters write one.
const blank = "▁"

// otherFile is a tokenizer.json, as far as it matters how text encodes.
// Truncation and padding, which files have by accident, do not.
type otherFile struct {
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    *step        `json:"normalizer"`
	PreTokenizer  *step        `json:"pre_tokenizer"`
	PostProcessor *step        `json:"post_processor"`
	Decoder       *step        `json:"decoder"`
	Model         struct {
		Type         string           `json:"type"`
		Dropout      *float64         `json:"dropout"`
		Prefix       *string          `json:"continuing_subword_prefix"`
		Suffix       *string          `json:"end_of_word_suffix"`
		ByteFallback bool             `json:"byte_fallback"`
		IgnoreMerges bool             `json:"ignore_merges"`
		Vocab        map[string]int32 `json:"vocab"`
		Merges       []halves         `json:"merges"`
	} `json:"model"`
}

// halves are the two tokens of a merge: a list or, in older files, a string with
// a blank between them.
type halves [2]string

func (h *halves) UnmarshalJSON(data []byte) error {
	var list []string
	if json.Unmarshal(data, &list) != nil {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		list = strings.Split(s, " ")
	}
	if len(list) != 2 || list[0] == "" || list[1] == "" {
		return fmt.Errorf("merge %.80q: want two tokens", data)
	}
	*h = halves(list)
	return nil
}

var byteOf = func() map[rune]byte {
	bytes := make(map[rune]byte, 256)
	for b, r := range alphabet {
		bytes[r] = byte(b)
	}
	return bytes
}()

// loadOther reads a tokenizer.json that was made elsewhere. What would make text
// encode otherwise than here is refused by name.
func loadOther(data []byte) (*Tokenizer, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%d bytes, limit %d", len(data), MaxFileBytes)
	}
	var f otherFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	switch m := f.Model; {
	case m.Type != "BPE" && m.Type != "":
		return nil, fmt.Errorf("model %.40q: only BPE is read", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return nil, fmt.Errorf("its merges are left out at random (dropout %g)", *m.Dropout)
	case m.Prefix != nil && *m.Prefix != "" || m.Suffix != nil && *m.Suffix != "":
		return nil, fmt.Errorf("it marks the parts of words (continuing_subword_prefix, end_of_word_suffix), which is not read")
	case len(m.Merges) > maxOtherMerges:
		return nil, fmt.Errorf("%d merges, limit %d", len(m.Merges), maxOtherMerges)
	}
	o := &foreign{file: data, names: map[int32]string{}, ids: map[string]int32{}}
	t := &Tokenizer{foreign: o}
	if err := o.readSteps(&f); err != nil {
		return nil, err
	}
	if err := t.readTokens(&f); err != nil {
		return nil, err
	}
	if err := t.readMerges(&f); err != nil {
		return nil, err
	}
	if f.Model.IgnoreMerges {
		t.readWords()
	}
	return t, o.readStart(f.PostProcessor, len(t.tokens))
}

// readTokens fills tokens, and what single bytes and characters begin as.
func (t *Tokenizer) readTokens(f *otherFile) error {
	o, vocab := t.foreign, f.Model.Vocab
	size := 0
	spellings := make(map[int32]string, len(vocab)+len(f.AddedTokens))
	set := func(id int32, s string) error {
		if id < 0 || id >= maxOtherVocab {
			return fmt.Errorf("token %.60q has id %d, limit %d", s, id, maxOtherVocab)
		}
		if old, twice := spellings[id]; twice && old != s || len(s) > 4*maxOtherToken {
			return fmt.Errorf("token %d is %.60q, and %.60q, or too long", id, s, old)
		}
		spellings[id], size = s, max(size, int(id)+1)
		return nil
	}
	for s, id := range vocab {
		if err := set(id, s); err != nil {
			return err
		}
	}
	for _, a := range f.AddedTokens {
		if id, known := vocab[a.Content]; a.Content == "" || known && id != a.ID {
			return fmt.Errorf("added token %.60q is %d, in the vocabulary %d", a.Content, a.ID, id)
		}
		if err := set(a.ID, a.Content); err != nil {
			return err
		}
	}
	t.tokens, t.used = make([][]byte, size), size
	for s, id := range vocab {
		if t.tokens[id] = o.textOf(s); len(t.tokens[id]) > maxOtherToken {
			return fmt.Errorf("token %d has %d bytes, limit %d", id, len(t.tokens[id]), maxOtherToken)
		}
	}
	if err := t.readAdded(f.AddedTokens); err != nil {
		return err
	}
	return t.readSymbols(vocab)
}

// readAdded marks control tokens, which no text encodes to, and the others,
// which are text.
func (t *Tokenizer) readAdded(added []addedToken) error {
	o := t.foreign
	for _, a := range added {
		if a.Special {
			if old, twice := o.ids[a.Content]; twice && old != a.ID {
				return fmt.Errorf("two control tokens are called %.60q", a.Content)
			}
			o.names[a.ID], o.ids[a.Content], t.tokens[a.ID] = a.Content, a.ID, nil
			continue
		}
		switch {
		case a.LStrip || a.RStrip || a.SingleWord:
			return fmt.Errorf("added token %.60q takes blanks away or stands for words alone, which is not read", a.Content)
		case o.chars != nil && a.Normalized:
			return fmt.Errorf("added token %.60q is looked for in the normalised text, which is not read of such tokenizers", a.Content)
		case len(a.Content) > maxAddedText || len(o.added[0])+len(o.added[1]) == maxAddedTexts:
			return fmt.Errorf("added token %.60q: at most %d that are not special, of %d bytes", a.Content, maxAddedTexts, maxAddedText)
		}
		pass := 0
		if a.Normalized {
			pass = 1
		}
		t.tokens[a.ID] = []byte(a.Content)
		o.added[pass] = append(o.added[pass], addedText{t.tokens[a.ID], a.ID})
	}
	return nil
}

// readSymbols finds the tokens of single bytes and characters.
func (t *Tokenizer) readSymbols(vocab map[string]int32) error {
	o := t.foreign
	for b := range o.bytes {
		o.bytes[b] = missing
		spelling := string(alphabet[b])
		if o.chars != nil {
			spelling = fmt.Sprintf("<0x%02X>", b)
		}
		id, ok := vocab[spelling]
		if ok && o.names[id] == "" {
			o.bytes[b] = id
		} else if o.chars != nil {
			return fmt.Errorf("it has no token %s: texts could not be read back", spelling)
		}
	}
	if o.chars == nil {
		return nil
	}
	for s, id := range vocab {
		r, n := utf8.DecodeRuneInString(s)
		if n != len(s) || r == utf8.RuneError && n == 1 || r == ' ' || o.names[id] != "" {
			continue
		}
		if s == blank {
			r = ' '
		}
		o.chars[r] = id
	}
	return nil
}

// textOf returns what a token of the vocabulary stands for.
func (o *foreign) textOf(spelling string) []byte {
	if o.chars != nil {
		if b, ok := fallbackByte(spelling); ok {
			return []byte{b}
		}
		return []byte(strings.ReplaceAll(spelling, blank, " "))
	}
	var text []byte
	for _, r := range spelling {
		b, ok := byteOf[r]
		if !ok {
			return []byte(spelling) // no text encodes to it
		}
		text = append(text, b)
	}
	return text
}

func fallbackByte(spelling string) (byte, bool) {
	if len(spelling) != len("<0x00>") || !strings.HasPrefix(spelling, "<0x") || spelling[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(spelling[3:5], 16, 8)
	return byte(b), err == nil
}

func (t *Tokenizer) readMerges(f *otherFile) error {
	o := t.foreign
	t.pairs = newPairTable(len(f.Model.Merges))
	crossing := false
	for rank, m := range f.Model.Merges {
		var ids [3]int32
		for i, s := range [3]string{m[0], m[1], m[0] + m[1]} {
			id, ok := f.Model.Vocab[s]
			if !ok || o.names[id] != "" {
				return fmt.Errorf("merge %d: %.60q is not a token of text", rank, s)
			}
			ids[i] = id
		}
		if !t.pairs.add(ids[0], ids[1], int32(rank)+1, ids[2]) {
			return fmt.Errorf("merge %d: repeated", rank)
		}
		left, right := t.tokens[ids[0]], t.tokens[ids[1]]
		crossing = crossing || !bytes.HasSuffix(left, []byte{' '}) && bytes.HasPrefix(right, []byte{' '})
	}
	o.cuts = !crossing && !f.Model.IgnoreMerges
	return nil
}

// readWords indexes tokens by text, for words that are looked up whole.
func (t *Tokenizer) readWords() {
	t.foreign.words = make(map[string]int32, len(t.tokens))
	for id := len(t.tokens) - 1; id >= 0; id-- {
		if text := t.tokens[id]; len(text) > 0 {
			t.foreign.words[string(text)] = int32(id)
		}
	}
}
