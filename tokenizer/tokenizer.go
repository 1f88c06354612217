// Package tokenizer turns text into the token ids a model reads and back. It
// is a byte-level byte-pair encoding: any bytes at all survive the round trip,
// valid UTF-8 or not. Tokenizers are trained here, deterministically, and kept
// as Hugging Face tokenizer.json files, which other engines read too; text is
// cut into words by the pattern of Llama 3 before pairs are merged.
//
// Ids are laid out the same way in every tokenizer: five control tokens, the
// 256 bytes, the merged tokens, then reserved ones up to the vocabulary size
// asked for. Text never encodes to a control token, whatever it says: only
// EncodeChat and callers that append ids themselves produce them.
//
// Tokenizers of other models are read, too, if they are byte-pair encodings of
// the kinds of Llama 2, Llama 3 or Qwen 2 (Adopt): they keep their own ids,
// control tokens and ways to cut text.
//
// The package imports little, because the vault links it. It does not read or
// keep corpora. Our own tokenizers normalise nothing.
package tokenizer

import (
	"fmt"
	"slices"
	"strconv"
)

// Control tokens have the same ids in every tokenizer.
const (
	EndOfText int32 = iota // separates documents
	User                   // opens a message of the user
	Assistant              // opens a message of the model
	System                 // opens the instructions
	EndOfTurn              // closes a message
	firstByte              // the token of byte 0
)

// firstMerged is the id of the first token longer than a byte.
const firstMerged = firstByte + 256

// Bounds of a vocabulary, which must fit the 16-bit tokens of corpus shards.
const (
	MinVocab = int(firstMerged)
	MaxVocab = 1 << 16
)

// maxTokenBytes bounds one token. Training stays well below.
const maxTokenBytes = 256

var controlNames = [firstByte]string{"<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"}

func reservedName(i int) string { return "<|reserved_" + strconv.Itoa(i) + "|>" }

// merge joins two adjacent tokens into one; its place in the list is its
// priority.
type merge struct{ left, right, into int32 }

// Tokenizer is immutable and safe for concurrent use.
type Tokenizer struct {
	tokens  [][]byte // by id; empty for control and reserved tokens
	used    int      // ids from here on are reserved
	merges  []merge
	pairs   pairTable
	foreign *foreign // what is different in one that was made elsewhere; else nil
}

// build checks and indexes merges. The id of a merge's result is known when an
// earlier merge made the same bytes, else it is the next free one.
func build(vocab int, merges [][2]int32) (*Tokenizer, error) {
	if vocab < MinVocab || vocab > MaxVocab {
		return nil, fmt.Errorf("vocabulary of %d tokens, want %d to %d", vocab, MinVocab, MaxVocab)
	}
	t := &Tokenizer{
		tokens: make([][]byte, firstMerged, vocab),
		merges: make([]merge, 0, len(merges)),
		pairs:  newPairTable(len(merges)),
	}
	for b := range 256 {
		t.tokens[firstByte+int32(b)] = []byte{byte(b)}
	}
	ids := make(map[string]int32, vocab)
	for rank, m := range merges {
		for _, half := range m {
			if half < firstByte || int(half) >= len(t.tokens) {
				return nil, fmt.Errorf("merge %d: token %d is not known yet", rank, half)
			}
		}
		joined := slices.Concat(t.tokens[m[0]], t.tokens[m[1]])
		if len(joined) > maxTokenBytes {
			return nil, fmt.Errorf("merge %d: token of %d bytes, limit %d", rank, len(joined), maxTokenBytes)
		}
		into, known := ids[string(joined)]
		if !known {
			if len(t.tokens) == vocab {
				return nil, fmt.Errorf("merge %d: more than %d tokens", rank, vocab)
			}
			into = int32(len(t.tokens))
			ids[string(joined)] = into
			t.tokens = append(t.tokens, joined)
		}
		if !t.pairs.add(m[0], m[1], int32(rank)+1, into) {
			return nil, fmt.Errorf("merge %d: repeated", rank)
		}
		t.merges = append(t.merges, merge{m[0], m[1], into})
	}
	t.used = len(t.tokens)
	t.tokens = append(t.tokens, make([][]byte, vocab-len(t.tokens))...)
	return t, nil
}

// Vocab returns the number of token ids, control and reserved ones included.
func (t *Tokenizer) Vocab() int { return len(t.tokens) }

// TokenBytes returns what a token stands for in text: nothing for control,
// reserved and unknown ids. The caller must not change the result.
func (t *Tokenizer) TokenBytes(id int32) []byte {
	if id < 0 || int(id) >= len(t.tokens) {
		return nil
	}
	return t.tokens[id]
}

// Decode returns the text of tokens; ids without text are passed over. The
// result need not be valid UTF-8, as models may produce any tokens.
func (t *Tokenizer) Decode(ids []int32) []byte {
	var text []byte
	for _, id := range ids {
		text = append(text, t.TokenBytes(id)...)
	}
	if t.strips() && len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	return text
}
