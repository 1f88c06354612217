package serve

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
)

func fastest() string { return native.Kernels()[len(native.Kernels())-1] }

// byHand opens a server without its loop.
func byHand(t *testing.T, o Options) (*Server, *spy) {
	t.Helper()
	w := &spy{Model: model(t, fastest(), 1), t: t}
	s, err := open(w, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.batch.Close)
	return s, w
}

func text(from, n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = int32((from + i*i) % shape.Vocab)
	}
	return list
}

func generate(t *testing.T, s *Server, r Request) *Stream {
	t.Helper()
	stream, err := s.Generate(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// finishAll does steps until nothing runs.
func finishAll(s *Server) {
	for s.step() {
	}
}

// TestPromptsDoNotStall: while a long prompt is worked off, every step also has
// the token of the text that is decoding.
func TestPromptsDoNotStall(t *testing.T) {
	s, w := byHand(t, Options{PageTokens: 8, MaxSequences: 2, StepTokens: 10})
	generate(t, s, Request{Prompt: text(1, 3), MaxTokens: 30, Logprobs: -1})
	s.step()
	generate(t, s, Request{Prompt: text(2, 50), MaxTokens: 4, Logprobs: -1})
	var second []int
	for len(second) < 6 {
		s.step()
		last := w.steps[len(w.steps)-1]
		if len(last) != 2 || len(last[0].Tokens) != 1 {
			t.Fatalf("step %d has %d runs, want the decoding text's token and a piece of the prompt", len(w.steps), len(last))
		}
		second = append(second, len(last[1].Tokens))
	}
	if want := []int{9, 9, 9, 9, 9, 5}; !slices.Equal(second, want) {
		t.Errorf("pieces of the prompt are %v, want %v", second, want)
	}
}

func TestQueue(t *testing.T) {
	s, _ := byHand(t, Options{PageTokens: 8, Pages: 4, MaxSequences: 2, MaxWaiting: 2, NoPrefixCache: true})
	r := Request{Prompt: text(1, 9), MaxTokens: 8, Logprobs: -1} // two pages
	first, second := generate(t, s, r), generate(t, s, r)
	third, fourth := generate(t, s, r), generate(t, s, r)
	if _, err := s.Generate(context.Background(), r); !errors.Is(err, ErrBusy) {
		t.Errorf("error is %v, want ErrBusy", err)
	}
	if st := s.Stats(); st.Running != 2 || st.Waiting != 2 || st.Refused != 1 || st.Reserved != 4 {
		t.Errorf("%+v", st)
	}
	if _, err := s.Generate(context.Background(), Request{Prompt: text(1, 9), MaxTokens: 25, Logprobs: -1}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error is %v, want ErrTooLarge", err)
	}
	s.step()
	s.cancel(third.seq, context.Canceled) // waits: ends at once
	if st := s.Stats(); st.Waiting != 1 || !third.ended {
		t.Errorf("%+v after one that waited was cancelled", st)
	}
	s.cancel(second.seq, context.Canceled) // runs: makes way in the next step
	s.step()
	if st := s.Stats(); st.Running != 2 || st.Waiting != 0 || !second.ended {
		t.Errorf("%+v after one that ran was cancelled", st)
	}
	finishAll(s)
	for _, stream := range []*Stream{first, fourth} {
		if got, err := collect(stream); err != nil || len(got) != 8 {
			t.Errorf("%d tokens, %v", len(got), err)
		}
	}
	if _, err := collect(second); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled stream ends with %v", err)
	}
	if st := s.Stats(); st.Free != 4 {
		t.Errorf("%+v after all ended", st)
	}
}

// TestPrefixCache: only the same client takes over pages, only whole ones, and
// never the last token, whose logits are wanted.
func TestPrefixCache(t *testing.T) {
	for _, c := range []struct {
		name      string
		off       bool
		before    Request
		after     Request
		forget    bool
		want      int
		generated int
	}{
		{name: "same prompt", before: Request{Client: "a", Prompt: text(1, 20)}, after: Request{Client: "a", Prompt: text(1, 20)}, want: 16},
		{name: "whole pages, last token left", before: Request{Client: "a", Prompt: text(1, 16)}, after: Request{Client: "a", Prompt: text(1, 16)}, want: 8},
		{name: "longer", before: Request{Client: "a", Prompt: text(1, 17)}, after: Request{Client: "a", Prompt: text(1, 40)}, want: 16},
		{name: "shorter", before: Request{Client: "a", Prompt: text(1, 40)}, after: Request{Client: "a", Prompt: text(1, 10)}, want: 8},
		{name: "differs in the second page", before: Request{Client: "a", Prompt: text(1, 20)}, after: Request{Client: "a", Prompt: append(text(1, 10), text(9, 10)...)}, want: 8},
		{name: "differs in the first", before: Request{Client: "a", Prompt: text(1, 20)}, after: Request{Client: "a", Prompt: text(2, 20)}},
		{name: "another client", before: Request{Client: "a", Prompt: text(1, 20)}, after: Request{Client: "b", Prompt: text(1, 20)}},
		{name: "no client", before: Request{Client: "a", Prompt: text(1, 20)}, after: Request{Prompt: text(1, 20)}},
		{name: "off", off: true, before: Request{Client: "a", Prompt: text(1, 20)}, after: Request{Client: "a", Prompt: text(1, 20)}},
		{name: "forgotten", forget: true, before: Request{Client: "a", Prompt: text(1, 20)}, after: Request{Client: "a", Prompt: text(1, 20)}},
		{name: "scored prompt", before: Request{Client: "a", Prompt: text(1, 20)}, after: Request{Client: "a", Prompt: text(1, 20), Echo: true, Logprobs: 1}},
		{name: "echoed prompt", before: Request{Client: "a", Prompt: text(1, 20)}, after: Request{Client: "a", Prompt: text(1, 20), Echo: true}, want: 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, w := byHand(t, Options{PageTokens: 8, NoPrefixCache: c.off})
			for _, r := range []*Request{&c.before, &c.after} {
				r.MaxTokens = 3
				if r.Logprobs == 0 {
					r.Logprobs = -1
				}
			}
			generate(t, s, c.before)
			finishAll(s)
			if c.forget {
				s.Forget("a")
			}
			stream := generate(t, s, c.after)
			finishAll(s)
			got, err := collect(stream)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := bySession(t, w.Model, c.after)
			if err := same(got, want); err != nil {
				t.Error(err)
			}
			if u := stream.Usage(); u.Cached != c.want || u.Prompt != len(c.after.Prompt) || u.Generated != 3 {
				t.Errorf("usage is %+v, want %d cached", u, c.want)
			}
			marked := 0
			for _, tok := range got {
				if tok.Cached {
					marked++
				}
			}
			if c.after.Echo && marked != c.want {
				t.Errorf("%d tokens are marked as cached, want %d", marked, c.want)
			}
		})
	}
}

// TestAnswersAreCached: a conversation that goes on takes over the answer too.
func TestAnswersAreCached(t *testing.T) {
	s, _ := byHand(t, Options{PageTokens: 8})
	first := generate(t, s, Request{Prompt: text(1, 10), MaxTokens: 15, Logprobs: -1})
	finishAll(s)
	answer, err := collect(first)
	if err != nil {
		t.Fatal(err)
	}
	next := generate(t, s, Request{Prompt: append(append(text(1, 10), ids(answer)...), 7, 8), MaxTokens: 1, Logprobs: -1})
	if u := next.Usage(); u.Cached != 24 {
		t.Errorf("usage is %+v, want 24 of 27 tokens cached", u)
	}
}

// TestEviction: the least recently used text makes way, its end first.
func TestEviction(t *testing.T) {
	s, _ := byHand(t, Options{PageTokens: 8, Pages: 6})
	ask := func(from, n int) int {
		stream := generate(t, s, Request{Prompt: text(from, n), MaxTokens: 1, Logprobs: -1})
		finishAll(s)
		return stream.Usage().Cached
	}
	ask(1, 24) // 3 pages
	ask(2, 16) // 2 pages
	if got := ask(1, 24); got != 16 {
		t.Errorf("%d tokens are cached, want 16", got)
	}
	ask(3, 24) // needs 3, one is free: the text from 2 goes
	if st := s.Stats(); st.Evicted != 2 || st.Cached != 6 {
		t.Errorf("%+v", st)
	}
	if got := ask(1, 24); got != 16 {
		t.Errorf("%d tokens of the first text are cached, want 16", got)
	}
	if got := ask(2, 16); got != 0 {
		t.Errorf("%d tokens of the second text are cached, want none", got)
	}
}

func TestContext(t *testing.T) {
	s, _ := byHand(t, Options{PageTokens: 8})
	for _, n := range []int{shape.Context, shape.Context + 1} {
		if _, err := s.Generate(context.Background(), Request{Prompt: text(1, n), MaxTokens: 1}); !errors.Is(err, engine.ErrContextFull) {
			t.Errorf("prompt of %d: error is %v, want ErrContextFull", n, err)
		}
	}
	full := generate(t, s, Request{Prompt: text(1, shape.Context), Echo: true, Logprobs: 0}) // scoring needs no room
	long := generate(t, s, Request{Prompt: text(1, shape.Context-3), MaxTokens: 4, Logprobs: -1})
	fits := generate(t, s, Request{Prompt: text(1, shape.Context-3), MaxTokens: 3, Logprobs: -1})
	finishAll(s)
	for _, c := range []struct {
		stream *Stream
		tokens int
		finish Finish
	}{{full, shape.Context, FinishLength}, {long, 3, FinishContext}, {fits, 3, FinishLength}} {
		got, err := collect(c.stream)
		if err != nil || len(got) != c.tokens || c.stream.Finish() != c.finish {
			t.Errorf("%d tokens, %q, %v; want %d, %q", len(got), c.stream.Finish(), err, c.tokens, c.finish)
		}
	}
}

// TestScores compares the log probabilities of a prompt with the model's loss, and
// with the softmax in float64.
func TestScores(t *testing.T) {
	s, w := byHand(t, Options{PageTokens: 8, StepTokens: 20})
	prompt := text(1, 50)
	stream := generate(t, s, Request{Prompt: prompt, Echo: true, Logprobs: 4})
	finishAll(s)
	got, err := collect(stream)
	if err != nil || len(got) != len(prompt) {
		t.Fatalf("%d tokens, %v", len(got), err)
	}
	if got[0].Scored || got[0].Top != nil {
		t.Errorf("the first token has a score: %+v", got[0])
	}
	session, err := w.Model.Session(shape.Context)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var sum float64
	for i, tok := range got[1:] {
		row, err := session.Feed(prompt[i : i+1])
		if err != nil {
			t.Fatal(err)
		}
		want := softmax64(row)
		sum -= float64(tok.Logprob)
		if d := math.Abs(float64(tok.Logprob) - want[tok.ID]); !(d < 1e-5) || !tok.Scored {
			t.Errorf("token %d: log probability is %v, want %v", i+1, tok.Logprob, want[tok.ID])
		}
		order := make([]int32, shape.Vocab)
		for j := range order {
			order[j] = int32(j)
		}
		slices.SortStableFunc(order, func(a, b int32) int {
			switch {
			case row[a] > row[b]:
				return -1
			case row[a] < row[b]:
				return 1
			}
			return 0
		})
		for j, a := range tok.Top {
			if a.ID != order[j] || math.Abs(float64(a.Logprob)-want[a.ID]) > 1e-5 {
				t.Errorf("token %d: alternative %d is %+v, want %d with %v", i+1, j, a, order[j], want[order[j]])
			}
		}
	}
	loss, err := w.Model.Loss(prompt, 1, len(prompt)-1)
	if err != nil {
		t.Fatal(err)
	}
	if d := math.Abs(1e6*sum - float64(loss[0])); d > 50 {
		t.Errorf("the scores sum up to a loss of %.0f micro-nats, Loss says %d", 1e6*sum, loss[0])
	}
}

// TestScoresOfOneToken: a prompt of one token has nothing to be scored by, which is
// no reason not to answer.
func TestScoresOfOneToken(t *testing.T) {
	s, w := byHand(t, Options{PageTokens: 8})
	for _, most := range []int{0, 1, 3} {
		r := Request{Prompt: []int32{7}, MaxTokens: most, Echo: true, Logprobs: 2}
		stream := generate(t, s, r)
		finishAll(s)
		got, err := collect(stream)
		if err != nil {
			t.Fatal(err)
		}
		want, finish := bySession(t, w.Model, r)
		if err := same(got, want); err != nil || stream.Finish() != finish {
			t.Errorf("at most %d: ends with %q, want %q: %v", most, stream.Finish(), finish, err)
		}
		if got[0].Scored || !got[0].Echo {
			t.Errorf("at most %d: the prompt's token is %+v", most, got[0])
		}
	}
}

func softmax64(row []float32) []float64 {
	top, sum := math.Inf(-1), 0.0
	for _, v := range row {
		top = max(top, float64(v))
	}
	for _, v := range row {
		sum += math.Exp(float64(v) - top)
	}
	var list []float64
	for _, v := range row {
		list = append(list, float64(v)-top-math.Log(sum))
	}
	return list
}

func TestRequestsRefused(t *testing.T) {
	s, _ := byHand(t, Options{})
	ok := []int32{1}
	long := make([]byte, maxClient+1)
	for _, c := range []struct {
		request Request
		want    error
	}{
		{Request{MaxTokens: 1}, ErrBadRequest},
		{Request{Prompt: ok, MaxTokens: -1}, ErrBadRequest},
		{Request{Prompt: ok, Logprobs: MaxTop + 1}, ErrBadRequest},
		{Request{Prompt: ok, Logprobs: -2}, ErrBadRequest},
		{Request{Prompt: ok, Stop: make([]int32, MaxStops+1)}, ErrBadRequest},
		{Request{Prompt: ok, Client: string(long)}, ErrBadRequest},
		{Request{Prompt: []int32{-1}}, engine.ErrBadTokens},
		{Request{Prompt: []int32{int32(shape.Vocab)}}, engine.ErrBadTokens},
		{Request{Prompt: ok, Sampling: engine.Sampling{Temperature: float32(math.NaN())}}, ErrBadRequest},
		{Request{Prompt: ok, Sampling: engine.Sampling{Temperature: -1}}, ErrBadRequest},
		{Request{Prompt: ok, Sampling: engine.Sampling{TopP: 1.5}}, ErrBadRequest},
		{Request{Prompt: ok, Sampling: engine.Sampling{MinP: 1.5}}, ErrBadRequest},
		{Request{Prompt: ok, Sampling: engine.Sampling{TopK: -1}}, ErrBadRequest},
		{Request{Prompt: ok, Sampling: engine.Sampling{RepetitionPenalty: 1e-9}}, ErrBadRequest},
	} {
		if _, err := s.Generate(context.Background(), c.request); !errors.Is(err, c.want) {
			t.Errorf("%+v: error is %v, want %v", c.request, err, c.want)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Generate(ended, Request{Prompt: ok, MaxTokens: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	for _, o := range []Options{{Pages: -1}, {PageTokens: -1}, {PageTokens: MaxPageTokens + 1}, {MaxSequences: -1},
		{MaxSequences: MaxSequences + 1}, {MaxWaiting: MaxWaiting + 1}, {MaxSequences: 8, StepTokens: 8}, {StepTokens: 1 << 20}} {
		if s, err := Open(model(t, fastest(), 1), o); err == nil {
			s.Close()
			t.Errorf("%+v is accepted", o)
		}
	}
	if _, err := Open(struct{ engine.Model }{model(t, fastest(), 1)}, Options{}); err == nil {
		t.Error("a model that is no Batcher is accepted")
	}
}

// TestNotFinite: a model that breaks ends the streams it breaks for, no others.
func TestNotFinite(t *testing.T) {
	m := model(t, fastest(), 1)
	m.Params()[3*shape.Dim] = float32(math.Inf(1)) // of token 3
	s, err := Open(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	bad := generate(t, s, Request{Prompt: []int32{3}, MaxTokens: 2, Logprobs: -1})
	if _, err := collect(bad); !errors.Is(err, engine.ErrNotFinite) {
		t.Errorf("error is %v, want ErrNotFinite", err)
	}
	settle(t, s)
}

func TestClose(t *testing.T) {
	s, err := open(model(t, fastest(), 1), Options{MaxSequences: 1})
	if err != nil {
		t.Fatal(err)
	}
	runs := generate(t, s, Request{Prompt: text(1, 5), MaxTokens: 50, Logprobs: -1})
	waits := generate(t, s, Request{Prompt: text(1, 5), MaxTokens: 50, Logprobs: -1})
	s.step()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	go s.loop()
	s.Close()
	if got, err := collect(waits); !errors.Is(err, ErrClosed) || len(got) != 0 {
		t.Errorf("stream that waited ends after %d tokens with %v, want ErrClosed", len(got), err)
	}
	if got, err := collect(runs); !errors.Is(err, ErrClosed) || len(got) != 1 {
		t.Errorf("stream that ran ends after %d tokens with %v, want one and ErrClosed", len(got), err)
	}
	runs.Close()
	waits.Close()
	s.Forget("")
	if _, err := s.Generate(context.Background(), Request{Prompt: []int32{1}, MaxTokens: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("error is %v, want ErrClosed", err)
	}
	s.Close()
}

// TestReaderMayGoAway: the reader's context is not the request's.
func TestReaderMayGoAway(t *testing.T) {
	s, _ := byHand(t, Options{})
	stream := generate(t, s, Request{Prompt: text(1, 5), MaxTokens: 2, Logprobs: -1})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := stream.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	finishAll(s)
	if got, err := collect(stream); err != nil || len(got) != 2 {
		t.Errorf("%d tokens, %v", len(got), err)
	}
}

// TestForget: what a request of a forgotten client still holds, or fills later,
// is overwritten when it ends.
func TestForget(t *testing.T) {
	s, _ := byHand(t, Options{PageTokens: 8})
	generate(t, s, Request{Client: "a", Prompt: text(1, 20), MaxTokens: 1, Logprobs: -1})
	generate(t, s, Request{Client: "b", Prompt: text(1, 20), MaxTokens: 1, Logprobs: -1})
	finishAll(s)
	generate(t, s, Request{Client: "a", Prompt: text(1, 20), MaxTokens: 20, Logprobs: -1})
	s.step()
	s.Forget("a")
	if st := s.Stats(); st.Cached != 2 {
		t.Errorf("%+v, want the two pages of the other client cached", st)
	}
	finishAll(s)
	if st := s.Stats(); st.Cached != 2 || st.Free != st.Pages-2 {
		t.Errorf("%+v after the request ended, want the two pages of the other client cached", st)
	}
}
