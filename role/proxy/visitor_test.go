package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/inference/openai"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// A page of another site must not ask on the user's account.
func TestOtherSitesCannotAsk(t *testing.T) {
	h := local(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, c := range []struct {
		host, origin, site string
		ok                 bool
	}{
		{"127.0.0.1:8090", "", "", true},
		{"localhost:8090", "", "none", true},
		{"[::1]:8090", "http://localhost:3000", "same-site", true},
		{"127.0.0.1:8090", "http://127.0.0.1:3000", "same-site", true},
		{"127.0.0.1:8090", "https://example.org", "cross-site", false},
		{"127.0.0.1:8090", "https://example.org", "", false},
		{"127.0.0.1:8090", "null", "", false},
		{"127.0.0.1:8090", "", "cross-site", false},
		{"rebound.example.org:8090", "", "", false},
		{"127.0.0.1.example.org", "", "", false},
		{"127.0.0.1:8090", "http://localhost.example.org", "", false},
		{"a b", "", "", false},
		{"127.0.0.1:8090", "http://127.0.0.1@example.org", "", false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/completions", nil)
		r.Host = c.host
		for name, value := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if ok := w.Code == http.StatusNoContent; ok != c.ok || (!ok && w.Code != http.StatusForbidden) {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}

func TestTokensOf(t *testing.T) {
	tok, err := tokenizer.Train(t.Context(), [][]byte{[]byte("x")}, tokenizer.MinVocab, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, lt := int32(5+'a'), int32(5+'<')
	chat := prompt.Request{Messages: []prompt.Message{{Role: "user", Content: "a"}}}
	for name, c := range map[string]struct {
		in   openai.TokenizeRequest
		want []int32
	}{
		"text":                                {openai.TokenizeRequest{Prompt: prompt.Request{Prompt: "a"}}, []int32{tokenizer.EndOfText, a}},
		"bare":                                {openai.TokenizeRequest{Prompt: prompt.Request{Prompt: "a"}, Bare: true}, []int32{a}},
		"nothing":                             {openai.TokenizeRequest{Bare: true}, []int32{}},
		"control":                             {openai.TokenizeRequest{Prompt: prompt.Request{Prompt: "<|end|>"}, Bare: true}, []int32{tokenizer.EndOfTurn}},
		"control, whole":                      {openai.TokenizeRequest{Prompt: prompt.Request{Prompt: "<|end|>"}}, []int32{tokenizer.EndOfText, tokenizer.EndOfTurn}},
		"chat":                                {openai.TokenizeRequest{Prompt: chat}, []int32{tokenizer.User, a, tokenizer.EndOfTurn, tokenizer.Assistant}},
		"closed chat":                         {openai.TokenizeRequest{Prompt: chat, Closed: true}, []int32{tokenizer.User, a, tokenizer.EndOfTurn}},
		"a text that is like a control token": {openai.TokenizeRequest{Prompt: prompt.Request{Prompt: "<a"}, Bare: true}, []int32{lt, a}},
	} {
		got, err := tokensOf(tok, c.in)
		if err != nil || cmp.Diff(c.want, got) != "" {
			t.Errorf("%s: %v %v, want %v", name, err, got, c.want)
		}
	}
	long, err := tokensOf(tok, openai.TokenizeRequest{Prompt: prompt.Request{Prompt: "see <|end|>"}, Bare: true})
	if err != nil || len(long) != len("see <|end|>") {
		t.Errorf("a control token's name within a text: %v %v", long, err)
	}
}
