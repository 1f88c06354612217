package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/inference/prompt"
)

func TestParseChat(t *testing.T) {
	got, err := ParseChat([]byte(`{"model":"0.5M","stream":true,"stream_options":{"include_usage":true},"max_tokens":9,"max_completion_tokens":7,
		"temperature":0.25,"top_p":0.5,"seed":-1,"stop":"END","user":"u","messages":[
		{"role":"developer","content":"be brief"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":null}]}`))
	want := Request{Model: "0.5M", Chat: true, Stream: true, IncludeUsage: true, Seeded: true, Prompts: []prompt.Request{{
		Messages:  []prompt.Message{{Role: "system", Content: "be brief"}, {Role: "user", Content: "ab"}, {Role: "assistant"}},
		MaxTokens: 7, Temperature: 250_000, TopP: 500_000, Seed: 1<<64 - 1, Stop: []string{"END"},
	}}}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Error(err, cmp.Diff(want, got))
	}
}

func TestParseCompletion(t *testing.T) {
	one := func(p prompt.Request) []prompt.Request { return []prompt.Request{p} }
	const hot = prompt.Million // the default temperature
	for body, want := range map[string]Request{
		`{"model":"m","prompt":"x"}`: {Model: "m", Prompts: one(prompt.Request{Prompt: "x", MaxTokens: 16, Temperature: hot})},
		`{"model":"m","prompt":["x"],"echo":true,"stop":["a"]}`: {Model: "m",
			Prompts: one(prompt.Request{Prompt: "x", MaxTokens: 16, Temperature: hot, Stop: []string{"a"}, Echo: true})},
		`{"model":"m","temperature":0,"max_tokens":3}`: {Model: "m", Prompts: one(prompt.Request{MaxTokens: 3})},
		`{"prompt":["x","y"],"seed":5}`: {Seeded: true, Prompts: []prompt.Request{
			{Prompt: "x", MaxTokens: 16, Temperature: hot, Seed: 5}, {Prompt: "y", MaxTokens: 16, Temperature: hot, Seed: 5}}},
		`{"prompt":[1,2],"top_k":-1,"min_p":0,"repetition_penalty":1}`: {Prompts: one(prompt.Request{Tokens: []uint32{1, 2}, MaxTokens: 16, Temperature: hot})},
		`{"prompt":[[1,2],[3]],"top_k":40,"min_p":0.05,"repetition_penalty":1.1,"top_p":1e-9,"temperature":0.5,"max_tokens":0,"logprobs":0,"echo":true}`: {
			Prompts: []prompt.Request{
				{Tokens: []uint32{1, 2}, Temperature: 500_000, TopK: 40, MinP: 50_000, RepetitionPenalty: 1_100_000, TopP: 1, PromptOnly: true, Logprobs: true, Echo: true},
				{Tokens: []uint32{3}, Temperature: 500_000, TopK: 40, MinP: 50_000, RepetitionPenalty: 1_100_000, TopP: 1, PromptOnly: true, Logprobs: true, Echo: true},
			}},
		`{"prompt":"x","logprobs":5,"n":1,"best_of":1,"suffix":null,"tools":[],"stop":null,"unheard_of":{"a":1},"add_special_tokens":true}`: {
			Prompts: one(prompt.Request{Prompt: "x", MaxTokens: 16, Temperature: hot, Logprobs: true, Alternatives: 5})},
	} {
		got, err := ParseCompletion([]byte(body))
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%s: %v %s", body, err, cmp.Diff(want, got))
		}
	}
}

func TestRefusals(t *testing.T) {
	const user = `"messages":[{"role":"user","content":"x"}]`
	for body, param := range map[string]string{
		`not json`:                       "",
		`[]`:                             "",
		`{"model":"m"}`:                  "messages",
		`{"messages":[{"role":"tool"}]}`: "messages.0.role",
		`{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}`: "",
		`{"n":2,` + user + `}`:                                        "n",
		`{"temperature":-1,` + user + `}`:                             "temperature",
		`{"top_p":0,` + user + `}`:                                    "top_p",
		`{"max_tokens":0,` + user + `}`:                               "max_tokens",
		`{"stop":["` + strings.Repeat(`","`, 16) + `"],` + user + `}`: "stop",
		`{"logprobs":1,` + user + `}`:                                 "",
		`{"top_logprobs":2,` + user + `}`:                             "top_logprobs",
		`{"logprobs":true,"top_logprobs":21,` + user + `}`:            "top_logprobs",
		`{"top_k":-2,` + user + `}`:                                   "top_k",
		`{"min_p":1.5,` + user + `}`:                                  "min_p",
		`{"repetition_penalty":0,` + user + `}`:                       "repetition_penalty",
		`{"min_tokens":3,` + user + `}`:                               "min_tokens",
		`{"ignore_eos":true,` + user + `}`:                            "ignore_eos",
		`{"add_generation_prompt":false,` + user + `}`:                "add_generation_prompt",
		`{"echo":true,` + user + `}`:                                  "echo",
		`{"logit_bias":{"1":2},` + user + `}`:                         "logit_bias",
		`{"tools":[{"type":"function"}],` + user + `}`:                "tools",
		`{"response_format":{"type":"json_object"},` + user + `}`:     "response_format",
		`{"presence_penalty":1,` + user + `}`:                         "presence_penalty",
		`{"frequency_penalty":1,` + user + `}`:                        "frequency_penalty",
	} {
		_, err := ParseChat([]byte(body))
		if err == nil {
			t.Errorf("%s: accepted", body)
			continue
		}
		got := ""
		if err.Param != nil {
			got = *err.Param
		}
		if err.Status != 400 || err.Type != "invalid_request_error" || got != param {
			t.Errorf("%s: %d %s %q: %s", body, err.Status, err.Type, got, err.Message)
		}
	}
	for body, param := range map[string]string{
		`{"prompt":["a",1]}`:    "prompt",
		`{"prompt":[]}`:         "prompt",
		`{"prompt":[[]]}`:       "prompt",
		`{"prompt":[[1],[-1]]}`: "prompt",
		`{"prompt":{"a":1}}`:    "prompt",
		`{"prompt":[` + strings.Repeat(`"",`, MaxPrompts) + `""]}`: "prompt",
		`{"max_tokens":-1}`:       "max_tokens",
		`{"suffix":"x"}`:          "suffix",
		`{"best_of":3}`:           "best_of",
		`{"logprobs":21}`:         "logprobs",
		`{"logprobs":-1}`:         "logprobs",
		`{"max_tokens":"twelve"}`: "",
	} {
		if _, err := ParseCompletion([]byte(body)); err == nil || (param != "" && (err.Param == nil || *err.Param != param)) {
			t.Errorf("%s: %+v", body, err)
		}
	}
}

func TestErrorBody(t *testing.T) {
	e := FromFailure(prompt.Failure{Code: prompt.FailContext, Text: "too long", Hint: "shorten it"}, true)
	want := `{"error":{"message":"too long; shorten it","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`
	if got := strings.TrimSpace(string(e.Body())); got != want || e.Status != 400 {
		t.Errorf("got %d %s", e.Status, got)
	}
	for code, status := range map[string]int{
		prompt.FailFunds: 429, prompt.FailBusy: 503, prompt.FailRequest: 400, prompt.FailSession: 502, prompt.FailInternal: 502,
	} {
		if e := FromFailure(prompt.Failure{Code: code, Text: "x"}, false); e.Status != status {
			t.Errorf("%s: status %d, want %d", code, e.Status, status)
		}
	}
}

func TestAnswers(t *testing.T) {
	a := Answer{ID: "chatcmpl-1", Model: "m", Created: 5, Chat: true, System: "ab"}
	for want, got := range map[string][]byte{
		`{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"m","system_fingerprint":"ab","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}`: a.Whole([]Choice{{Text: "hi", Finish: "stop"}}, NewUsage(2, 1)),
		`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","system_fingerprint":"ab","choices":[{"index":0,"delta":{"content":"hi"},"logprobs":null,"finish_reason":null}]}`:                                                                                     a.Part(Choice{Text: "hi"}),
		`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","system_fingerprint":"ab","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}`:                                                                                               a.Part(Choice{Finish: "length"}),
		`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","system_fingerprint":"ab","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}`:                                                                                           a.Total(NewUsage(2, 1)),
	} {
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	a.Chat = false
	if a.First() != nil {
		t.Error("a completion begins with an empty chunk")
	}
	var back struct{ Choices []struct{ Text string } }
	if err := json.Unmarshal(a.Part(Choice{Text: "x"}), &back); err != nil || back.Choices[0].Text != "x" {
		t.Error(back, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"stop":["a"]}`))
	f.Add([]byte(`{"model":"m","prompt":["x"],"max_tokens":1e3}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func([]byte) (Request, *Error){ParseChat, ParseCompletion} {
			r, err := parse(body)
			if err != nil {
				continue
			}
			if len(r.Prompts) < 1 || len(r.Prompts) > MaxPrompts {
				t.Errorf("%d prompts", len(r.Prompts))
			}
			for _, p := range r.Prompts {
				if err := p.Check(); err != nil {
					t.Errorf("accepted what the vault refuses: %v", err)
				}
			}
		}
		ParseTokenize(body)
		ParseDetokenize(body)
	})
}
