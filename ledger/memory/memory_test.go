package memory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// raise is the smallest set of rules that moves money: one raise.
type raise struct{ failAt crescendo.Height }

func (raise) Apply(env crescendo.Env, s kv.Store, m crescendo.Message) (crescendo.Outcome, error) {
	switch m := m.(type) {
	case *funding.MsgContribute:
		return funding.Contribute(env, s, m, false)
	case *funding.MsgRefund:
		return funding.Refund(env, s, m)
	}
	return crescendo.Outcome{}, crescendo.Errorf(crescendo.CodeInvalid, "unknown message")
}

func (r raise) EndBlock(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
	if env.Height == r.failAt {
		return crescendo.Outcome{}, errors.New("broken on purpose")
	}
	return funding.EndBlock(env, s, 1)
}

func genesis(s kv.Store) error { return funding.Open(crescendo.Env{}, s, 1, 600, 1000, 20) }

var alice, bob = memory.NewSigner("alice"), memory.NewSigner("bob")

func open(t *testing.T, o memory.Options, rules memory.Rules) *memory.Chain {
	t.Helper()
	c, err := memory.New(o, rules, genesis, map[crescendo.Account]crescendo.Amount{alice.Account(): 1000, bob.Account(): 1000})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func contribute(s *memory.Signer, amount crescendo.Amount) *funding.MsgContribute {
	return &funding.MsgContribute{Sender: s.Account(), Rung: 1, Amount: amount}
}

func TestEqualHistoriesHaveEqualHashes(t *testing.T) {
	ctx := context.Background()
	play := func() []ledger.Head {
		c := open(t, memory.Options{}, raise{})
		var heads []ledger.Head
		for i := range 10 {
			who := alice
			if i%2 == 1 {
				who = bob
			}
			if _, err := c.Submit(ctx, who, contribute(who, crescendo.Amount(i+1))); err != nil {
				t.Fatal(err)
			}
			h, _ := c.Head(ctx)
			heads = append(heads, h)
		}
		return heads
	}
	a, b := play(), play()
	if d := cmp.Diff(a, b); d != "" {
		t.Error(d)
	}
	seen := map[crescendo.Hash]bool{}
	for _, h := range a {
		seen[h.Beacon] = true
	}
	if len(seen) != len(a) {
		t.Errorf("%d beacons for %d blocks", len(seen), len(a))
	}
}

func TestManualChainWaitsForAdvance(t *testing.T) {
	c := open(t, memory.Options{Manual: true}, raise{})
	type answer struct {
		result ledger.Result
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		r, err := c.Submit(context.Background(), alice, contribute(alice, 5))
		answers <- answer{r, err}
	}()
	var got answer
	for included := false; !included; {
		if _, err := c.Advance(); err != nil {
			t.Fatal(err)
		}
		select {
		case got = <-answers:
			included = true
		case <-time.After(time.Millisecond):
		}
	}
	if got.err != nil || got.result.Height < 1 {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Submit(ctx, alice, contribute(alice, 5)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a block: %v", err)
	}
	if block, err := c.Advance(); err != nil || len(block.Events) != 0 {
		t.Errorf("an abandoned transaction was included: %v %v", block, err)
	}
}

func TestBrokenRulesStopTheChain(t *testing.T) {
	c := open(t, memory.Options{}, raise{failAt: 2})
	if _, err := c.Advance(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Advance(); err == nil || !strings.Contains(err.Error(), "broken on purpose") {
		t.Error(err)
	}
	if _, err := c.Submit(context.Background(), alice, contribute(alice, 1)); err == nil {
		t.Error("a stopped chain took a transaction")
	}
	if _, err := c.Next(context.Background(), 2); err == nil {
		t.Error("a stopped chain promises another block")
	}
}

func TestRunMakesBlocks(t *testing.T) {
	c := open(t, memory.Options{Manual: true}, raise{failAt: 200})
	stopped := make(chan error, 1)
	go func() { stopped <- c.Run(context.Background(), time.Millisecond) }()
	if _, err := c.Submit(context.Background(), alice, contribute(alice, 1)); err != nil {
		t.Error(err)
	}
	if err := <-stopped; err == nil || !strings.Contains(err.Error(), "end block 200") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := open(t, memory.Options{}, raise{}).Run(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// liar presents somebody else's account.
type liar struct {
	*memory.Signer
	account crescendo.Account
}

func (l liar) Account() crescendo.Account { return l.account }

// forger signs with another key than it shows.
type forger struct{ *memory.Signer }

func (forger) Sign(document []byte) ([]byte, error) { return bob.Sign(document) }

func TestSignaturesAreChecked(t *testing.T) {
	c := open(t, memory.Options{}, raise{})
	for name, signer := range map[string]ledger.Signer{"liar": liar{bob, alice.Account()}, "forger": forger{alice}} {
		_, err := c.Submit(context.Background(), signer, contribute(alice, 1))
		if crescendo.CodeOf(err) != crescendo.CodeForbidden {
			t.Errorf("%s: %v, want forbidden", name, err)
		}
	}
	if h, _ := c.Head(context.Background()); h.Height != 0 {
		t.Error("a refused signature made a block")
	}
}

func TestSend(t *testing.T) {
	ctx := context.Background()
	c := open(t, memory.Options{}, raise{})
	if _, err := c.Submit(ctx, alice, wire.Send("udemo", alice.Account(), bob.Account(), 400)); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*wire.MsgSend{
		"too much":    wire.Send("udemo", alice.Account(), bob.Account(), 601),
		"wrong denom": wire.Send("stake", alice.Account(), bob.Account(), 1),
	} {
		if _, err := c.Submit(ctx, alice, m); err == nil {
			t.Errorf("%s was sent", name)
		}
	}
	if got, _ := c.Balance(ctx, bob.Account()); got != 1400 || c.Supply() != 2000 {
		t.Errorf("bob has %d, supply %d", got, c.Supply())
	}
}

func TestSignerRedactsItself(t *testing.T) {
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(form, alice); got != "signer of "+string(alice.Account()) {
			t.Errorf("%s prints %s", form, got)
		}
	}
}

func BenchmarkSubmit(b *testing.B) {
	open := func(s kv.Store) error { return funding.Open(crescendo.Env{}, s, 1, 1, 1<<60, 1<<60) }
	c, err := memory.New(memory.Options{}, raise{}, open, map[crescendo.Account]crescendo.Amount{alice.Account(): 1 << 60})
	if err != nil {
		b.Fatal(err)
	}
	m := contribute(alice, 1)
	for b.Loop() {
		if _, err := c.Submit(context.Background(), alice, m); err != nil {
			b.Fatal(err)
		}
	}
}
