// Package template turns a request into the tokens that a model sees. Vault
// and client compute it alike, so that both count the same prompt tokens.
package template

import (
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// Tokens returns the prompt's tokens: a chat laid out by the tokenizer, or
// plain text at the beginning of a document.
func Tokens(t *tokenizer.Tokenizer, r *prompt.Request) ([]int32, error) {
	if len(r.Messages) == 0 {
		return t.AppendEncode([]int32{tokenizer.EndOfText}, []byte(r.Prompt)), nil
	}
	messages := make([]tokenizer.Message, len(r.Messages))
	for i, m := range r.Messages {
		messages[i] = tokenizer.Message{Role: m.Role, Content: m.Content}
	}
	return t.EncodeChat(messages)
}
