package up_test

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// breath is a client's pause between requests: its money is limited.
const breath = 600 * time.Millisecond

// tally is what a client counted of its own requests.
type tally struct {
	mu          sync.Mutex
	whole       uint64 // answers
	tokens      uint64 // in them
	interrupted uint64
	began       chan struct{} // a request has begun just now
}

// TestServingProcessesKilled kills vault and relay at seeded moments while a
// client streams. Serving goes on, and what the ledger has settled in the end
// is what the client got: no answer unpaid, none paid twice.
func TestServingProcessesKilled(t *testing.T) {
	s := serve(t, "500000000")
	const (
		clients = 2
		limit   = 60 // tokens of an answer
	)
	before, err := s.conn.Ledger.Balance(t.Context(), s.client.Account())
	s.must(err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	got := tally{began: make(chan struct{})}
	var asking sync.WaitGroup
	for range clients {
		asking.Go(func() { s.keepAsking(ctx, &got, limit) })
	}
	kills := s.killServing(&got)
	stop()
	asking.Wait()

	s.must(s.proxy.Process.Signal(os.Interrupt)) // closes its sessions
	s.until("all sessions are closed and settled", func() bool { return s.bill(s.state()).open == 0 })
	b := s.bill(s.state())
	after, err := s.conn.Ledger.Balance(t.Context(), s.client.Account())
	s.must(err)
	t.Logf("%d kills; %d whole answers of %d tokens, %d interrupted; settled: %d requests of %d tokens in %d sessions for %d",
		kills, got.whole, got.tokens, got.interrupted, b.requests, b.output, b.sessions, b.settled)
	// A request that a kill cut off before any text came is asked again by the
	// proxy: the client sees one, the old vault may have charged for another.
	unsure := got.interrupted + uint64(kills*clients)
	if b.requests < got.whole || b.requests > got.whole+unsure {
		t.Errorf("%d requests settled; %d answered, %d unsure", b.requests, got.whole, unsure)
	}
	if b.output < got.tokens || b.output > got.tokens+unsure*limit {
		t.Errorf("%d tokens settled; %d delivered, %d requests unsure", b.output, got.tokens, unsure)
	}
	if before-after != b.settled || b.settled == 0 {
		t.Errorf("the client is %d poorer, %d was settled", before-after, b.settled)
	}
}

func (s *served) keepAsking(ctx context.Context, got *tally, limit int) {
	for ctx.Err() == nil {
		// A request that was begun is heard to its end, or the count is off.
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		select {
		case got.began <- struct{}{}:
		default:
		}
		a, err := s.ask(whole, "func main() {", limit, 0)
		cancel()
		got.mu.Lock()
		if err == nil && a.whole {
			got.whole++
			got.tokens += a.tokens
		} else {
			got.interrupted++
		}
		got.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(breath):
		}
	}
}

// killServing kills until vault and relay have both died three times, each time
// once an answer has come since the last.
func (s *served) killServing(got *tally) (kills int) {
	rng := rand.New(rand.NewPCG(s.seed, 2))
	roles := []string{"vault", "relay", "vault", "relay", "vault", "relay"}
	rng.Shuffle(len(roles), func(i, j int) { roles[i], roles[j] = roles[j], roles[i] })
	answered := func() uint64 {
		got.mu.Lock()
		defer got.mu.Unlock()
		return got.whole
	}
	for _, role := range roles {
		then := answered()
		s.until("an answer comes", func() bool { return answered() > then })
		pid := 0
		s.until(role+" runs", func() bool { pid = s.pid(role); return pid != 0 })
		<-got.began
		time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
		s.must(syscall.Kill(pid, syscall.SIGKILL))
		kills++
	}
	then := answered()
	s.until("an answer comes after the last kill", func() bool { return answered() > then })
	return kills
}
