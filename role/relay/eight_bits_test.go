package relay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/engine/serve"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// inEightBits is what the engine's server makes of a prompt in 8 bits, with the
// sealed model in the test's own hands: log probabilities of the likeliest tokens.
func (r *reader) inEightBits(tokens []int32, n int) (scores []float64) {
	r.t.Helper()
	server, err := serve.Open(r.model, serve.Options{Int8: true, MaxSequences: 1})
	if err != nil {
		r.t.Fatal(err)
	}
	defer server.Close()
	stream, err := server.Generate(r.t.Context(), serve.Request{
		Prompt: tokens, MaxTokens: n, Logprobs: 0, Stop: []int32{tokenizer.EndOfText, tokenizer.EndOfTurn},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	defer stream.Close()
	for {
		token, err := stream.Next(r.t.Context())
		if errors.Is(err, io.EOF) {
			return scores
		}
		if err != nil {
			r.t.Fatal(err)
		}
		scores = append(scores, -float64(prompt.LossOf(float64(token.Logprob)))/1e6)
	}
}

// A rung whose programme says so is answered in 8 bits: clients are told, the
// ledger has it in the session, and the answers of the vault that sealed it and of
// one that got its key from a keeper are those of the engine's profile q8.
func TestServedInEightBits(t *testing.T) {
	w, r, _ := serving(t, func(s *program.Spec) { s.Rungs[0].Inference.Weights = inference.WeightsQ8 })
	url, stop := w.startProxy(r.status().Address, nil)
	direct := w.reader()

	var models struct {
		Data []struct{ Weights string }
	}
	_, raw := get(t, url+"models")
	w.must(json.Unmarshal([]byte(raw), &models))
	if len(models.Data) != 1 || models.Data[0].Weights != "q8" {
		t.Errorf("models: %s", raw)
	}

	type answer struct {
		completion
		Fingerprint string `json:"system_fingerprint"`
	}
	ask := func(fields string) (out answer) {
		t.Helper()
		post(t, url+"completions", fmt.Sprintf(`{"model": "1", "prompt": "Document 5 tells of", "max_tokens": 24, "logprobs": 0, %s}`, fields), &out)
		if len(out.Choices) != 1 || out.Choices[0].Scores == nil || !strings.HasSuffix(out.Fingerprint, "-q8") {
			t.Fatalf("answer %+v", out)
		}
		return out
	}
	want := direct.inEightBits(direct.tok.AppendEncode([]int32{tokenizer.EndOfText}, []byte("Document 5 tells of")), 24)
	check := func(when string) {
		t.Helper()
		var got []float64
		for _, score := range ask(`"temperature": 0`).Choices[0].Scores.Logprob {
			got = append(got, *score)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: log probabilities are not those of the engine: %s", when, d)
		}
	}
	check("by the vault that sealed")
	sampled := ask(`"temperature": 1.1, "seed": 5`).Choices

	old := r.status()
	w.must(syscall.Kill(old.VaultPID, syscall.SIGKILL))
	w.until("another vault serves", 60*time.Second, func() bool {
		now := r.status()
		return now.Vault != old.Vault && len(now.Serving) == 1
	})
	check("by a vault with a keeper's key")
	if d := cmp.Diff(sampled, ask(`"temperature": 1.1, "seed": 5`).Choices); d != "" {
		t.Errorf("the same seed, another answer: %s", d)
	}
	stop()
	w.until("four requests are settled, in sessions for 8 bits", 60*time.Second, func() bool {
		state, err := w.chain.State(t.Context())
		w.must(err)
		sum := uint64(0)
		for id := uint64(1); ; id++ {
			s, err := inference.Sessions.Get(state, id)
			if errors.Is(err, kv.ErrNotFound) {
				return sum == 4
			}
			w.must(err)
			if s.Weights != inference.WeightsQ8 {
				t.Fatalf("session %d of vault %s has weights %q", id, s.Vault.Short(), s.Weights)
			}
			sum += s.Requests
		}
	})
}
