// Package openai is the part of OpenAI's HTTP interface that a sealed model is
// offered under: its JSON forms, and how they map to sealed requests. Where
// vLLM and other servers have settled on more than OpenAI has (token ids as
// prompts, top_k, min_p, repetition_penalty, tokenize), it follows them. It
// sets no sockets up and knows no vault.
//
// Fields that would change the answer and are not supported are refused by
// name; all others are passed over, as clients send many.
package openai

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/crescendo-network/crescendo/inference/prompt"
)

const (
	// MaxBody bounds the body of a request.
	MaxBody = 4 << 20
	// MaxPrompts bounds the prompts of one request.
	MaxPrompts = 128
	// defaultCompletion is OpenAI's default for max_tokens of /v1/completions.
	defaultCompletion = 16
)

// Request is a parsed request of either kind.
type Request struct {
	Model        string
	Chat         bool
	Stream       bool
	IncludeUsage bool
	Seeded       bool
	Prompts      []prompt.Request // without session and signature; one for each choice
}

// Error is OpenAI's error object with its HTTP status.
type Error struct {
	Status  int     `json:"-"`
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Body returns the JSON body of the error.
func (e *Error) Body() []byte {
	out, err := json.Marshal(struct {
		Error *Error `json:"error"`
	}{e})
	if err != nil {
		return []byte(`{"error":{"message":"internal error","type":"server_error","param":null,"code":null}}`)
	}
	return append(out, '\n')
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Errorf makes an error. Param and code may be empty.
func Errorf(status int, kind, param, code, format string, args ...any) *Error {
	return &Error{Status: status, Type: kind, Param: text(param), Code: text(code), Message: fmt.Sprintf(format, args...)}
}

func invalid(param, format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "invalid_request_error", param, "", format, args...)
}

// FromFailure maps what a vault answered to OpenAI's errors.
func FromFailure(f prompt.Failure, chat bool) *Error {
	param := "prompt"
	if chat {
		param = "messages"
	}
	message := f.Text
	if f.Hint != "" {
		message += "; " + f.Hint
	}
	switch f.Code {
	case prompt.FailContext:
		return Errorf(http.StatusBadRequest, "invalid_request_error", param, "context_length_exceeded", "%s", message)
	case prompt.FailRequest:
		return Errorf(http.StatusBadRequest, "invalid_request_error", "", "", "%s", message)
	case prompt.FailFunds:
		return Errorf(http.StatusTooManyRequests, "insufficient_quota", "", "insufficient_quota", "%s", message)
	case prompt.FailBusy:
		return Errorf(http.StatusServiceUnavailable, "server_error", "", "overloaded", "%s", message)
	}
	return Errorf(http.StatusBadGateway, "server_error", "", f.Code, "%s", message)
}
