package vault

import (
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/serve"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/prompt"
)

// generated is what a server of the engine makes of a request that no vault is
// between.
func generated(t *testing.T, s *serve.Server, r prompt.Request) (out []serve.Token) {
	t.Helper()
	j := serve.Request{
		Client: "direct", MaxTokens: int(r.MaxTokens), Logprobs: int(r.Alternatives), Stop: stopTokens,
		Sampling: engine.Sampling{Temperature: fraction(r.Temperature), Seed: r.Seed},
	}
	for _, token := range r.Tokens {
		j.Prompt = append(j.Prompt, int32(token))
	}
	stream, err := s.Generate(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for {
		token, err := stream.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, token)
	}
}

// direct serves the counters' model without a vault, one sequence at a time in
// pages of another size.
func direct(t *testing.T, int8 bool) *serve.Server {
	t.Helper()
	s, err := serve.Open(small(t), serve.Options{Pages: 60, PageTokens: 7, MaxSequences: 1, Int8: int8, NoPrefixCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func scoresOf(tokens []serve.Token) (ids []uint32, losses []uint64) {
	for _, t := range tokens {
		ids, losses = append(ids, uint32(t.ID)), append(losses, prompt.LossOf(float64(t.Logprob)))
	}
	return ids, losses
}

// A vault of a rung that is served in 8 bits answers with the bits of the
// engine's profile q8, before and after a restart, and lets the float32 weights
// go. What the same model answers in float32 is something else.
func TestAnswersInEightBits(t *testing.T) {
	first, restarted := counterFor(t, serve.Options{}, inference.WeightsQ8), counterFor(t, serve.Options{}, inference.WeightsQ8)
	q8, float32s := direct(t, true), direct(t, false)
	differ := 0
	for i, r := range []prompt.Request{
		{Tokens: []uint32{0, 104, 110}, MaxTokens: 60},
		{Tokens: []uint32{0, 104, 110, 9, 99, 200}, MaxTokens: 80, Temperature: prompt.Million, Seed: 5},
		{Tokens: []uint32{77}, MaxTokens: 100, Temperature: 2 * prompt.Million, Seed: 1 << 40},
	} {
		r.Logprobs, r.Alternatives = true, 3
		want := generated(t, q8, r)
		for name, c := range map[string]*counter{"vault": first, "restarted vault": restarted} {
			if d := cmp.Diff(want, generated(t, c.vault.models[1].server, r)); d != "" {
				t.Errorf("request %d: the server of the %s: %s", i, name, d)
			}
			var ids []uint32
			var losses []uint64
			for _, e := range c.answer(c.call(1, r)) {
				ids = append(ids, e.Tokens...)
				for _, s := range e.Scores {
					losses = append(losses, s.Loss)
				}
			}
			wantIDs, wantLosses := scoresOf(want)
			if d := cmp.Diff(wantIDs, ids) + cmp.Diff(wantLosses, losses); d != "" {
				t.Errorf("request %d: the answer of the %s: %s", i, name, d)
			}
		}
		if cmp.Diff(want, generated(t, float32s, r)) != "" {
			differ++
		}
	}
	if differ != 3 {
		t.Errorf("%d of 3 answers in float32 are others: the test tells the profiles apart by all of them", differ)
	}
	if first.vault.models[1].weights != nil {
		t.Error("the vault keeps the float32 weights as well")
	}
}

// A session is answered under the terms that it was opened for, or not at all.
func TestAnswersAreThoseOfTheTerms(t *testing.T) {
	for served, opened := range map[string]string{inference.WeightsFloat32: inference.WeightsQ8, inference.WeightsQ8: inference.WeightsFloat32} {
		c := counterFor(t, serve.Options{}, served)
		c.answers = opened
		events := c.answer(c.call(1, plain("x", 3)))
		if len(events) != 1 || events[0].Failure.Code != prompt.FailSession {
			t.Errorf("served in %s, opened for %s: %+v", inference.WeightsName(served), inference.WeightsName(opened), events)
		}
	}
}
