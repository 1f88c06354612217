package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/engine/serve"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/role/vault/wire"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// stopTokens end the answers of the tests' models.
var stopTokens = []int32{tokenizer.EndOfText, tokenizer.EndOfTurn}

// gated is a model that decodes only while its gate is open, so that a test
// decides what is running and what waits.
type gated struct {
	engine.Model
	gate *sync.RWMutex // locked: shut
}

type gatedBatch struct {
	engine.Batch
	gate *sync.RWMutex
}

func (g gated) Batch(o engine.BatchOptions) (engine.Batch, error) {
	b, err := g.Model.(engine.Batcher).Batch(o)
	return gatedBatch{b, g.gate}, err
}

func (g gatedBatch) Step(runs []engine.Run) ([]float32, error) {
	g.gate.RLock()
	defer g.gate.RUnlock()
	return g.Batch.Step(runs)
}

// counter is a vault that serves one model to sessions that need no ledger, and
// the host's end of it.
type counter struct {
	t       *testing.T
	vault   *Vault
	host    *wire.Conn
	gate    *sync.RWMutex
	answers string // what its sessions are opened for
	keys    map[uint64]ed25519.PrivateKey
	count   map[uint64]uint64

	mu       sync.Mutex
	receipts map[uint64]inference.Receipt // the newest final one of each session
}

const window = 256

// small is the model of a counter, the same one every time.
func small(t *testing.T) engine.Model {
	t.Helper()
	shape := engine.Shape{Vocab: tokenizer.MinVocab, Dim: 16, Layers: 1, Heads: 1, KVHeads: 1, FFN: 16, Context: window, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	m, err := native.New(1).New(shape)
	if err != nil {
		t.Fatal(err)
	}
	engine.InitParams(shape, m.Params(), 3)
	return m
}

func newCounter(t *testing.T, o serve.Options) *counter {
	t.Helper()
	return counterFor(t, o, inference.WeightsFloat32)
}

func counterFor(t *testing.T, o serve.Options, answers string) *counter {
	t.Helper()
	m := small(t)
	shape := m.Shape()
	tok, err := tokenizer.Train(t.Context(), [][]byte{[]byte("x")}, shape.Vocab, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{t: t, gate: &sync.RWMutex{}, answers: answers, keys: map[uint64]ed25519.PrivateKey{}, count: map[uint64]uint64{}, receipts: map[uint64]inference.Receipt{}}
	held := &model{weights: gated{m, c.gate}, shape: shape, answers: answers, tokenizer: tok}
	if o.MaxSequences > 0 {
		held.server, err = serve.Open(held.weights, o)
	} else {
		err = held.openServer([]byte("salt"))
	}
	if err != nil {
		t.Fatal(err)
	}
	identity, err := keyshare.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, sign, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.vault = &Vault{chain: chain, id: crescendo.Hash{7}, signKey: sign, sealKey: identity, stall: time.Minute,
		models: map[crescendo.RungID]*model{1: held}, sessions: map[uint64]*session{}}
	ours, theirs := net.Pipe()
	ready := make(chan struct{})
	c.vault.conn = wire.New(theirs, false, func(ctx context.Context, _ string, args []byte, s *wire.Stream) error {
		<-ready
		return c.vault.ask(ctx, args, s)
	})
	close(ready)
	c.host = wire.New(ours, true, c.keep)
	t.Cleanup(func() { c.host.Close(); held.server.Close() })
	return c
}

// keep is what the host does with receipts.
func (c *counter) keep(_ context.Context, method string, raw []byte, _ *wire.Stream) error {
	var a calls.ReceiptArgs
	if err := canon.Decode(raw, &a); err != nil || method != calls.Receipt {
		return errors.New("not a receipt")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !a.Provisional {
		c.receipts[a.Receipt.Receipt.Session] = a.Receipt.Receipt
	}
	return nil
}

func (c *counter) receipt(id uint64) inference.Receipt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.receipts[id]
}

// call asks in a session, which it opens if need be.
func (c *counter) call(id uint64, r prompt.Request) (*wire.Stream, *prompt.Opener) {
	c.t.Helper()
	if c.keys[id] == nil {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			c.t.Fatal(err)
		}
		c.keys[id] = private
		c.vault.mu.Lock()
		c.vault.sessions[id] = &session{record: inference.Session{Rung: 1, Vault: c.vault.id, Escrow: 1 << 40, InputPrice: 1000, OutputPrice: 1000,
			Key: public, Weights: c.answers}}
		c.vault.mu.Unlock()
	}
	c.count[id]++
	r.Session, r.Counter = id, c.count[id]
	b := prompt.Binding{Chain: chain, Rung: 1, Vault: c.vault.id}
	r.Sign(b, c.keys[id])
	envelope, opener, err := prompt.Seal(b, c.vault.sealKey.SealKey(), r)
	if err != nil {
		c.t.Fatal(err)
	}
	s, err := c.host.Call(calls.Ask, envelope)
	if err != nil {
		c.t.Fatal(err)
	}
	return s, opener
}

// answer reads an answer to its end.
func (c *counter) answer(s *wire.Stream, o *prompt.Opener) (events []prompt.Event) {
	c.t.Helper()
	for {
		chunk, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return events
		}
		if err != nil {
			c.t.Fatal(err)
		}
		e, err := o.Open(chunk)
		if err != nil {
			c.t.Fatal(err)
		}
		events = append(events, e)
	}
}

func (c *counter) stats() serve.Stats { return c.vault.models[1].server.Stats() }

func (c *counter) until(what string, ok func(serve.Stats) bool) {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(c.stats()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("waited for: %s; %+v", what, c.stats())
		}
	}
}

func idle(s serve.Stats) bool {
	return s.Running == 0 && s.Waiting == 0 && s.Reserved == 0 && s.Free+s.Cached == s.Pages
}

func plain(text string, max uint32) prompt.Request {
	return prompt.Request{Prompt: text, MaxTokens: max}
}

// A client hangs up before the model has begun: nothing is owed. One that hangs
// up afterwards owes its prompt and what arrived. Either way nothing stays.
func TestHangingUp(t *testing.T) {
	t.Run("text", func(t *testing.T) { testHangingUp(t, false) })
	t.Run("log probabilities", func(t *testing.T) { testHangingUp(t, true) })
}

func testHangingUp(t *testing.T, logprobs bool) {
	plain := func(text string, max uint32) prompt.Request {
		return prompt.Request{Prompt: text, MaxTokens: max, Logprobs: logprobs}
	}
	c := newCounter(t, serve.Options{MaxSequences: 1})
	c.gate.Lock()
	first, _ := c.call(1, plain("first", 200))
	c.until("the first runs", func(s serve.Stats) bool { return s.Running == 1 })
	second, _ := c.call(2, plain("second", 200))
	c.until("the second waits", func(s serve.Stats) bool { return s.Waiting == 1 })
	second.Cancel()
	c.until("the second is gone", func(s serve.Stats) bool { return s.Waiting == 0 })
	first.Cancel()
	c.gate.Unlock()
	c.until("nothing is held", idle)
	for end := time.Now().Add(30 * time.Second); c.receipt(1).Requests == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if r := c.receipt(1); r.Requests != 1 || r.Input != 6 || r.Output != 0 || r.Charged != 6 {
		t.Errorf("the first owes %+v", r)
	}
	events := c.answer(c.call(2, plain("second", 3)))
	if last := events[len(events)-1]; last.Receipt.Receipt.Requests != 1 || last.Receipt.Receipt.Input != 7 {
		t.Errorf("the second was charged for waiting: %+v", last.Receipt.Receipt)
	}
}

// Answers that nobody reads hold nobody else up.
func TestSessionsAreAnsweredTogether(t *testing.T) {
	c := newCounter(t, serve.Options{})
	large := prompt.Request{Tokens: make([]uint32, 200), Logprobs: true, Alternatives: 20, Echo: true, PromptOnly: true} // far more than may be on its way
	for id := range uint64(8) {
		c.call(id+10, large)
	}
	events := c.answer(c.call(1, plain("read", 20)))
	if last := events[len(events)-1]; last.Failure.Code != "" || !last.Final || last.Output == 0 {
		t.Errorf("%+v", last)
	}
}

func TestBusyVault(t *testing.T) {
	c := newCounter(t, serve.Options{MaxSequences: 1, MaxWaiting: -1})
	c.gate.Lock()
	first, _ := c.call(1, plain("first", 5))
	c.until("the first runs", func(s serve.Stats) bool { return s.Running == 1 })
	events := c.answer(c.call(2, plain("second", 5)))
	if len(events) != 1 || events[0].Failure.Code != prompt.FailBusy || events[0].Failure.Hint == "" {
		t.Errorf("%+v", events)
	}
	c.gate.Unlock()
	first.Cancel()
}

// The cache of prompts belongs to a session: that somebody else has asked the
// same shows nowhere.
func TestPromptsAreCachedPerSession(t *testing.T) {
	c := newCounter(t, serve.Options{})
	long := plain(strings.Repeat("a secret ", 12), 2)
	var texts [3][]byte
	for i, id := range []uint64{1, 2, 1} {
		before := c.stats().Hits
		for _, e := range c.answer(c.call(id, long)) {
			texts[i] = append(texts[i], e.Text...)
		}
		if hits := c.stats().Hits - before; (hits > 0) != (i == 2) {
			t.Errorf("request %d of session %d takes %d tokens from the cache", i, id, hits)
		}
	}
	if !bytes.Equal(texts[0], texts[1]) || !bytes.Equal(texts[0], texts[2]) {
		t.Errorf("answers differ: %q", texts)
	}
}

// A prompt that is scored comes back token by token before the answer, with the
// token that ended the answer after it; only the answer is output.
func TestEventsOfAScoredAnswer(t *testing.T) {
	c := newCounter(t, serve.Options{})
	r := prompt.Request{Tokens: []uint32{0, 104, 110}, MaxTokens: 200, Temperature: 2 * prompt.Million, Logprobs: true, Alternatives: 3, Echo: true}
	ended := false
	for seed := range uint64(40) { // one of them ends before the limit
		r.Seed = seed
		var kinds [3]int
		var last prompt.Event
		for i, e := range c.answer(c.call(1, r)) {
			if len(e.Scores) != len(e.Tokens) || (e.Kind == prompt.TokensOfPrompt && kinds[prompt.TokensMade] > 0) {
				t.Fatalf("event %d: %+v", i, e)
			}
			for j, s := range e.Scores {
				first := kinds[prompt.TokensOfPrompt]+j == 0 // nothing stands before it
				if s.None != first || (!first && len(s.Top) != 3) {
					t.Errorf("event %d token %d: %+v", i, j, s)
				}
			}
			kinds[e.Kind] += len(e.Tokens)
			last = e
		}
		if kinds[prompt.TokensOfPrompt] != 3 || kinds[prompt.TokensMade] != int(last.Output) || last.Input != 3 ||
			(kinds[prompt.TokenOfEnd] == 1) != (last.Finish == prompt.FinishStop) {
			t.Fatalf("seed %d: %v %+v", seed, kinds, last)
		}
		ended = ended || last.Finish == prompt.FinishStop
	}
	if !ended {
		t.Error("no answer ended by itself: the test tests nothing")
	}
}

// A client that does not read is given up: it owes what arrived, and its session
// goes on.
func TestUnreadAnswerIsGivenUp(t *testing.T) {
	c := newCounter(t, serve.Options{})
	c.vault.stall = 20 * time.Millisecond
	c.call(1, prompt.Request{Tokens: make([]uint32, 200), Logprobs: true, Alternatives: 20, Echo: true, MaxTokens: 9})
	for end := time.Now().Add(30 * time.Second); c.receipt(1).Requests == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if r := c.receipt(1); r.Requests != 1 || r.Input != 200 || r.Output != 0 {
		t.Errorf("it owes %+v", r)
	}
	c.until("nothing is held", idle)
}
