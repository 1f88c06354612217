package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
)

// A question is a request and its answer by itself.
type question struct {
	request Request
	answer  []Token
	finish  Finish
}

func questions(t testing.TB, n int, int8 bool, by func(testing.TB, engine.Model, Request) ([]Token, Finish)) []question {
	m := model(t, "portable", 1)
	rng := engine.NewSplitMix(77)
	var list []question
	for range n {
		q := question{request: draw(rng)}
		q.answer, q.finish = by(t, m, q.request)
		list = append(list, q)
	}
	return list
}

// TestServerBits asks many things at once, on every kernel, with few and many
// pages of several sizes, and compares every answer to what it is alone. Some
// requests are cancelled; how far they got does not matter to the others.
func TestServerBits(t *testing.T) {
	for _, int8 := range []bool{false, true} {
		by := bySession
		if int8 {
			by = byRows
		}
		list := questions(t, 40, int8, by)
		for _, kernel := range native.Kernels() {
			m := model(t, kernel, 2)
			for i, o := range []Options{
				{PageTokens: 1, Pages: 100, MaxSequences: 3, StepTokens: 5},
				{PageTokens: 5, Pages: 20, MaxSequences: 8, StepTokens: 9},
				{PageTokens: 16, MaxSequences: 1},
				{PageTokens: 32},
				{PageTokens: 64, Pages: 2, NoPrefixCache: true},
			} {
				o.Int8, o.MaxWaiting = int8, len(list)
				t.Run(fmt.Sprintf("int8=%v/%s/%d", int8, kernel, i), func(t *testing.T) {
					askAll(t, m, o, list, uint64(i))
				})
			}
		}
	}
}

func askAll(t *testing.T, m engine.Model, o Options, list []question, seed uint64) {
	s, err := Open(&spy{Model: m, t: t}, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var wg sync.WaitGroup
	rng := engine.NewSplitMix(seed)
	for n, i := range permutation(rng, len(list)) {
		q, leave := list[i], rng.Intn(60)
		wg.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			stream, err := s.Generate(ctx, q.request)
			if err != nil {
				t.Errorf("seed %d, request %d (%d): %v", seed, i, n, err)
				return
			}
			defer stream.Close()
			if leave < 10 { // read a little and go away
				for range leave {
					if _, err := stream.Next(ctx); err != nil {
						return
					}
				}
				if leave%2 == 0 {
					cancel()
				}
				return
			}
			got, err := collect(stream)
			if err == nil {
				err = same(got, q.answer)
			}
			if err == nil && stream.Finish() != q.finish {
				err = fmt.Errorf("finish is %q, want %q", stream.Finish(), q.finish)
			}
			if err != nil {
				t.Errorf("seed %d, request %d: %v\n%+v", seed, i, err, q.request)
			}
		})
	}
	wg.Wait()
	for _, client := range []string{"", "a", "b"} {
		s.Forget(client)
	}
	settle(t, s)
}

// settle checks that nothing is left once every stream was closed and the clients
// forgotten.
func settle(t *testing.T, s *Server) {
	t.Helper()
	st := s.Stats()
	if st.Free != st.Pages || st.Cached != 0 || st.Reserved != 0 || st.Running != 0 || st.Waiting != 0 {
		t.Errorf("pages are lost: %+v", st)
	}
}

func permutation(rng *engine.SplitMix, n int) []int {
	list := make([]int, n)
	for i := range list {
		j := rng.Intn(i + 1)
		list[i] = list[j]
		list[j] = i
	}
	return list
}

// TestSimulation drives the scheduler by hand from a seed: requests come, are
// cancelled, steps are done, in any order, and after each of them every page is
// accounted for.
func TestSimulation(t *testing.T) {
	list := questions(t, 30, false, bySession)
	m := model(t, native.Kernels()[len(native.Kernels())-1], 1)
	for seed := range uint64(60) {
		simulate(t, m, list, seed)
	}
}

func simulate(t *testing.T, m engine.Model, list []question, seed uint64) {
	rng := engine.NewSplitMix(seed)
	o := Options{PageTokens: 1 + rng.Intn(20), MaxSequences: 1 + rng.Intn(5), MaxWaiting: rng.Intn(6) - 1, NoPrefixCache: rng.Intn(5) == 0}
	o.StepTokens = o.MaxSequences + 1 + rng.Intn(30)
	o.Pages = (shape.Context+o.PageTokens-1)/o.PageTokens + rng.Intn(8)
	s, err := open(&spy{Model: m, t: t}, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.batch.Close()
	asked := make(map[*Stream]question)
	for op := range 150 {
		switch rng.Intn(6) {
		case 0, 1:
			q := list[rng.Intn(len(list))]
			stream, err := s.Generate(context.Background(), q.request)
			if err == nil {
				asked[stream] = q
			} else if !errors.Is(err, ErrBusy) {
				t.Fatalf("seed %d, operation %d: %v", seed, op, err)
			}
		case 2:
			if all := append(slices.Clone(s.running), s.waiting...); len(all) > 0 && rng.Intn(2) == 0 {
				q := all[rng.Intn(len(all))]
				s.cancel(q, context.Canceled)
				delete(asked, q.stream)
			} else if rng.Intn(4) == 0 {
				s.Forget([]string{"", "a", "b"}[rng.Intn(3)])
			}
		default:
			s.step()
		}
		if err := s.audit(); err != nil {
			t.Fatalf("seed %d, operation %d, options %+v: %v", seed, op, o, err)
		}
	}
	for s.step() {
	}
	for stream, q := range asked {
		got, err := collect(stream)
		if err == nil {
			err = same(got, q.answer)
		}
		if err != nil {
			t.Fatalf("seed %d: %v\n%+v", seed, err, q.request)
		}
	}
	if err := s.audit(); err != nil || s.pool.reserved != 0 || len(s.pool.free)+s.pool.idle.len != o.Pages {
		t.Fatalf("seed %d: pages are lost: %+v, %v", seed, s.Stats(), err)
	}
}

func (s *Server) step() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tick()
}

// audit counts every page.
func (s *Server) audit() error {
	holders, promised := make([]int, s.options.Pages), 0
	for _, q := range s.running {
		promised += q.promise
		for _, p := range q.pages {
			holders[p]++
		}
	}
	if promised != s.pool.reserved {
		return fmt.Errorf("%d pages are promised, %d reserved", promised, s.pool.reserved)
	}
	if s.pool.available() < 0 {
		return fmt.Errorf("%d pages are available", s.pool.available())
	}
	state := make([]string, s.options.Pages)
	for _, p := range s.pool.free {
		state[p] += "free "
	}
	n := 0
	for p := s.pool.idle.first; p != none; p = s.pool.pages[p].next {
		state[p] += "idle "
		n++
	}
	if n != s.pool.idle.len {
		return fmt.Errorf("%d idle pages are linked, %d counted", n, s.pool.idle.len)
	}
	cached := 0
	for p, g := range s.pool.pages {
		if holders[p] > 0 {
			state[p] += "held "
		}
		if g.holders != holders[p] && state[p] == "held " {
			return fmt.Errorf("page %d has %d holders, says %d", p, holders[p], g.holders)
		}
		if state[p] != "free " && state[p] != "idle " && state[p] != "held " {
			return fmt.Errorf("page %d is %q", p, state[p])
		}
		if g.cached {
			cached++
			if s.pool.cache[g.key] != int32(p) || state[p] == "free " {
				return fmt.Errorf("page %d is %q and cached as %d", p, state[p], s.pool.cache[g.key])
			}
		} else if state[p] == "idle " {
			return fmt.Errorf("page %d is idle and not cached", p)
		}
	}
	if cached != len(s.pool.cache) {
		return fmt.Errorf("%d pages are cached, %d known", cached, len(s.pool.cache))
	}
	return nil
}
