package relay_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/role/proxy"
)

func openAI(url string) openai.Client {
	return openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("none"))
}

func TestSealServeAndSettle(t *testing.T) {
	w, r, _ := serving(t, nil)
	for _, m := range r.status().Measures {
		t.Logf("%v %s (%s)", m.Held, m.Name, m.Detail)
	}
	if s := w.seal(); s.Steps != 4 || s.Loss <= 0 || s.KeyCheck.IsZero() {
		t.Errorf("seal is %+v", s)
	}
	url, stop := w.startProxy(r.status().Address, nil)
	c := openAI(url)

	models, err := c.Models.List(t.Context())
	w.must(err)
	if len(models.Data) != 1 || models.Data[0].ID != w.spec.Rungs[0].Name {
		t.Errorf("models %+v", models.Data)
	}
	model := models.Data[0].ID

	var raw *http.Response
	chat, err := c.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{
		Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("tell of the sea")},
		MaxTokens: openai.Int(12), Seed: openai.Int(1),
	}, option.WithResponseInto(&raw))
	w.must(err)
	if chat.Usage.CompletionTokens < 1 || chat.Usage.CompletionTokens > 12 || chat.Usage.PromptTokens < 4 ||
		chat.Choices[0].FinishReason == "" {
		t.Errorf("chat %s", chat.RawJSON())
	}
	if got := raw.Header.Get(proxy.HeaderAssurance); got != sim.Assurance {
		t.Errorf("assurance %q", got)
	}

	text, err := c.Completions.New(t.Context(), openai.CompletionNewParams{
		Model: openai.CompletionNewParamsModel(model), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Document")},
		MaxTokens: openai.Int(8), Temperature: openai.Float(0),
	})
	w.must(err)
	if text.Usage.CompletionTokens != 8 || text.Choices[0].FinishReason != "length" {
		t.Errorf("completion %s", text.RawJSON())
	}

	stream := c.Chat.Completions.NewStreaming(t.Context(), openai.ChatCompletionNewParams{
		Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("tell of the wind")},
		MaxTokens: openai.Int(40), Temperature: openai.Float(0),
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
	})
	var acc openai.ChatCompletionAccumulator
	chunks := 0
	for stream.Next() {
		chunks++
		acc.AddChunk(stream.Current())
	}
	w.must(stream.Err())
	if chunks < 3 || acc.Usage.CompletionTokens < 1 || acc.Usage.TotalTokens != acc.Usage.CompletionTokens+acc.Usage.PromptTokens {
		t.Errorf("%d chunks, %+v", chunks, acc.Usage)
	}
	output := uint64(chat.Usage.CompletionTokens + text.Usage.CompletionTokens + acc.Usage.CompletionTokens)
	input := uint64(chat.Usage.PromptTokens + text.Usage.PromptTokens + acc.Usage.PromptTokens)

	w.until("receipts are settled", 10*time.Second, func() bool { return w.session(1).Requests == 3 })
	s := w.session(1)
	if s.Output != output || s.Input != input || s.Settled != crescendo.Amount(input+2*output) {
		t.Errorf("settled %+v, want input %d output %d", s, input, output)
	}
	stop()
	w.until("session is closed", 20*time.Second, func() bool { return w.session(1).Closed })
}

func TestErrorsHaveOpenAIShape(t *testing.T) {
	w, r, _ := serving(t, nil)
	url, _ := w.startProxy(r.status().Address, nil)
	c := openAI(url)
	model := w.spec.Rungs[0].Name
	ask := func(p openai.ChatCompletionNewParams) *openai.Error {
		t.Helper()
		if p.Messages == nil {
			p.Messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")}
		}
		_, err := c.Chat.Completions.New(t.Context(), p, option.WithMaxRetries(0))
		var shaped *openai.Error
		if !errors.As(err, &shaped) {
			t.Fatalf("got %v\n%s", err, w.tail())
		}
		return shaped
	}
	long := strings.Repeat("the sea and the wind 0123456789 ", 60)
	if e := ask(openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(long)}}); e.StatusCode != 400 ||
		e.Code != "context_length_exceeded" || e.Param != "messages" || e.Type != "invalid_request_error" {
		t.Errorf("over-length prompt: %d %s", e.StatusCode, e.RawJSON())
	}
	if e := ask(openai.ChatCompletionNewParams{Model: "gpt-4"}); e.StatusCode != 404 || e.Code != "model_not_found" {
		t.Errorf("unknown model: %d %s", e.StatusCode, e.RawJSON())
	}
	if e := ask(openai.ChatCompletionNewParams{Model: model, N: openai.Int(2)}); e.StatusCode != 400 || e.Param != "n" {
		t.Errorf("n: %d %s", e.StatusCode, e.RawJSON())
	}
	if e := ask(openai.ChatCompletionNewParams{Model: model, Temperature: openai.Float(3)}); e.StatusCode != 400 || e.Param != "temperature" {
		t.Errorf("temperature: %d %s", e.StatusCode, e.RawJSON())
	}
	if e := ask(openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{}}); e.StatusCode != 400 || e.Param != "messages" {
		t.Errorf("no messages: %d %s", e.StatusCode, e.RawJSON())
	}
	if code, body := get(t, url+"nothing"); code != 404 || !strings.Contains(body, `"error"`) {
		t.Errorf("unknown URL: %d %s", code, body)
	}
}
