package relay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/role/proxy"
	"github.com/crescendo-network/crescendo/role/vault"
	"github.com/crescendo-network/crescendo/sealing/container"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// reader is the sealed model in the test's own hands: what the API says is held
// against it.
type reader struct {
	t     *testing.T
	model engine.Model
	tok   *tokenizer.Tokenizer
}

// reader decrypts the weights with the keeper's share.
func (w *world) reader() *reader {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, "keeper", "keeper.key"))
	w.must(err)
	id, err := keyshare.ParseIdentity(raw)
	w.must(err)
	seal := w.seal()
	topic := keyshare.Topic{Chain: chainID, Rung: 1, Version: 1, KeyCheck: seal.KeyCheck}
	key, err := keyshare.Open(id, topic, w.keeper.Account(), seal.Shares[0].Sealed)
	w.must(err)
	sealed, err := w.blobs.Get(w.t.Context(), seal.Container, 1<<30)
	w.must(err)
	m, err := native.New(1).New(w.plan.Shape)
	w.must(err)
	header := container.Header{Chain: chainID, Rung: 1, Seal: 1, Base: seal.Base}
	w.must(vault.ReadWeights(bytes.NewReader(sealed), int64(len(sealed)), key, header, m.Params()))
	raw, err = w.blobs.Get(w.t.Context(), seal.Manifest, 1<<20)
	w.must(err)
	manifest, err := container.ParseManifest(raw)
	w.must(err)
	raw, err = w.blobs.Get(w.t.Context(), manifest.Tokenizer, 1<<24)
	w.must(err)
	tok, err := tokenizer.Load(raw)
	w.must(err)
	return &reader{w.t, m, tok}
}

// read feeds tokens one by one and calls each with the logits after every one.
func (r *reader) read(tokens []int32, each func(i int, logits []float32)) {
	r.t.Helper()
	s, err := r.model.Session(r.model.Shape().Context)
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	for i, id := range tokens {
		logits, err := s.Feed([]int32{id})
		if err != nil {
			r.t.Fatal(err)
		}
		each(i, logits)
	}
}

// losses scores every token but the first, and says whether it was the likeliest, as
// far as losses tell: the weights are others in every run.
func (r *reader) losses(tokens []int32) (losses []uint64, greedy []bool) {
	var l engine.LogProbs
	r.read(tokens, func(i int, logits []float32) {
		if i+1 < len(tokens) {
			l.Read(logits)
			losses = append(losses, prompt.LossOf(float64(l.Of(tokens[i+1]))))
			greedy = append(greedy, losses[i] == prompt.LossOf(float64(l.Of(l.Top(nil, 1)[0]))))
		}
	})
	return losses, greedy
}

// continues returns the likeliest continuation.
func (r *reader) continues(tokens []int32, n int) string {
	var out []int32
	for range n {
		var next int32
		r.read(append(append([]int32{}, tokens...), out...), func(_ int, logits []float32) { next = engine.Sample(logits, 0, 0, nil) })
		if tokenizer.Stops(next) {
			break
		}
		out = append(out, next)
	}
	return string(r.tok.Decode(out))
}

// post sends JSON and reads JSON.
func post(t *testing.T, url, body string, dst any) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s %s: %d %s %v", url, body, resp.StatusCode, raw, err)
	}
	if err := json.Unmarshal(raw, dst); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
}

type scored struct {
	Tokens  []string             `json:"tokens"`
	Offsets []int                `json:"text_offset"`
	Logprob []*float64           `json:"token_logprobs"`
	Top     []map[string]float64 `json:"top_logprobs"`
}

type completion struct {
	Choices []struct {
		Index  int
		Text   string
		Finish string  `json:"finish_reason"`
		Scores *scored `json:"logprobs"`
	}
	Usage struct {
		Input  uint64 `json:"prompt_tokens"`
		Output uint64 `json:"completion_tokens"`
	}
}

func literal(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// The requests of lm-evaluation-harness's local-completions with a remote
// tokenizer, in its own order and form, and what it makes of the answers.
func TestEvaluationHarness(t *testing.T) {
	w, r, _ := serving(t, nil)
	url, stop := w.startProxy(r.status().Address, func(c *proxy.Config) { c.Sessions = 3 })
	base := strings.TrimSuffix(url, "v1/")
	direct := w.reader()

	// It asks who the tokenizer is and which id its end token has.
	var info struct {
		EOS  string  `json:"eos_token"`
		BOS  *string `json:"bos_token"`
		Chat string  `json:"chat_template"`
	}
	_, raw := get(t, base+"tokenizer_info")
	w.must(json.Unmarshal([]byte(raw), &info))
	encode := func(text string) []int32 {
		var out struct {
			Count     int     `json:"count"`
			MaxLength int     `json:"max_model_len"`
			Tokens    []int32 `json:"tokens"`
		}
		post(t, base+"tokenize", `{"prompt": `+literal(text)+`, "add_special_tokens": false}`, &out)
		if out.Count != len(out.Tokens) || out.MaxLength != w.plan.Shape.Context {
			t.Errorf("tokenize %q: %+v", text, out)
		}
		return out.Tokens
	}
	if got := encode(info.EOS); info.BOS != nil || info.Chat == "" || cmp.Diff([]int32{tokenizer.EndOfText}, got) != "" {
		t.Fatalf("end token %q is %v; %s", info.EOS, got, raw)
	}

	// Log likelihoods: contexts and continuations, the empty context standing for
	// the end token, in one request of token ids.
	pairs := [][2]string{{"Document 3 tells", " of the sea"}, {"", "the wind and the number 9"}, {"Document 7 tells of", " nothing élse"}}
	var inputs [][]int32
	var contexts []int
	for _, p := range pairs {
		whole, context := encode(p[0]+p[1]), len(encode(p[0]))
		if p[0] == "" {
			whole, context = append([]int32{tokenizer.EndOfText}, whole...), 1
		}
		inputs, contexts = append(inputs, whole), append(contexts, context)
	}
	var out completion
	model := w.spec.Rungs[0].Name
	post(t, url+"completions", fmt.Sprintf(`{"model": %q, "prompt": %s, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": true}`,
		model, literal(inputs)), &out)
	requests, input, output := len(inputs), out.Usage.Input, out.Usage.Output
	if len(out.Choices) != len(inputs) {
		t.Fatalf("%d choices", len(out.Choices))
	}
	for i, c := range out.Choices {
		checkLikelihood(t, direct, inputs[i], contexts[i], pairs[i], c.Scores)
		if c.Index != i || !strings.HasPrefix(c.Text, pairs[i][0]+pairs[i][1]) {
			t.Errorf("choice %d is %d: %q", i, c.Index, c.Text)
		}
	}

	// Generations: greedy, until a sequence or the end token.
	stops := []string{"number", "\n\n", info.EOS}
	post(t, url+"completions", fmt.Sprintf(`{"prompt": %s, "model": %q, "max_tokens": 24, "temperature": 0, "stop": %s, "seed": 1234}`,
		literal(inputs), model, literal(stops)), &out)
	requests, input, output = requests+len(inputs), input+out.Usage.Input, output+out.Usage.Output
	for i, c := range out.Choices {
		want := direct.continues(inputs[i], 24)
		for _, s := range stops {
			want, _, _ = strings.Cut(want, s)
		}
		if c.Text != want {
			t.Errorf("generation %d: got %q, want %q", i, c.Text, want)
		}
	}

	// Everything was paid for: echoed tokens as input, made ones as output.
	w.until("receipts are settled", 60*time.Second, func() bool {
		var got, in, made uint64
		for id := uint64(1); id <= 3; id++ {
			s := w.session(id)
			got, in, made = got+s.Requests, in+s.Input, made+s.Output
		}
		return got == uint64(requests) && in == input && made == output
	})
	stop()
}

// checkLikelihood reads an answer as the harness does: the entries from the
// context on, without the last, which is the token that was made.
func checkLikelihood(t *testing.T, direct *reader, tokens []int32, context int, pair [2]string, got *scored) {
	t.Helper()
	if got == nil || len(got.Logprob) != len(tokens)+1 || len(got.Top) != len(tokens)+1 || got.Logprob[0] != nil {
		t.Fatalf("%q: %d tokens, scores %s", pair, len(tokens), literal(got))
	}
	losses, likeliest := direct.losses(tokens)
	for i := context; i < len(tokens); i++ {
		best := *got.Logprob[i]
		for _, v := range got.Top[i] {
			best = max(best, v)
		}
		if want := -float64(losses[i-1]) / 1e6; *got.Logprob[i] != want || (best == want) != likeliest[i-1] {
			t.Errorf("%q token %d: log probability %v, best %v; directly %v, likeliest %v", pair, i, *got.Logprob[i], best, want, likeliest[i-1])
		}
	}
}
