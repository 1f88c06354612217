package tokenizer

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// foreign is what is different in a tokenizer that was made elsewhere. There are
// two kinds. Those of bytes spell each byte as a character and cut text into
// words by a pattern (Llama 3, Qwen 2, SmolLM). Those of characters merge the
// characters of a text whose blanks are written as "▁", and spell what they do
// not know byte by byte (Llama 2, Mistral).
type foreign struct {
	source  []byte           // as Load took it
	file    []byte           // the tokenizer.json in it
	names   map[int32]string // of control tokens
	ids     map[string]int32 // the reverse
	bytes   [256]int32       // tokens of bytes, or missing
	chars   map[rune]int32   // tokens of characters; nil in those of bytes
	words   map[string]int32 // words that are not merged, but looked up
	scan    func([]byte) int // the pattern; nil in those of characters
	digits  bool             // each number is a word, whatever the pattern says
	nfc     bool             // texts are normalised
	prefix  prefix           // the blank that a text begins with
	strip   bool             // whether decoding takes it away
	cuts    bool             // whether merges never cross the beginning of a run of blanks
	added   [2][]addedText   // texts that are one token: before and after normalisation
	start   []int32          // what a prompt begins with
	between int32            // what stands before each document of a corpus
	ends    []int32          // what ends an answer
	layout  *layout          // of chats
}

const missing int32 = -1

// prefix says when a blank is put before a text.
type prefix uint8

const (
	prefixNever   prefix = iota
	prefixEach           // before each part that is not empty
	prefixLacking        // before each part that does not begin with one
	prefixFirst          // as before, at the beginning of the text alone
)

// addedText is a text that is one token wherever it stands.
type addedText struct {
	text []byte
	id   int32
}

func (t *Tokenizer) strips() bool { return t.foreign != nil && t.foreign.strip }

// AppendContinuation appends the tokens of a text that goes on after another.
func (t *Tokenizer) AppendContinuation(ids []int32, text []byte) []int32 {
	if t.foreign == nil {
		return t.AppendEncode(ids, text)
	}
	return t.appendOther(ids, text, false, t.appendWord)
}

// appendOther cuts a text into words, as the tokenizer does it, and appends the
// tokens that encode gives for each. first is whether the text begins there.
func (t *Tokenizer) appendOther(ids []int32, text []byte, first bool, encode func([]int32, []byte) []int32) []int32 {
	o := t.foreign
	return o.parts(ids, text, o.added[0], func(ids []int32, part []byte, at int) []int32 {
		if o.nfc {
			part = norm.NFC.Bytes(part)
		}
		return o.parts(ids, part, o.added[1], func(ids []int32, part []byte, at2 int) []int32 {
			if o.chars == nil {
				return o.eachBytes(ids, part, encode)
			}
			if begins := at == 0 && at2 == 0; first || !begins {
				part = o.blanked(part, begins)
			} else {
				part = bytes.ReplaceAll(part, []byte(blank), []byte{' '})
			}
			return o.eachChars(ids, part, encode)
		})
	})
}

// parts cuts out the texts that are one token: of those that begin at the same
// place, the longest. They are few, and short.
func (o *foreign) parts(ids []int32, text []byte, added []addedText, visit func([]int32, []byte, int) []int32) []int32 {
	begin := 0
	for i := 0; len(added) > 0 && i < len(text); i++ {
		var found addedText
		for _, a := range added {
			if a.text[0] == text[i] && len(a.text) > len(found.text) && bytes.HasPrefix(text[i:], a.text) {
				found = a
			}
		}
		if found.text == nil {
			continue
		}
		if begin < i {
			ids = visit(ids, text[begin:i], begin)
		}
		ids = append(ids, found.id)
		begin = i + len(found.text)
		i = begin - 1
	}
	if begin < len(text) {
		ids = visit(ids, text[begin:], begin)
	}
	return ids
}

// blanked puts the blank before a part that it begins with. What a text writes
// as "▁" is a blank for such tokenizers: that their decoding cannot tell.
func (o *foreign) blanked(part []byte, begins bool) []byte {
	part = bytes.ReplaceAll(part, []byte(blank), []byte{' '})
	put := false
	switch o.prefix {
	case prefixEach:
		put = true
	case prefixLacking:
		put = part[0] != ' '
	case prefixFirst:
		put = begins && part[0] != ' '
	}
	if put {
		return append([]byte{' '}, part...)
	}
	return part
}

func (o *foreign) eachBytes(ids []int32, text []byte, encode func([]int32, []byte) []int32) []int32 {
	for len(text) > 0 {
		section := text
		if o.digits {
			section = text[:nextSection(text)]
		}
		text = text[len(section):]
		for len(section) > 0 {
			n := o.scan(section)
			ids = encode(ids, section[:n])
			section = section[n:]
		}
	}
	return ids
}

func (o *foreign) eachChars(ids []int32, text []byte, encode func([]int32, []byte) []int32) []int32 {
	for len(text) > 0 {
		n := len(text)
		if o.cuts {
			n = nextBlank(text)
		}
		ids = encode(ids, text[:n])
		text = text[n:]
	}
	return ids
}

// appendSymbols appends what merging begins with.
func (o *foreign) appendSymbols(ids []int32, word []byte) []int32 {
	for i := 0; i < len(word); {
		n := 1
		if o.chars != nil {
			var r rune
			r, n = utf8.DecodeRune(word[i:])
			if id, ok := o.chars[r]; ok && !(r == utf8.RuneError && n == 1) {
				ids, i = append(ids, id), i+n
				continue
			}
		}
		for _, b := range word[i : i+n] {
			if id := o.bytes[b]; id != missing {
				ids = append(ids, id)
			}
		}
		i += n
	}
	return ids
}
