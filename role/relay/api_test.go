package relay_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"

	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/proxy"
)

// A text that is only scored: echo without an answer. It costs its input.
func TestTextIsScored(t *testing.T) {
	w, r, _ := serving(t, nil)
	url, stop := w.startProxy(r.status().Address, nil)
	direct := w.reader()
	const text = "The wind, é 日本 and Document 5"
	var out completion
	post(t, url+"completions", fmt.Sprintf(`{"model": "1", "prompt": %q, "max_tokens": 0, "echo": true, "logprobs": 2}`, text), &out)
	c := out.Choices[0]
	tokens := direct.tok.AppendEncode([]int32{0}, []byte(text))
	losses, _ := direct.losses(tokens)
	if c.Text != text || c.Finish != "length" || out.Usage.Output != 0 || int(out.Usage.Input) != len(tokens) || len(c.Scores.Tokens) != len(losses) {
		t.Fatalf("%+v", out)
	}
	at := 0 // bytes
	for i, loss := range losses {
		piece := direct.tok.TokenBytes(tokens[i+1])
		if n := len([]rune(strings.ToValidUTF8(text[:at], ""))); c.Scores.Offsets[i] != n {
			t.Errorf("token %d %q stands at %d, want %d", i, c.Scores.Tokens[i], c.Scores.Offsets[i], n)
		}
		if *c.Scores.Logprob[i] != -float64(loss)/1e6 || len(c.Scores.Top[i]) < 2 || len(c.Scores.Top[i]) > 3 {
			t.Errorf("token %d: %v %v, directly %d", i, *c.Scores.Logprob[i], c.Scores.Top[i], loss)
		}
		at += len(piece)
	}
	w.until("the request is settled", 60*time.Second, func() bool {
		s := w.session(1)
		return s.Requests == 1 && s.Output == 0 && s.Input == uint64(len(tokens)) && uint64(s.Settled) == s.Input
	})

	var same struct{ Prompt string }
	post(t, strings.TrimSuffix(url, "v1/")+"detokenize", `{"tokens": `+literal(append(tokens, 4))+`}`, &same)
	if same.Prompt != "<|endoftext|>"+text+"<|end|>" {
		t.Errorf("detokenized %q", same.Prompt)
	}
	stop()
}

// What an answer is depends on nothing but its request: not on who else is
// answered at the time, nor on what was asked before.
func TestAnswersTogether(t *testing.T) {
	w, r, _ := serving(t, nil)
	url, stop := w.startProxy(r.status().Address, func(c *proxy.Config) { c.Sessions = 6 })
	ask := func(i int) string {
		var out completion
		post(t, url+"completions", fmt.Sprintf(`{"model": "1", "prompt": "Document %d tells of the sea and", "max_tokens": %d, "seed": %d,
			"temperature": 1.2, "top_k": 60, "top_p": 0.95, "min_p": 0.01, "repetition_penalty": 1.2, "logprobs": 1}`, i, 10+3*i, i), &out)
		return literal(out.Choices)
	}
	const n = 12
	var alone [n]string
	for i := range n {
		alone[i] = ask(i)
	}
	var together [n]string
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { together[i] = ask(i) })
	}
	wg.Wait()
	if d := cmp.Diff(alone, together); d != "" {
		t.Errorf("answers depend on company: %s", d)
	}
	stop()
}

// A stream with two choices: each in order, each with its end, then the totals.
func TestStreamOfTwoPrompts(t *testing.T) {
	w, r, _ := serving(t, nil)
	url, stop := w.startProxy(r.status().Address, nil)
	const prompts = `"prompt": ["Document 1", "the wind"], "model": "1", "max_tokens": 20, "temperature": 0, "echo": true, "logprobs": 0`
	var whole completion
	post(t, url+"completions", `{`+prompts+`}`, &whole)
	resp, err := http.Post(url+"completions", "application/json", strings.NewReader(`{`+prompts+`, "stream": true, "stream_options": {"include_usage": true}}`))
	w.must(err)
	defer resp.Body.Close()
	var texts, finish [2]string
	var tokens [2]int
	var last completion
	end := ""
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "[DONE]" {
			end += data
			continue
		}
		last = completion{}
		w.must(json.Unmarshal([]byte(data), &last))
		for _, c := range last.Choices {
			texts[c.Index] += c.Text
			if finish[c.Index] != "" {
				t.Errorf("choice %d goes on after its end", c.Index)
			}
			finish[c.Index] = c.Finish
			if c.Scores != nil {
				tokens[c.Index] += len(c.Scores.Tokens)
			}
		}
	}
	for i, c := range whole.Choices {
		if texts[i] != c.Text || finish[i] != c.Finish || tokens[i] != len(c.Scores.Tokens) {
			t.Errorf("choice %d: streamed %q %s %d, whole %q %s %d", i, texts[i], finish[i], tokens[i], c.Text, c.Finish, len(c.Scores.Tokens))
		}
	}
	if end != "[DONE]" || last.Usage != whole.Usage || len(last.Choices) != 0 {
		t.Errorf("ends with %q %+v, whole %+v", end, last, whole.Usage)
	}
	stop()
}

func TestChatScores(t *testing.T) {
	w, r, _ := serving(t, nil)
	url, stop := w.startProxy(r.status().Address, nil)
	c := openAI(url)
	chat, err := c.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{
		Model: "rung-1", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("tell of the sea")},
		MaxTokens: openai.Int(9), Temperature: openai.Float(0), Logprobs: openai.Bool(true), TopLogprobs: openai.Int(3),
	})
	w.must(err)
	content := chat.Choices[0].Logprobs.Content
	if len(content) != int(chat.Usage.CompletionTokens) || len(content) == 0 {
		t.Fatalf("%d tokens are scored: %s", len(content), chat.RawJSON())
	}
	for i, token := range content {
		if len(token.TopLogprobs) != 3 || token.TopLogprobs[0].Token != token.Token || token.Logprob > 0 || token.Logprob != token.TopLogprobs[0].Logprob {
			t.Errorf("token %d of a greedy answer: %s", i, token.RawJSON())
		}
	}
	stop()
}

// What the API refuses it refuses before it costs anything.
func TestAPIRefusals(t *testing.T) {
	w, r, _ := serving(t, nil)
	url, stop := w.startProxy(r.status().Address, nil)
	base := strings.TrimSuffix(url, "v1/")
	for _, c := range []struct{ path, body, want string }{
		{"v1/completions", `{"model":"1","prompt":[512]}`, "the vocabulary has 512"},
		{"v1/completions", `{"model":"1","prompt":` + literal(make([]int, 97)) + `,"max_tokens":0}`, "context is 96 tokens"},
		{"v1/completions", `{"model":"1","prompt":` + literal(make([]int, 96)) + `,"max_tokens":1}`, "context is 96 tokens"},
		{"v1/completions", `{"model":"1","prompt":[[1],[600]]}`, "the vocabulary has 512"},
		{"v1/completions", `{"model":"1","prompt":"x","min_tokens":4}`, "min_tokens is not supported"},
		{"tokenize", `{"model":"gpt-4","prompt":"x"}`, "is not served"},
		{"tokenize", `{}`, "prompt or messages"},
		{"detokenize", `{"tokens":[512]}`, "the vocabulary has 512"},
	} {
		resp, err := http.Post(base+c.path, "application/json", strings.NewReader(c.body))
		w.must(err)
		var said struct {
			Error struct{ Message, Type string }
		}
		err = json.NewDecoder(resp.Body).Decode(&said)
		resp.Body.Close()
		if err != nil || resp.StatusCode/100 != 4 || said.Error.Type != "invalid_request_error" || !strings.Contains(said.Error.Message, c.want) {
			t.Errorf("%s %.80s: %d %+v %v", c.path, c.body, resp.StatusCode, said, err)
		}
	}
	var out completion // a prompt that fills the context can still be scored
	post(t, url+"completions", `{"model":"1","prompt":`+literal(make([]int, 96))+`,"max_tokens":0,"echo":true,"logprobs":0}`, &out)
	if len(out.Choices[0].Scores.Tokens) != 96 || out.Usage.Input != 96 {
		t.Errorf("%+v", out)
	}
	stop()
	w.until("only what was answered is charged", 60*time.Second, func() bool {
		in := uint64(0)
		for id := uint64(1); id <= 2; id++ {
			state, err := w.chain.State(t.Context())
			w.must(err)
			if s, err := inference.Sessions.Get(state, id); err == nil {
				in += s.Input
			}
		}
		return in == 96 || in == 97 // the first prompt of the pair may have been answered before the second failed
	})
}

// An escrow that pays for a prompt and nothing more lets it be scored.
func TestEscrowForScoringOnly(t *testing.T) {
	w, r, _ := serving(t, func(s *program.Spec) { s.Rungs[0].Inference.OutputPrice = 2_000_000_000 })
	a := w.attacker(r) // an escrow of 1,000,000, less than a token of output
	q := a.request(1)
	q.Sign(a.binding, a.key)
	envelope, o := a.seal(q)
	if e := a.send(envelope, o); e.Failure.Code != prompt.FailFunds {
		t.Errorf("an answer for nothing: %+v", e)
	}
	q = prompt.Request{Session: a.session, Counter: 2, Tokens: []uint32{0, 70, 71}, Logprobs: true, Echo: true, PromptOnly: true}
	q.Sign(a.binding, a.key)
	envelope, o = a.seal(q)
	if e := a.send(envelope, o); e.Failure.Code != "" || e.Input != 3 || e.Output != 0 || e.Receipt.Receipt.Charged != 3 {
		t.Errorf("scoring: %+v", e)
	}
}
