package serve

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/crescendo-network/crescendo/engine"
)

// A Server decodes requests over one model.
type Server struct {
	shape   engine.Shape
	options Options
	batch   engine.Batch
	done    chan struct{}

	mu      sync.Mutex
	wake    *sync.Cond // of the loop: something may be there to do
	closed  bool
	pool    *pool
	waiting []*sequence // first come, first served
	running []*sequence // in the order of admission
	stats   Stats
}

// Open starts a server over the parameters of a model as they are now. The model
// must be an engine.Batcher.
func Open(m engine.Model, o Options) (*Server, error) {
	s, err := open(m, o)
	if err != nil {
		return nil, err
	}
	go s.loop()
	return s, nil
}

// open makes a server whose loop does not run.
func open(m engine.Model, o Options) (*Server, error) {
	b, ok := m.(engine.Batcher)
	if !ok {
		return nil, fmt.Errorf("open server: this engine decodes one sequence at a time only (%T)", m)
	}
	o, err := o.withDefaults(m.Shape())
	if err != nil {
		return nil, fmt.Errorf("open server: %w: %w", ErrBadRequest, err)
	}
	o.Salt = append([]byte(nil), o.Salt...)
	batch, err := b.Batch(engine.BatchOptions{Pages: o.Pages, PageTokens: o.PageTokens, Rows: o.StepTokens,
		LogitRows: o.logitRows(), Int8: o.Int8})
	if err != nil {
		return nil, fmt.Errorf("open server: %w", err)
	}
	s := &Server{shape: m.Shape(), options: o, batch: batch, done: make(chan struct{}), pool: newPool(o.Pages, batch.Clear)}
	s.wake = sync.NewCond(&s.mu)
	return s, nil
}

// logitRows bounds the memory of logits: one row for every sequence, and some
// more for prompts that are scored.
func (o Options) logitRows() int { return min(o.StepTokens, o.MaxSequences+16) }

// Generate queues a request. It returns ErrBusy if the queue is full and
// ErrTooLarge if the pool could never hold it. The request ends, and its pages
// are freed, when ctx does.
func (s *Server) Generate(ctx context.Context, r Request) (*Stream, error) {
	if err := r.check(s.shape); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	q := s.newSequence(r)
	if q.need > s.options.Pages {
		return nil, fmt.Errorf("generate: %w: %d tokens take %d pages of %d: ask for fewer tokens", ErrTooLarge, q.room, q.need, s.options.Pages)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("generate: %w", ErrClosed)
	}
	s.waiting = append(s.waiting, q)
	q.unwatch = context.AfterFunc(ctx, func() { s.cancel(q, context.Cause(ctx)) })
	s.admit()
	if n := len(s.waiting); n > s.options.MaxWaiting {
		s.waiting = s.waiting[:n-1]
		q.unwatch()
		s.stats.Refused++
		return nil, fmt.Errorf("generate: %w: %d run and %d wait: try again later", ErrBusy, len(s.running), len(s.waiting))
	}
	s.wake.Signal()
	return q.stream, nil
}

// cancel asks for a sequence to end. One that waits ends at once, one that runs
// before the next step.
func (s *Server) cancel(q *sequence, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.stream.ended || q.cancelled != nil {
		return
	}
	q.cancelled = cause
	for i, w := range s.waiting {
		if w == q {
			s.waiting = append(s.waiting[:i:i], s.waiting[i+1:]...)
			s.finish(q, "", cause)
			return
		}
	}
	s.wake.Signal()
}

// Forget overwrites what the prefix cache alone holds of a client. What requests of
// the client still use is overwritten when they end.
func (s *Server) Forget(client string) {
	root := clientKey(s.options.Salt, client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.pool.forget(root)
	for _, q := range slices.Concat(s.running, s.waiting) {
		q.private = q.private || q.root == root
	}
}

// Stats reports what the server did and holds.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Pages, st.Free, st.Cached, st.Reserved = s.options.Pages, len(s.pool.free), s.pool.idle.len, s.pool.reserved
	st.Running, st.Waiting, st.Evicted = len(s.running), len(s.waiting), s.pool.evicted
	return st
}

// Close ends all requests with ErrClosed and overwrites all pages.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.wake.Signal()
	s.mu.Unlock()
	<-s.done
}

func (s *Server) loop() {
	defer close(s.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		if !s.tick() && !s.closed {
			s.wake.Wait()
		}
	}
	for _, q := range append(s.running, s.waiting...) {
		s.finish(q, "", ErrClosed)
	}
	s.running, s.waiting = nil, nil
	s.batch.Close()
}

// tick does one step, with mu held except while computing, and reports whether
// there was anything to do.
func (s *Server) tick() bool {
	s.reap()
	s.admit()
	if len(s.running) == 0 {
		return false
	}
	work, runs := s.plan()
	s.mu.Unlock()
	logits, err := s.batch.Step(runs)
	if err == nil {
		read(work, logits, s.shape.Vocab)
	}
	s.mu.Lock()
	s.stats.Steps++
	for _, w := range work {
		if err != nil {
			w.err = err
		}
		s.deliver(w)
	}
	return true
}
