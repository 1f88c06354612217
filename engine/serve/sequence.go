package serve

import (
	"fmt"
	"slices"
	"sync"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// A sequence is a request and how far it is. The loop owns it; the stream and
// what is said to be guarded are under the server's mutex.
type sequence struct {
	request   Request
	stream    *Stream
	unwatch   func() bool // stops watching the request's context
	cancelled error       // guarded

	limit  int // tokens to generate
	room   int // tokens to compute
	need   int // pages for those
	scored bool

	tokens  []int32 // prompt and answer so far
	fed     int     // of those, computed
	hits    int     // of those, taken from the cache
	pages   []int32
	promise int // pages reserved and not taken
	root    key
	keys    []key // of the full pages of the prompt, then of all that are full
	private bool  // its client was forgotten: pages it fills are for nobody else

	sampler  *engine.Sampler
	logProbs engine.LogProbs
}

func (s *Server) newSequence(r Request) *sequence {
	r.Prompt, r.Stop = slices.Clone(r.Prompt), slices.Clone(r.Stop)
	q := &sequence{request: r, tokens: r.Prompt, sampler: engine.NewSampler(r.Sampling, r.Prompt)}
	q.limit = min(r.MaxTokens, s.shape.Context-len(r.Prompt))
	q.scored = r.Echo && r.Logprobs >= 0
	q.room = len(r.Prompt) + max(0, q.limit-1) // the last token is not computed on
	q.need = (q.room + s.options.PageTokens - 1) / s.options.PageTokens
	q.stream = &Stream{server: s, seq: q, ready: make(chan struct{}, 1), done: make(chan struct{})}
	q.stream.usage.Prompt = len(r.Prompt)
	q.root = clientKey(s.options.Salt, r.Client)
	if !s.options.NoPrefixCache {
		q.extendKeys(s.options.PageTokens, len(q.tokens))
	}
	return q
}

// extendKeys computes the keys of the pages that n tokens fill.
func (q *sequence) extendKeys(pageTokens, n int) {
	for len(q.keys) < n/pageTokens {
		last, at := q.root, len(q.keys)*pageTokens
		if len(q.keys) > 0 {
			last = q.keys[len(q.keys)-1]
		}
		q.keys = append(q.keys, last.next(q.tokens[at:at+pageTokens]))
	}
}

// reap ends what was cancelled while running.
func (s *Server) reap() {
	s.running = slices.DeleteFunc(s.running, func(q *sequence) bool {
		if q.cancelled == nil {
			return false
		}
		s.finish(q, "", q.cancelled)
		return true
	})
}

// admit starts requests in the order in which they came, as long as the pool can
// hold all that the first of them may need.
func (s *Server) admit() {
	for len(s.waiting) > 0 && len(s.running) < s.options.MaxSequences {
		q := s.waiting[0]
		var found []int32
		if !q.scored { // else the logits of the whole prompt are wanted
			found = s.pool.match(q.keys[:min(len(q.keys), (len(q.tokens)-1)/s.options.PageTokens)])
		}
		if q.limit == 0 && !q.scored {
			s.waiting = s.waiting[1:]
			q.stream.usage.Started = true
			s.echo(q)
			s.finish(q, q.reason(), nil)
			continue
		}
		if q.need-len(found)+s.pool.idleAmong(found) > s.pool.available() {
			return
		}
		s.waiting = s.waiting[1:]
		for _, i := range found {
			s.pool.hold(i)
		}
		q.pages, q.promise = found, q.need-len(found)
		s.pool.reserved += q.promise
		q.fed = len(found) * s.options.PageTokens
		q.hits, q.stream.usage.Cached, q.stream.usage.Started = q.fed, q.fed, true
		s.stats.Hits += uint64(q.fed)
		s.echo(q)
		s.running = append(s.running, q)
	}
}

// echo delivers what is known of the prompt: all of it, or the first token if the
// others are to be scored.
func (s *Server) echo(q *sequence) {
	if !q.request.Echo {
		return
	}
	n := len(q.request.Prompt)
	if q.scored {
		n = 1
	}
	for i, t := range q.request.Prompt[:n] {
		q.stream.tokens = append(q.stream.tokens, Token{ID: t, Echo: true, Cached: i < q.hits})
	}
	q.stream.signal()
}

// A piece is what one sequence does in a step, and what came of it.
type piece struct {
	q      *sequence
	count  int // tokens computed
	rows   int // of logits
	out    []Token
	finish Finish
	err    error
}

// plan gives every sequence that decodes its token, and then prompts what is
// left, the oldest first.
func (s *Server) plan() ([]*piece, []engine.Run) {
	tokens, rows := s.options.StepTokens, s.options.logitRows()-len(s.running) // one row of logits for each, and some to spare
	left := func(q *sequence) int { return len(q.tokens) - q.fed }
	for _, q := range s.running {
		if left(q) == 1 {
			tokens--
		}
	}
	var work []*piece
	var runs []engine.Run
	for _, q := range s.running {
		w := &piece{q: q, count: 1, rows: 1}
		if n := left(q); n > 1 {
			w.count, w.rows = min(n, tokens), 0
			if q.scored {
				w.count = min(w.count, 1+rows)
				w.rows = w.count
			} else if w.count == n {
				w.rows = 1
			}
			if w.count == 0 {
				continue
			}
			tokens, rows = tokens-w.count, rows-max(0, w.rows-1)
		}
		for len(q.pages)*s.options.PageTokens < q.fed+w.count {
			q.pages = append(q.pages, s.pool.take())
			q.promise--
		}
		work = append(work, w)
		runs = append(runs, engine.Run{Tokens: q.tokens[q.fed : q.fed+w.count], Position: q.fed, Pages: q.pages, Logits: w.rows})
	}
	return work, runs
}

// read makes tokens of logits, the sequences side by side.
func read(work []*piece, logits []float32, vocab int) {
	var wg sync.WaitGroup
	var mine *piece
	for _, w := range work {
		rows := logits[:w.rows*vocab]
		logits = logits[w.rows*vocab:]
		if w.rows == 0 {
			w.q.fed += w.count
		} else if mine == nil {
			mine = w
			defer wg.Wait()
			defer w.read(rows, vocab)
		} else {
			wg.Go(func() { w.read(rows, vocab) })
		}
	}
}

// read goes through the rows of one sequence: those of its prompt score the token
// that follows, the one after all tokens picks the next.
func (w *piece) read(logits []float32, vocab int) {
	q := w.q
	first := q.fed + w.count - w.rows
	q.fed += w.count
	for r := range w.rows {
		row := logits[r*vocab : (r+1)*vocab]
		if !r0.Finite(row) {
			w.err = fmt.Errorf("decode: logits: %w", engine.ErrNotFinite)
			return
		}
		if at := first + r + 1; at < len(q.tokens) {
			w.out = append(w.out, q.score(Token{ID: q.tokens[at], Echo: true}, row))
		} else if q.limit > 0 {
			w.generate(row)
		}
	}
	if q.limit == 0 && q.fed == len(q.tokens) {
		w.finish = q.reason()
	}
}

// generate picks the next token.
func (w *piece) generate(row []float32) {
	q := w.q
	t := Token{ID: q.sampler.Next(row)}
	t.Stop = slices.Contains(q.request.Stop, t.ID)
	w.out = append(w.out, q.score(t, row))
	q.tokens = append(q.tokens, t.ID)
	if t.Stop {
		w.finish = FinishStop
	} else if len(q.tokens)-len(q.request.Prompt) == q.limit {
		w.finish = q.reason()
	}
}

// reason is why a sequence that reached its limit ends.
func (q *sequence) reason() Finish {
	if q.limit < q.request.MaxTokens {
		return FinishContext
	}
	return FinishLength
}

// score adds log probabilities to a token, if they are wanted.
func (q *sequence) score(t Token, row []float32) Token {
	if q.request.Logprobs < 0 {
		return t
	}
	q.logProbs.Read(row)
	t.Scored, t.Logprob = true, q.logProbs.Of(t.ID)
	for _, id := range q.logProbs.Top(nil, q.request.Logprobs) {
		t.Top = append(t.Top, Alternative{ID: id, Logprob: q.logProbs.Of(id)})
	}
	return t
}

// deliver hands a step's tokens to the stream, publishes pages that have become
// full, and ends the sequence if it is over.
func (s *Server) deliver(w *piece) {
	q := w.q
	if w.err != nil {
		s.remove(q, "", w.err)
		return
	}
	s.stats.Prefilled += uint64(max(0, min(q.fed, len(q.request.Prompt))-(q.fed-w.count)))
	if !s.options.NoPrefixCache && !q.private {
		q.extendKeys(s.options.PageTokens, q.fed)
		for i := (q.fed - w.count) / s.options.PageTokens; i < q.fed/s.options.PageTokens; i++ {
			s.pool.publish(q.pages[i], q.keys[i], q.root)
		}
	}
	for _, t := range w.out {
		if !t.Echo {
			q.stream.usage.Generated++
			s.stats.Generated++
		}
	}
	q.stream.tokens = append(q.stream.tokens, w.out...)
	q.stream.signal()
	if w.finish != "" {
		s.remove(q, w.finish, nil)
	}
}

// remove ends a running sequence.
func (s *Server) remove(q *sequence, finish Finish, err error) {
	s.running = slices.DeleteFunc(s.running, func(r *sequence) bool { return r == q })
	s.finish(q, finish, err)
}

// finish frees what a sequence holds and ends its stream.
func (s *Server) finish(q *sequence, finish Finish, err error) {
	s.pool.reserved -= q.promise
	s.pool.release(q.pages)
	q.promise, q.pages = 0, nil
	if q.unwatch != nil {
		q.unwatch()
	}
	q.stream.end(finish, err)
}
