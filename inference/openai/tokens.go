package openai

import (
	"math"

	"github.com/crescendo-network/crescendo/inference/prompt"
)

// TokenizeRequest asks for the tokens of a text or a chat.
type TokenizeRequest struct {
	Model   string         // empty: whichever is served
	Prompt  prompt.Request // with Messages or Prompt only
	Bare    bool           // without the token that begins a document
	Closed  bool           // of a chat: without the opening of the answer
	Strings bool           // say what each token stands for
}

// Tokenized is the answer to it.
type Tokenized struct {
	Count     int      `json:"count"`
	MaxLength uint64   `json:"max_model_len"`
	Tokens    []int32  `json:"tokens"`
	Strings   []string `json:"token_strs"`
}

// Detokenized is the answer to POST /detokenize.
type Detokenized struct {
	Prompt string `json:"prompt"`
}

// ParseTokenize reads the body of POST /tokenize.
func ParseTokenize(body []byte) (TokenizeRequest, *Error) {
	var in struct {
		Model         string  `json:"model"`
		Prompt        *string `json:"prompt"`
		Messages      []turn  `json:"messages"`
		AddSpecial    *bool   `json:"add_special_tokens"`
		AddGeneration *bool   `json:"add_generation_prompt"`
		Strings       bool    `json:"return_token_strs"`
	}
	var r TokenizeRequest
	if err := unmarshal(body, &in); err != nil {
		return r, err
	}
	r.Model, r.Strings = in.Model, in.Strings
	r.Bare = in.AddSpecial != nil && !*in.AddSpecial
	r.Closed = in.AddGeneration != nil && !*in.AddGeneration
	if in.Prompt != nil {
		if len(in.Messages) > 0 {
			return r, invalid("messages", "either prompt or messages")
		}
		r.Prompt.Prompt = valid(*in.Prompt)
		return r, nil
	}
	messages, err := turns(in.Messages)
	if err != nil {
		return r, invalid("prompt", "prompt or messages must be given: %s", err.Message)
	}
	r.Prompt.Messages = messages
	if err := r.Prompt.Check(); err != nil {
		return r, invalid("messages", "%v", err)
	}
	return r, nil
}

// ParseDetokenize reads the body of POST /detokenize.
func ParseDetokenize(body []byte) (model string, tokens []int32, bad *Error) {
	var in struct {
		Model  string   `json:"model"`
		Tokens []uint32 `json:"tokens"`
	}
	if err := unmarshal(body, &in); err != nil {
		return "", nil, err
	}
	if len(in.Tokens) > prompt.MaxTokens {
		return "", nil, invalid("tokens", "%d tokens, limit %d", len(in.Tokens), prompt.MaxTokens)
	}
	tokens = make([]int32, len(in.Tokens))
	for i, id := range in.Tokens {
		if id > math.MaxInt32 {
			return "", nil, invalid("tokens", "token %d is out of range", id)
		}
		tokens[i] = int32(id)
	}
	return in.Model, tokens, nil
}
