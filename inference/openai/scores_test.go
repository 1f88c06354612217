package openai

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/tokenizer"
)

func bytesOnly(t *testing.T) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Train(t.Context(), [][]byte{[]byte("x")}, tokenizer.MinVocab, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// ids of a tokenizer that knows bytes only.
func ids(text string) (out []uint32) {
	for _, b := range []byte(text) {
		out = append(out, 5+uint32(b))
	}
	return out
}

func scores(losses ...uint64) (out []prompt.Score) {
	for _, l := range losses {
		out = append(out, prompt.Score{Loss: l})
	}
	return out
}

// An echoed text with an answer: the token that begins the document is hidden,
// offsets are characters, a character in pieces stands where it begins, and the
// token that ended the answer comes last.
func TestCompletionScores(t *testing.T) {
	s := NewScores(bytesOnly(t), false, 1)
	first := append([]prompt.Score{{None: true}}, scores(1_000_000, 250_000, 0)...)
	first[1].Top = []prompt.Alternative{{Token: ids("b")[0], Loss: 7}, {Token: ids("a")[0], Loss: 1_000_000}}
	s.Add(prompt.Event{Kind: prompt.TokensOfPrompt, Tokens: append([]uint32{0}, ids("aé")...), Scores: first})
	s.Add(prompt.Event{Tokens: ids("z"), Scores: scores(2_000_001)})
	s.Add(prompt.Event{Kind: prompt.TokenOfEnd, Tokens: []uint32{4}, Scores: scores(prompt.MaxLoss)})
	got, err := json.Marshal(s.Take())
	want := `{"text_offset":[0,1,1,2,3],"token_logprobs":[-1,-0.25,0,-2.000001,-9999],` +
		`"tokens":["a","bytes:\\xc3","bytes:\\xa9","z","\u003c|end|\u003e"],` +
		`"top_logprobs":[{"a":-1,"b":-0.000007},{"bytes:\\xc3":-0.25},{"bytes:\\xa9":0},{"z":-2.000001},{"\u003c|end|\u003e":-9999}]}`
	if err != nil || cmp.Diff(want, string(got)) != "" {
		t.Error(err, cmp.Diff(want, string(got)))
	}
	if again := s.Take(); again != nil {
		t.Errorf("taken twice: %v", again)
	}
	var none *Scores
	if none.Take() != nil {
		t.Error("scores of nothing")
	}
}

// A prompt of tokens is shown as it is; its first token has no log probability.
func TestScoresOfTokenPrompt(t *testing.T) {
	s := NewScores(bytesOnly(t), false, 0)
	s.Add(prompt.Event{Kind: prompt.TokensOfPrompt, Tokens: append([]uint32{0}, ids("a")...), Scores: append([]prompt.Score{{None: true}}, scores(5)...)})
	got, err := json.Marshal(s.Take())
	want := `{"text_offset":[0,0],"token_logprobs":[null,-0.000005],"tokens":["\u003c|endoftext|\u003e","a"],"top_logprobs":[null,{"a":-0.000005}]}`
	if err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

func TestChatScores(t *testing.T) {
	s := NewScores(bytesOnly(t), true, 1)
	list := scores(1_500_000)
	list[0].Top = []prompt.Alternative{{Token: 4, Loss: 3}}
	s.Add(prompt.Event{Tokens: ids("a"), Scores: list})
	s.Add(prompt.Event{Kind: prompt.TokenOfEnd, Tokens: []uint32{4}, Scores: scores(1)})
	got, err := json.Marshal(s.Take())
	want := `{"content":[{"token":"a","logprob":-1.5,"bytes":[97],"top_logprobs":[{"token":"\u003c|end|\u003e","logprob":-0.000003,"bytes":[]}]}],"refusal":null}`
	if err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

func TestParseTokenize(t *testing.T) {
	for body, want := range map[string]TokenizeRequest{
		`{"prompt":"x"}`: {Prompt: prompt.Request{Prompt: "x"}},
		`{"model":"m","prompt":"","add_special_tokens":false,"return_token_strs":true}`:        {Model: "m", Bare: true, Strings: true},
		`{"messages":[{"role":"user","content":"x"}],"add_generation_prompt":false,"more":[]}`: {Closed: true, Prompt: prompt.Request{Messages: []prompt.Message{{Role: "user", Content: "x"}}}},
	} {
		got, err := ParseTokenize([]byte(body))
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%s: %v %s", body, err, cmp.Diff(want, got))
		}
	}
	for _, body := range []string{`{}`, `[]`, `{"prompt":3}`, `{"prompt":"x","messages":[{"role":"user"}]}`, `{"messages":[{"role":"root"}]}`} {
		if got, err := ParseTokenize([]byte(body)); err == nil {
			t.Errorf("%s: accepted as %+v", body, got)
		}
	}
}

func TestParseDetokenize(t *testing.T) {
	model, tokens, err := ParseDetokenize([]byte(`{"model":"m","tokens":[1,0,70000]}`))
	if err != nil || model != "m" || cmp.Diff([]int32{1, 0, 70000}, tokens) != "" {
		t.Error(model, tokens, err)
	}
	for _, body := range []string{`[]`, `{"tokens":[-1]}`, `{"tokens":["a"]}`, `{"tokens":[4294967295]}`} {
		if _, tokens, err := ParseDetokenize([]byte(body)); err == nil {
			t.Errorf("%s: accepted as %v", body, tokens)
		}
	}
}
