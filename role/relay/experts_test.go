package relay_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/program"
)

// A vault seals and serves a mixture of experts; another one that is given the
// key answers the same, and what it says is what the container's weights say
// when they are read one token at a time.
func TestMixtureIsServed(t *testing.T) {
	w, r, _ := serving(t, func(s *program.Spec) {
		m := &s.Rungs[0].Model
		m.FFN, m.Experts, m.ExpertsPerToken, m.BalanceMillionths = 32, 4, 2, 10_000
	})
	url, stop := w.startProxy(r.status().Address, nil)
	direct := w.reader()
	if got := direct.model.Shape(); got.Experts != 4 || got.ExpertsPerToken != 2 {
		t.Fatalf("the sealed model is %+v", got)
	}
	const text = "The wind and Document 5"
	tokens := direct.tok.AppendEncode([]int32{0}, []byte(text))
	want, _ := direct.losses(tokens)
	check := func(when string) {
		var out completion
		post(t, url+"completions", fmt.Sprintf(`{"model": "1", "prompt": %q, "max_tokens": 0, "echo": true, "logprobs": 1}`, text), &out)
		var got []uint64
		for _, l := range out.Choices[0].Scores.Logprob {
			got = append(got, uint64(-*l*1e6+0.5))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s, the losses differ from those of the container (-want +got):\n%s", when, d)
		}
	}
	check("by the vault that sealed it")
	before := complete(t, w, url)
	w.must(syscall.Kill(r.status().VaultPID, syscall.SIGKILL))
	if after := complete(t, w, url); before != after {
		t.Errorf("another model after the restart: %q, %q", before, after)
	}
	check("by the vault that was given the key")
	stop()
}
