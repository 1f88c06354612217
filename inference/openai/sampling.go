package openai

import (
	"encoding/json"
	"math"

	"github.com/crescendo-network/crescendo/inference/prompt"
)

// refused lists fields that would change the answer and are not supported, with
// the value that each has when it changes nothing; empty and null ones never do.
var refused = []struct {
	name    string
	neutral any
}{
	{"n", 1.0}, {"best_of", 1.0}, {"suffix", nil}, {"frequency_penalty", 0.0}, {"presence_penalty", 0.0}, {"logit_bias", nil},
	{"tools", nil}, {"functions", nil},
	{"ignore_eos", nil}, {"min_tokens", 0.0}, {"stop_token_ids", nil}, {"bad_words", nil}, {"use_beam_search", nil},
	{"length_penalty", 1.0}, {"prompt_logprobs", nil}, {"truncate_prompt_tokens", nil}, {"include_stop_str_in_output", nil},
	{"allowed_token_ids", nil}, {"logits_processors", nil}, {"structured_outputs", nil}, {"guided_json", nil}, {"guided_regex", nil},
	{"guided_choice", nil}, {"guided_grammar", nil}, {"grammar", nil}, {"json_schema", nil}, {"typical_p", 1.0}, {"mirostat", 0.0},
	{"repeat_penalty", 1.0}, {"chat_template", nil}, {"continue_final_message", nil}, {"add_generation_prompt", true},
	{"add_special_tokens", true}, {"return_tokens_as_token_ids", nil},
}

// unsupported refuses a body that sets one of the refused fields.
func unsupported(body []byte) *Error {
	var fields map[string]json.RawMessage
	if err := unmarshal(body, &fields); err != nil {
		return err
	}
	for _, f := range refused {
		raw, ok := fields[f.name]
		if !ok || !changes(raw, f.neutral) {
			continue
		}
		if f.name == "n" || f.name == "best_of" {
			return invalid(f.name, "%s must be 1", f.name)
		}
		return invalid(f.name, "%s is not supported", f.name)
	}
	return nil
}

// changes reports whether a value is set to something that has an effect.
func changes(raw json.RawMessage, neutral any) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return true
	}
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		want, _ := neutral.(bool)
		return v != want
	case float64:
		return v != neutral
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// sampling holds the fields that both kinds of request share.
type sampling struct {
	Model             string   `json:"model"`
	MaxTokens         *int64   `json:"max_tokens"`
	Temperature       *float64 `json:"temperature"`
	TopP              *float64 `json:"top_p"`
	TopK              *int64   `json:"top_k"`
	MinP              *float64 `json:"min_p"`
	RepetitionPenalty *float64 `json:"repetition_penalty"`
	Seed              *int64   `json:"seed"`
	Stop              stops    `json:"stop"`
	Stream            bool     `json:"stream"`
	StreamOptions     *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	ResponseFormat *struct {
		Type string `json:"type"`
	} `json:"response_format"`
}

// millionths rounds a value in (0, most] so that it does not become zero, which
// means that nothing was asked for.
func millionths(v float64) uint32 { return max(1, uint32(math.Round(v*prompt.Million))) }

// fill checks the shared fields and copies them to the request and to each of
// its prompts.
func (s *sampling) fill(r *Request) *Error {
	if s.ResponseFormat != nil && s.ResponseFormat.Type != "text" && s.ResponseFormat.Type != "" {
		return invalid("response_format", "response_format must be text")
	}
	r.Model, r.Stream = s.Model, s.Stream
	r.IncludeUsage = s.StreamOptions != nil && s.StreamOptions.IncludeUsage
	var p prompt.Request
	if err := s.choose(&p); err != nil {
		return err
	}
	if s.MaxTokens != nil {
		least := int64(0)
		if r.Chat {
			least = 1
		}
		if *s.MaxTokens < least || *s.MaxTokens > math.MaxInt32 {
			return invalid("max_tokens", "max_tokens must be at least %d", least)
		}
		p.MaxTokens, p.PromptOnly = uint32(*s.MaxTokens), *s.MaxTokens == 0
	}
	if s.Seed != nil {
		p.Seed, r.Seeded = uint64(*s.Seed), true
	}
	if len(s.Stop) > prompt.MaxStops {
		return invalid("stop", "at most %d stop sequences", prompt.MaxStops)
	}
	p.Stop = s.Stop
	for i := range r.Prompts {
		q := &r.Prompts[i]
		p.Messages, p.Prompt, p.Tokens = q.Messages, q.Prompt, q.Tokens
		p.Logprobs, p.Alternatives, p.Echo = q.Logprobs, q.Alternatives, q.Echo
		*q = p
		if err := q.Check(); err != nil {
			return invalid("", "%v", err)
		}
	}
	return nil
}

// choose copies how tokens are chosen.
func (s *sampling) choose(p *prompt.Request) *Error {
	p.Temperature = prompt.Million
	if v := s.Temperature; v != nil {
		if !(*v >= 0 && *v <= 2) {
			return invalid("temperature", "temperature must be between 0 and 2")
		}
		p.Temperature = uint32(math.Round(*v * prompt.Million))
	}
	if v := s.TopP; v != nil {
		if !(*v > 0 && *v <= 1) {
			return invalid("top_p", "top_p must be above 0 and at most 1")
		}
		p.TopP = millionths(*v)
	}
	if v := s.TopK; v != nil && *v != -1 {
		if *v < 0 || *v > prompt.MaxTokens {
			return invalid("top_k", "top_k must be 0 or -1 for all, or at most %d", prompt.MaxTokens)
		}
		p.TopK = uint32(*v)
	}
	if v := s.MinP; v != nil && *v != 0 {
		if !(*v > 0 && *v <= 1) {
			return invalid("min_p", "min_p must be between 0 and 1")
		}
		p.MinP = millionths(*v)
	}
	if v := s.RepetitionPenalty; v != nil && *v != 1 {
		if !(*v >= 0.01 && *v <= 10) {
			return invalid("repetition_penalty", "repetition_penalty must be between 0.01 and 10")
		}
		p.RepetitionPenalty = millionths(*v)
	}
	return nil
}
