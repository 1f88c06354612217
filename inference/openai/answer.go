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
	// MaxLength is the context in tokens, as vLLM names it.
	MaxLength uint64 `json:"max_model_len,omitempty"`
	// Weights say what answers are computed with: float32 or q8.
	Weights string `json:"weights,omitempty"`
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

// Choice is the answer to one prompt, or the next part of it.
type Choice struct {
	Index  int
	Text   string
	Finish string // empty while there is more to come
	Scores any    // what Scores.Take returned
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
	Log     any      `json:"logprobs"`
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
		return []byte("{}") // strings, integers and finite numbers always marshal
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
func (a Answer) Whole(choices []Choice, usage Usage) []byte {
	object := "text_completion"
	if a.Chat {
		object = "chat.completion"
	}
	out := make([]choice, len(choices))
	for i := range choices {
		c := &choices[i]
		out[i] = choice{Index: c.Index, Log: c.Scores, Finish: &c.Finish}
		if a.Chat {
			out[i].Message = &message{Role: "assistant", Content: &c.Text}
		} else {
			out[i].Text = &c.Text
		}
	}
	return a.envelope(object, out, &usage)
}

// First renders the chunk that begins a chat; a completion has none.
func (a Answer) First() []byte {
	if !a.Chat {
		return nil
	}
	empty := ""
	return a.envelope(a.chunkObject(), []choice{{Delta: &message{Role: "assistant", Content: &empty}}}, nil)
}

// Part renders a chunk of an answer; one that has a reason to finish is the
// last of its choice.
func (a Answer) Part(c Choice) []byte {
	out := choice{Index: c.Index, Log: c.Scores, Finish: text(c.Finish)}
	switch {
	case !a.Chat:
		out.Text = &c.Text
	case c.Text == "":
		out.Delta = &message{}
	default:
		out.Delta = &message{Content: &c.Text}
	}
	return a.envelope(a.chunkObject(), []choice{out}, nil)
}

// Total renders the chunk with the usage, which has no choices.
func (a Answer) Total(usage Usage) []byte { return a.envelope(a.chunkObject(), nil, &usage) }
