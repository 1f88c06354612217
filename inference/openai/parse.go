package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo/inference/prompt"
)

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

func unmarshal(body []byte, dst any) *Error {
	if err := json.Unmarshal(body, dst); err != nil {
		return invalid("", "the body is not the JSON that is expected: %v", err)
	}
	return nil
}

type turn struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

func turns(in []turn) ([]prompt.Message, *Error) {
	if len(in) == 0 {
		return nil, invalid("messages", "messages must not be empty")
	}
	out := make([]prompt.Message, 0, len(in))
	for i, m := range in {
		role := m.Role
		if role == "developer" {
			role = "system"
		}
		if role != "system" && role != "user" && role != "assistant" {
			return nil, invalid(fmt.Sprintf("messages.%d.role", i), "role %.32q is not supported: use system, user or assistant", m.Role)
		}
		out = append(out, prompt.Message{Role: role, Content: valid(string(m.Content))})
	}
	return out, nil
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// ParseChat reads the body of POST /v1/chat/completions.
func ParseChat(body []byte) (Request, *Error) {
	var in struct {
		sampling
		MaxCompletion *int64 `json:"max_completion_tokens"`
		Messages      []turn `json:"messages"`
		Logprobs      bool   `json:"logprobs"`
		TopLogprobs   *int64 `json:"top_logprobs"`
		Echo          bool   `json:"echo"`
	}
	r := Request{Chat: true}
	if err := unsupported(body); err != nil {
		return r, err
	}
	if err := unmarshal(body, &in); err != nil {
		return r, err
	}
	messages, err := turns(in.Messages)
	if err != nil {
		return r, err
	}
	p := prompt.Request{Messages: messages, Logprobs: in.Logprobs}
	switch n := in.TopLogprobs; {
	case in.Echo:
		return r, invalid("echo", "echo is not supported for a chat")
	case n == nil || *n == 0:
	case *n < 0 || *n > prompt.MaxAlternatives:
		return r, invalid("top_logprobs", "top_logprobs must be between 0 and %d", prompt.MaxAlternatives)
	case !in.Logprobs:
		return r, invalid("top_logprobs", "top_logprobs needs logprobs to be true")
	default:
		p.Alternatives = uint32(*n)
	}
	if in.MaxCompletion != nil {
		in.MaxTokens = in.MaxCompletion
	}
	r.Prompts = []prompt.Request{p}
	err = in.fill(&r)
	return r, err
}

// ParseCompletion reads the body of POST /v1/completions.
func ParseCompletion(body []byte) (Request, *Error) {
	var in struct {
		sampling
		Prompt   json.RawMessage `json:"prompt"`
		Echo     bool            `json:"echo"`
		Logprobs *int64          `json:"logprobs"`
	}
	var r Request
	if err := unsupported(body); err != nil {
		return r, err
	}
	if err := unmarshal(body, &in); err != nil {
		return r, err
	}
	var err *Error
	if r.Prompts, err = prompts(in.Prompt); err != nil {
		return r, err
	}
	if in.Logprobs != nil && (*in.Logprobs < 0 || *in.Logprobs > prompt.MaxAlternatives) {
		return r, invalid("logprobs", "logprobs must be between 0 and %d", prompt.MaxAlternatives)
	}
	for i := range r.Prompts {
		p := &r.Prompts[i]
		p.Echo = in.Echo
		if in.Logprobs != nil {
			p.Logprobs, p.Alternatives = true, uint32(*in.Logprobs)
		}
	}
	if in.MaxTokens == nil {
		n := int64(defaultCompletion)
		in.MaxTokens = &n
	}
	err = in.fill(&r)
	return r, err
}

// prompts reads the four forms of a prompt: a text, texts, tokens, lists of
// tokens.
func prompts(raw json.RawMessage) ([]prompt.Request, *Error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return []prompt.Request{{}}, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []prompt.Request{{Prompt: valid(one)}}, nil
	}
	var texts []string
	if json.Unmarshal(raw, &texts) == nil {
		return each(len(texts), func(i int, p *prompt.Request) *Error { p.Prompt = valid(texts[i]); return nil })
	}
	var tokens []uint32
	if json.Unmarshal(raw, &tokens) == nil {
		return each(1, func(_ int, p *prompt.Request) *Error { return given(p, tokens) })
	}
	var lists [][]uint32
	if json.Unmarshal(raw, &lists) == nil {
		return each(len(lists), func(i int, p *prompt.Request) *Error { return given(p, lists[i]) })
	}
	return nil, invalid("prompt", "prompt must be a string, a list of strings, a list of token ids or a list of such lists")
}

func given(p *prompt.Request, tokens []uint32) *Error {
	if len(tokens) == 0 || len(tokens) > prompt.MaxTokens {
		return invalid("prompt", "a prompt of %d token ids, want 1 to %d", len(tokens), prompt.MaxTokens)
	}
	p.Tokens = tokens
	return nil
}

func each(n int, fill func(int, *prompt.Request) *Error) ([]prompt.Request, *Error) {
	if n < 1 || n > MaxPrompts {
		return nil, invalid("prompt", "%d prompts, want 1 to %d", n, MaxPrompts)
	}
	out := make([]prompt.Request, n)
	for i := range out {
		if err := fill(i, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
