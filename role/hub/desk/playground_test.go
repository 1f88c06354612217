package desk_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/role/hub/desk"
)

// proxied answers as `crescendo inference proxy` does.
func proxied(t *testing.T, w *world, answer func(w http.ResponseWriter, stream bool)) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var asked struct {
			Model     string `json:"model"`
			Prompt    string `json:"prompt"`
			MaxTokens int    `json:"max_tokens"`
			Stream    bool   `json:"stream"`
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Model != "first" || asked.Prompt != "func main() {\n" || asked.MaxTokens != 5 || r.URL.Path != "/v1/completions" {
			t.Errorf("asked %+v at %s, %v", asked, r.URL.Path, err)
		}
		rw.Header().Set("X-Crescendo-Vault", "0123abcd")
		rw.Header().Set("X-Crescendo-Assurance", "simulated")
		answer(rw, asked.Stream)
	}))
	t.Cleanup(server.Close)
	w.desk.AskThrough(demo.Account(), server.URL+"/v1", inference.SignedReceipt{
		Receipt: inference.Receipt{Session: 7, Sequence: 3, Requests: 3, Charged: 12}, Signature: []byte{0xab, 0xcd},
	})
}

func relayed(c *desk.Config) { c.Relay = "http://127.0.0.1:1" }

var question = []string{"model", "first", "prompt", "func main() {\r\n", "tokens", "5"}

// Without JavaScript the whole page comes with the answer, and says who
// answered, how sure that is, for how much, and with which receipt.
func TestPlaygroundWithoutScript(t *testing.T) {
	w := open(t, relayed)
	proxied(t, w, func(rw http.ResponseWriter, _ bool) {
		io.WriteString(rw, `{"choices":[{"text":"<b>return","finish_reason":"length"}],"usage":{"prompt_tokens":4,"completion_tokens":5}}`)
	})
	b := w.loggedIn()
	wantText(t, b.post("/playground", question...), http.StatusOK, "&lt;b&gt;return", "0123abcd", "simulated: the operator can read everything",
		"4 in, 5 out", "<dd>3</dd>", "the sealed weights, float32: profile R0", "number 3 of session 7: 12 charged in all", "abcd", "func main() {")
}

func (b *browser) stream(fields ...string) response {
	b.w.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	b.headers["X-CSRF-Token"], b.headers["Accept"] = b.csrf, "text/event-stream"
	defer delete(b.headers, "X-CSRF-Token")
	defer delete(b.headers, "Accept")
	return b.send("POST", "/playground/stream", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

func TestPlaygroundStreams(t *testing.T) {
	for name, c := range map[string]struct{ stream, want, not string }{
		"whole": {
			"data: {\"choices\":[{\"text\":\"re\"}]}\n\ndata: {\"choices\":[{\"text\":\"turn\",\"finish_reason\":\"stop\"}]}\n\n" +
				"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n",
			"event: text\ndata: {\"text\":\"re\"}\n\nevent: text\ndata: {\"text\":\"turn\"}\n\nevent: done\n", "event: error",
		},
		"cut off":  {"data: {\"choices\":[{\"text\":\"re\"}]}\n\n", "event: error\ndata: {\"error\":\"the answer was cut off\"", "event: done"},
		"refused":  {"data: {\"error\":{\"message\":\"no funds\"}}\n\n", "event: error\ndata: {\"error\":\"no funds\"", "event: done"},
		"nonsense": {"data: {{{\n\n", "event: error", "event: done"},
		"endless":  {"data: " + strings.Repeat("x", 100_000) + "\n\n", "event: error", "event: done"},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, relayed)
			proxied(t, w, func(rw http.ResponseWriter, stream bool) {
				if !stream {
					t.Error("no stream was asked for")
				}
				io.WriteString(rw, c.stream)
			})
			r := w.loggedIn().stream(question...)
			if r.StatusCode != http.StatusOK || !strings.Contains(r.body, c.want) || strings.Contains(r.body, c.not) {
				t.Errorf("status %d, want %q and no %q in\n%s", r.StatusCode, c.want, c.not, r.body)
			}
			if r.Header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("content type %q", r.Header.Get("Content-Type"))
			}
		})
	}
}

func TestPlaygroundRefusals(t *testing.T) {
	w := open(t, relayed)
	proxied(t, w, func(rw http.ResponseWriter, _ bool) {
		rw.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(rw, `{"error":{"message":"the account holds less"}}`)
	})
	b := w.loggedIn()
	wantText(t, b.post("/playground", question...), http.StatusUnprocessableEntity, "the account holds less", "costs nothing")
	wantText(t, b.stream(question...), http.StatusUnprocessableEntity, "the account holds less")
	for _, c := range [][]string{
		{"model", "first", "prompt", ""}, {"model", "first", "prompt", strings.Repeat("x", 5000)}, {"model", "", "prompt", "x"},
		{"model", strings.Repeat("m", 65), "prompt", "x"}, {"model", "first", "prompt", "x", "tokens", "0"},
		{"model", "first", "prompt", "x", "tokens", "257"}, {"model", "first", "prompt", "x", "tokens", "many"},
	} {
		wantText(t, b.post("/playground", c...), http.StatusUnprocessableEntity, `role="alert"`)
		wantText(t, b.stream(c...), http.StatusUnprocessableEntity, `"error"`)
	}
	wantText(t, open(t).loggedIn().post("/playground", question...), http.StatusForbidden, "cannot open a session")
}
