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
	want := Request{Model: "0.5M", Chat: true, Stream: true, IncludeUsage: true, Seeded: true, Prompt: prompt.Request{
		Messages:  []prompt.Message{{Role: "system", Content: "be brief"}, {Role: "user", Content: "ab"}, {Role: "assistant"}},
		MaxTokens: 7, Temperature: 250_000, TopP: 500_000, Seed: 1<<64 - 1, Stop: []string{"END"},
	}}
	if err != nil || cmp.Diff(want, got) != "" {
		t.Error(err, cmp.Diff(want, got))
	}
}

func TestParseCompletion(t *testing.T) {
	for body, want := range map[string]Request{
		`{"model":"m","prompt":"x"}`:                            {Model: "m", Prompt: prompt.Request{Prompt: "x", MaxTokens: 16, Temperature: prompt.Million}},
		`{"model":"m","prompt":["x"],"echo":true,"stop":["a"]}`: {Model: "m", Echo: true, Prompt: prompt.Request{Prompt: "x", MaxTokens: 16, Temperature: prompt.Million, Stop: []string{"a"}}},
		`{"model":"m","temperature":0,"max_tokens":3}`:          {Model: "m", Prompt: prompt.Request{MaxTokens: 3}},
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
		`{"n":2,` + user + `}`:                                    "n",
		`{"temperature":-1,` + user + `}`:                         "temperature",
		`{"top_p":0,` + user + `}`:                                "top_p",
		`{"max_tokens":0,` + user + `}`:                           "max_tokens",
		`{"stop":["1","2","3","4","5"],` + user + `}`:             "stop",
		`{"logprobs":true,` + user + `}`:                          "logprobs",
		`{"logit_bias":{"1":2},` + user + `}`:                     "logit_bias",
		`{"tools":[{"type":"function"}],` + user + `}`:            "tools",
		`{"response_format":{"type":"json_object"},` + user + `}`: "response_format",
		`{"presence_penalty":1,` + user + `}`:                     "presence_penalty",
		`{"frequency_penalty":1,` + user + `}`:                    "frequency_penalty",
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
		`{"prompt":["a","b"]}`:    "prompt",
		`{"prompt":[1,2]}`:        "prompt",
		`{"suffix":"x"}`:          "suffix",
		`{"best_of":3}`:           "best_of",
		`{"logprobs":1}`:          "logprobs",
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
		`{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"m","system_fingerprint":"ab","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}`: a.Whole("hi", "stop", NewUsage(2, 1)),
		`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","system_fingerprint":"ab","choices":[{"index":0,"delta":{"content":"hi"},"logprobs":null,"finish_reason":null}]}`:                                                                                     a.Part("hi"),
		`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","system_fingerprint":"ab","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}`:                                                                                               a.Last("length"),
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
	if err := json.Unmarshal(a.Part("x"), &back); err != nil || back.Choices[0].Text != "x" {
		t.Error(back, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"stop":["a"]}`))
	f.Add([]byte(`{"model":"m","prompt":["x"],"max_tokens":1e3}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := ParseChat(body); err == nil && r.Prompt.Check() != nil {
			t.Error("accepted what the vault refuses")
		}
		if r, err := ParseCompletion(body); err == nil && r.Prompt.Check() != nil {
			t.Error("accepted what the vault refuses")
		}
	})
}
