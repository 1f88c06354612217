// Package template turns a request into the tokens that a model sees. Vault
// and client compute it alike, so that both count the same prompt tokens.
package template

import (
	"fmt"

	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// Tokens returns the prompt's tokens: those given, as they are; a chat laid out
// by the tokenizer; or plain text at the beginning of a document.
func Tokens(t *tokenizer.Tokenizer, r *prompt.Request) ([]int32, error) {
	switch {
	case len(r.Tokens) > 0:
		return given(t, r.Tokens)
	case len(r.Messages) == 0:
		return t.EncodePrompt([]byte(r.Prompt)), nil
	}
	return t.EncodeChat(turns(r))
}

func given(t *tokenizer.Tokenizer, tokens []uint32) ([]int32, error) {
	out := make([]int32, len(tokens))
	for i, id := range tokens {
		if uint64(id) >= uint64(t.Vocab()) {
			return nil, fmt.Errorf("token %d of the prompt is %d, the vocabulary has %d", i, id, t.Vocab())
		}
		out[i] = int32(id)
	}
	return out, nil
}

// Closed returns the tokens of a chat that is over.
func Closed(t *tokenizer.Tokenizer, r *prompt.Request) ([]int32, error) {
	return t.EncodeTurns(turns(r))
}

func turns(r *prompt.Request) []tokenizer.Message {
	messages := make([]tokenizer.Message, len(r.Messages))
	for i, m := range r.Messages {
		messages[i] = tokenizer.Message{Role: m.Role, Content: m.Content}
	}
	return messages
}
