package openai

import (
	"encoding/json"
)

// Usage counts tokens.
type Usage struct {
	Prompt     uint64 `json:"prompt_tokens"`
	Completion uint64 `json:"completion_tokens"`
	Total      uint64 `json:"total_tokens"`
}

// NewUsage adds up.
func NewUsage(input, output uint64) Usage { return Usage{input, output, input + output} }

// Model describes one model in a list.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

// Models is the answer to GET /v1/models.
type Models struct {
	Object string  `json:"object"`
	Data   []Model `json:"data"`
}

// Answer renders one answer, whole or in chunks.
type Answer struct {
	ID      string
	Model   string
	Created int64
	Chat    bool
	// System identifies what answered; clients show it as the fingerprint.
	System string
}

type message struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
	Refusal *string `json:"refusal,omitempty"`
}

type choice struct {
	Index   int      `json:"index"`
	Message *message `json:"message,omitempty"`
	Delta   *message `json:"delta,omitempty"`
	Text    *string  `json:"text,omitempty"`
	Log     *int     `json:"logprobs"`
	Finish  *string  `json:"finish_reason"`
}

type envelope struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	System  string   `json:"system_fingerprint,omitempty"`
	Choices []choice `json:"choices"`
	Usage   *Usage   `json:"usage,omitempty"`
}

func (a Answer) envelope(object string, choices []choice, usage *Usage) []byte {
	if choices == nil {
		choices = []choice{}
	}
	out, err := json.Marshal(envelope{a.ID, object, a.Created, a.Model, a.System, choices, usage})
	if err != nil {
		return []byte("{}") // strings and integers always marshal
	}
	return out
}

func (a Answer) chunkObject() string {
	if a.Chat {
		return "chat.completion.chunk"
	}
	return "text_completion"
}

// Whole renders a complete answer.
func (a Answer) Whole(text, finish string, usage Usage) []byte {
	if a.Chat {
		c := choice{Message: &message{Role: "assistant", Content: &text}, Finish: &finish}
		return a.envelope("chat.completion", []choice{c}, &usage)
	}
	return a.envelope("text_completion", []choice{{Text: &text, Finish: &finish}}, &usage)
}

// First renders the chunk that begins a chat; a completion has none.
func (a Answer) First() []byte {
	if !a.Chat {
		return nil
	}
	empty := ""
	return a.envelope(a.chunkObject(), []choice{{Delta: &message{Role: "assistant", Content: &empty}}}, nil)
}

// Part renders a chunk of text.
func (a Answer) Part(text string) []byte {
	c := choice{Text: &text}
	if a.Chat {
		c = choice{Delta: &message{Content: &text}}
	}
	return a.envelope(a.chunkObject(), []choice{c}, nil)
}

// Last renders the chunk that says why the answer ended.
func (a Answer) Last(finish string) []byte {
	empty := ""
	c := choice{Text: &empty, Finish: &finish}
	if a.Chat {
		c = choice{Delta: &message{}, Finish: &finish}
	}
	return a.envelope(a.chunkObject(), []choice{c}, nil)
}

// Total renders the chunk with the usage, which has no choices.
func (a Answer) Total(usage Usage) []byte { return a.envelope(a.chunkObject(), nil, &usage) }
