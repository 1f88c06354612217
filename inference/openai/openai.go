// Package openai is the part of OpenAI's HTTP interface that a sealed model is
// offered under: its JSON forms, and how they map to a sealed request. It sets
// no sockets up and knows no vault.
//
// Fields that would change the answer and are not supported are refused by
// name; fields that change nothing here are passed over, as clients send many.
package openai

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"

	"github.com/crescendo-network/crescendo/inference/prompt"
)

// MaxBody bounds the body of a request.
const MaxBody = 1 << 20

// defaultCompletion is OpenAI's default for max_tokens of /v1/completions.
const defaultCompletion = 16

// Request is a parsed request of either kind.
type Request struct {
	Model        string
	Chat         bool
	Stream       bool
	IncludeUsage bool
	Echo         bool
	Prompt       prompt.Request // without session and signature
	Seeded       bool
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

// stops is a string or a list of strings.
type stops []string

// UnmarshalJSON implements json.Unmarshaler.
func (s *stops) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		if one != "" {
			*s = stops{one}
		}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(s))
}

// content is a string, null, or a list of text parts.
type content string

// UnmarshalJSON implements json.Unmarshaler.
func (c *content) UnmarshalJSON(raw []byte) error {
	var one *string
	if json.Unmarshal(raw, &one) == nil {
		if one != nil {
			*c = content(*one)
		}
		return nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Type != "text" {
			return fmt.Errorf("content of type %.32q: only text is supported", p.Type)
		}
		b.WriteString(p.Text)
	}
	*c = content(b.String())
	return nil
}

// sampling holds the fields that both kinds of request share.
type sampling struct {
	Model         string   `json:"model"`
	MaxTokens     *int64   `json:"max_tokens"`
	Temperature   *float64 `json:"temperature"`
	TopP          *float64 `json:"top_p"`
	N             *int64   `json:"n"`
	Seed          *int64   `json:"seed"`
	Stop          stops    `json:"stop"`
	Stream        bool     `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	FrequencyPenalty float64         `json:"frequency_penalty"`
	PresencePenalty  float64         `json:"presence_penalty"`
	LogitBias        map[string]any  `json:"logit_bias"`
	Tools            json.RawMessage `json:"tools"`
	ResponseFormat   *struct {
		Type string `json:"type"`
	} `json:"response_format"`
}

func (s *sampling) unsupported() *Error {
	switch {
	case s.N != nil && *s.N != 1:
		return invalid("n", "n must be 1")
	case s.FrequencyPenalty != 0:
		return invalid("frequency_penalty", "frequency_penalty is not supported")
	case s.PresencePenalty != 0:
		return invalid("presence_penalty", "presence_penalty is not supported")
	case len(s.LogitBias) > 0:
		return invalid("logit_bias", "logit_bias is not supported")
	case len(s.Tools) > 0 && string(s.Tools) != "null" && string(s.Tools) != "[]":
		return invalid("tools", "tools are not supported")
	case s.ResponseFormat != nil && s.ResponseFormat.Type != "text" && s.ResponseFormat.Type != "":
		return invalid("response_format", "response_format must be text")
	}
	return nil
}

// fill checks the shared fields and copies them.
func (s *sampling) fill(r *Request) *Error {
	if err := s.unsupported(); err != nil {
		return err
	}
	r.Model, r.Stream = s.Model, s.Stream
	r.IncludeUsage = s.StreamOptions != nil && s.StreamOptions.IncludeUsage
	p := &r.Prompt
	p.Temperature, p.Stop = prompt.Million, s.Stop
	if s.Temperature != nil {
		if !(*s.Temperature >= 0 && *s.Temperature <= 2) {
			return invalid("temperature", "temperature must be between 0 and 2")
		}
		p.Temperature = uint32(math.Round(*s.Temperature * prompt.Million))
	}
	if s.TopP != nil {
		if !(*s.TopP > 0 && *s.TopP <= 1) {
			return invalid("top_p", "top_p must be above 0 and at most 1")
		}
		p.TopP = max(1, uint32(math.Round(*s.TopP*prompt.Million)))
	}
	if s.MaxTokens != nil {
		if *s.MaxTokens < 1 || *s.MaxTokens > math.MaxInt32 {
			return invalid("max_tokens", "max_tokens must be at least 1")
		}
		p.MaxTokens = uint32(*s.MaxTokens)
	}
	if s.Seed != nil {
		p.Seed, r.Seeded = uint64(*s.Seed), true
	}
	if len(p.Stop) > prompt.MaxStops {
		return invalid("stop", "at most %d stop sequences", prompt.MaxStops)
	}
	if err := p.Check(); err != nil {
		return invalid("", "%v", err)
	}
	return nil
}

func unmarshal(body []byte, dst any) *Error {
	if err := json.Unmarshal(body, dst); err != nil {
		return invalid("", "the body is not the JSON that is expected: %v", err)
	}
	return nil
}

// ParseChat reads the body of POST /v1/chat/completions.
func ParseChat(body []byte) (Request, *Error) {
	var in struct {
		sampling
		MaxCompletion *int64 `json:"max_completion_tokens"`
		Messages      []struct {
			Role    string  `json:"role"`
			Content content `json:"content"`
		} `json:"messages"`
		Logprobs bool `json:"logprobs"`
	}
	r := Request{Chat: true}
	if err := unmarshal(body, &in); err != nil {
		return r, err
	}
	if len(in.Messages) == 0 {
		return r, invalid("messages", "messages must not be empty")
	}
	if in.Logprobs {
		return r, invalid("logprobs", "logprobs are not supported")
	}
	if in.MaxCompletion != nil {
		in.MaxTokens = in.MaxCompletion
	}
	for i, m := range in.Messages {
		role := m.Role
		if role == "developer" {
			role = "system"
		}
		if role != "system" && role != "user" && role != "assistant" {
			return r, invalid(fmt.Sprintf("messages.%d.role", i), "role %.32q is not supported: use system, user or assistant", m.Role)
		}
		r.Prompt.Messages = append(r.Prompt.Messages, prompt.Message{Role: role, Content: strings.ToValidUTF8(string(m.Content), "\uFFFD")})
	}
	return r, in.fill(&r)
}

// ParseCompletion reads the body of POST /v1/completions.
func ParseCompletion(body []byte) (Request, *Error) {
	var in struct {
		sampling
		Prompt   json.RawMessage `json:"prompt"`
		Echo     bool            `json:"echo"`
		Suffix   *string         `json:"suffix"`
		BestOf   *int64          `json:"best_of"`
		Logprobs *int64          `json:"logprobs"`
	}
	var r Request
	if err := unmarshal(body, &in); err != nil {
		return r, err
	}
	switch {
	case in.Suffix != nil && *in.Suffix != "":
		return r, invalid("suffix", "suffix is not supported")
	case in.BestOf != nil && *in.BestOf != 1:
		return r, invalid("best_of", "best_of must be 1")
	case in.Logprobs != nil:
		return r, invalid("logprobs", "logprobs are not supported")
	}
	var one string
	var list []string
	switch {
	case len(in.Prompt) == 0:
	case json.Unmarshal(in.Prompt, &one) == nil:
	case json.Unmarshal(in.Prompt, &list) == nil && len(list) == 1:
		one = list[0]
	default:
		return r, invalid("prompt", "prompt must be one string")
	}
	r.Echo, r.Prompt.Prompt = in.Echo, strings.ToValidUTF8(one, "\uFFFD")
	if in.MaxTokens == nil {
		n := int64(defaultCompletion)
		in.MaxTokens = &n
	}
	return r, in.fill(&r)
}
