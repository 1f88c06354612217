package enginetest

import (
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
)

func session(t *testing.T, m engine.Model, capacity int) engine.Session {
	t.Helper()
	s, err := m.Session(capacity)
	if err != nil {
		t.Fatalf("open session: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

func feed(t *testing.T, s engine.Session, tokens []int32) []float32 {
	t.Helper()
	logits, err := s.Feed(tokens)
	if err != nil {
		t.Fatalf("feed: %v", err)
	}
	return append([]float32(nil), logits...)
}

// sessionAgrees computes the loss of a text from a session's logits, and checks
// that how a text is cut into calls changes nothing.
func sessionAgrees(t *testing.T, e engine.Engine, shape engine.Shape) {
	m := openShape(t, e, shape)
	tokens := Tokens(9, shape.Vocab, shape.Context)
	seq := len(tokens) - 1
	want, err := m.Loss(tokens, 1, seq)
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, m, shape.Context)
	var loss float64
	for i := range seq {
		logits := feed(t, s, tokens[i:i+1])
		var sum float64
		for _, v := range logits {
			sum += math.Exp(float64(v))
		}
		loss += math.Log(sum) - float64(logits[tokens[i+1]])
	}
	if got := 1e6 * loss; math.Abs(got-float64(want[0])) > 20*float64(seq) {
		t.Errorf("session gives a loss of %.0f, Loss %d micro-nats", got, want[0])
	}
	last := feed(t, s, tokens[seq:])
	if s.Len() != len(tokens) {
		t.Errorf("length is %d, want %d", s.Len(), len(tokens))
	}
	for _, cut := range []int{1, 3, 7, len(tokens)} {
		s.Reset()
		var logits []float32
		for rest := tokens; len(rest) > 0; {
			n := min(cut, len(rest))
			logits = feed(t, s, rest[:n])
			rest = rest[n:]
		}
		same(t, "logits of another cut", last, logits)
	}
}

func sessionBounds(t *testing.T, e engine.Engine) {
	m := open(t, e)
	for _, capacity := range []int{0, -1, Shape.Context + 1} {
		if _, err := m.Session(capacity); !errors.Is(err, engine.ErrContextFull) {
			t.Errorf("capacity %d: error is %v, want ErrContextFull", capacity, err)
		}
	}
	s := session(t, m, 8)
	tokens := Tokens(2, Shape.Vocab, 9)
	want := feed(t, s, tokens[:6])
	if _, err := s.Feed(tokens[6:9]); !errors.Is(err, engine.ErrContextFull) {
		t.Errorf("error is %v, want ErrContextFull", err)
	}
	if _, err := s.Feed(nil); !errors.Is(err, engine.ErrBadTokens) {
		t.Errorf("no tokens: error is %v, want ErrBadTokens", err)
	}
	if _, err := s.Feed([]int32{1, int32(Shape.Vocab)}); !errors.Is(err, engine.ErrBadTokens) {
		t.Errorf("error is %v, want ErrBadTokens", err)
	}
	if s.Len() != 6 {
		t.Errorf("length is %d after refusals, want 6", s.Len())
	}
	feed(t, s, tokens[6:8])
	s.Reset()
	same(t, "logits after a reset", want, feed(t, s, tokens[:6]))
	s.Close()
	if _, err := s.Feed(tokens[:1]); err == nil {
		t.Error("a closed session decodes")
	}
	s.Close()
}

// sessionKeeps checks that training does not disturb a session, that a new one
// sees the new weights, and that several may run at once.
func sessionKeeps(t *testing.T, e engine.Engine) {
	m := open(t, e)
	tokens := Tokens(3, Shape.Vocab, 12)
	old := session(t, m, 20)
	before := feed(t, old, tokens)
	old.Reset()
	var wg sync.WaitGroup
	for range 3 {
		s := session(t, m, 20)
		wg.Go(func() {
			if logits, err := s.Feed(tokens); err != nil || logits[0] != before[0] {
				t.Errorf("session beside others: %v", err)
			}
		})
	}
	for n := range 3 {
		if _, err := m.Step(Tokens(uint64(n), Shape.Vocab, 22), 2, 10, optimizer(engine.Muon), n); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	same(t, "logits after training", before, feed(t, old, tokens))
	after := feed(t, session(t, m, 20), tokens)
	equal := true
	for i := range before {
		equal = equal && before[i] == after[i]
	}
	if equal {
		t.Error("a new session does not see the trained weights")
	}
}
