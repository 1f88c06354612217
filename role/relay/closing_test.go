package relay_test

import (
	"testing"
	"time"

	"github.com/openai/openai-go/v3"

	"github.com/crescendo-network/crescendo/program"
)

// A relay whose interval is far away settles when it hears that a session is
// closing: grace is counted in blocks, and they may come fast.
func TestClosingIsSettledAtOnce(t *testing.T) {
	binary, err := vaultBinary()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(s *program.Spec) { s.Rungs[0].Inference.GraceBlocks = 1 << 30 }) // only a last settlement closes a session
	w.settleEvery = 24 * time.Hour
	w.allow(binary)
	w.startKeeper()
	r := w.startRelay(binary, "")
	w.until("rung 1 is served", 60*time.Second, func() bool { return len(r.status().Serving) == 1 })
	url, stop := w.startProxy(r.status().Address, nil)
	c := openAI(url)
	_, err = c.Completions.New(t.Context(), openai.CompletionNewParams{
		Model: openai.CompletionNewParamsModel(w.spec.Rungs[0].Name), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Document")},
		MaxTokens: openai.Int(4), Temperature: openai.Float(0),
	})
	w.must(err)
	stop()
	w.until("the session is settled and closed", 60*time.Second, func() bool {
		s := w.session(1)
		return s.Closed && s.Requests == 1
	})
}
