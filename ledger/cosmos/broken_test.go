package cosmos_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
	"github.com/crescendo-network/crescendo/program"
)

// brokenRules panic, forget to return errors and spend what pots do not have.
type brokenRules struct{ program.Rules }

func (b brokenRules) Apply(env crescendo.Env, s kv.Store, m crescendo.Message) (crescendo.Outcome, error) {
	if err := s.Set([]byte("broken/trace"), []byte{1}); err != nil {
		return crescendo.Outcome{}, err
	}
	var out crescendo.Outcome
	switch m := m.(type) {
	case *funding.MsgRefund:
		if m.Rung == 1 {
			panic("a rule with a bug")
		}
		out.Pay("@funding/9", m.Sender, 5) // an empty pot
		return out, nil
	case *funding.MsgContribute:
		switch m.Amount {
		case 1:
			return out, errors.New("an error without a code")
		case 2:
			out.Pay(m.Sender, "nobody", 1)
			return out, nil
		case 3:
			out.Pay(m.Sender, crescendo.Burn, 3)
			return out, nil
		}
	}
	return b.Rules.Apply(env, s, m)
}

func (b brokenRules) EndBlock(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	switch env.Height % 4 {
	case 1:
		if err := s.Set([]byte("broken/end"), []byte{1}); err != nil {
			return out, err
		}
		panic("the end of the block has a bug")
	case 2:
		out.Pay("@funding/9", crescendo.Burn, 5)
		return out, nil
	case 3:
		return out, errors.New("the end of the block fails")
	}
	out.Emit(crescendo.NewEvent("broken.fine", 0))
	return out, nil
}

// Whatever rules do, blocks are completed, nothing of a failed rule is kept,
// and refusals say what happened.
func TestBrokenRulesDoNotStopTheChain(t *testing.T) {
	home := t.TempDir()
	if err := app.Init(home, genesis()); err != nil {
		t.Fatal(err)
	}
	l := dial(t, start(t, app.NodeConfig{Home: home, BlockTime: 50 * time.Millisecond, Rules: brokenRules{}}))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	refund := func(rung crescendo.RungID) *funding.MsgRefund {
		return &funding.MsgRefund{Sender: person(0).Account(), Rung: rung}
	}
	before, err := l.Balance(ctx, person(0).Account())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		message crescendo.Message
		text    string
	}{
		{refund(1), "rule panicked: a rule with a bug"},
		{refund(2), "move 5 from @funding/9"},
		{contribute(0, 1), "an error without a code"},
		{contribute(0, 2), "transfer to \"nobody\""},
	} {
		_, err := l.Submit(ctx, person(0), c.message)
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.message.TypeURL(), err, c.text)
		}
	}
	state, err := l.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"broken/trace", "broken/end"} {
		if _, err := state.Get([]byte(key)); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("a failed rule left %s behind: %v", key, err)
		}
	}
	submit(t, l, person(0), contribute(0, 3)) // burned
	if after, err := l.Balance(ctx, person(0).Account()); err != nil || before-after != 3 {
		t.Errorf("%d were spent (%v), want 3", before-after, err)
	}
	endings(t, ctx, l)
}

func endings(t *testing.T, ctx context.Context, l interface {
	Block(context.Context, crescendo.Height) ([]byte, error)
}) {
	t.Helper()
	for h := crescendo.Height(5); h < 9; h++ {
		raw, err := l.Block(ctx, h)
		if err != nil {
			t.Fatal(err)
		}
		events := decodeBlock(t, raw).EndEvents
		want := "ledger.end-block-failed"
		if h%4 == 0 {
			want = "broken.fine"
		}
		if len(events) != 1 || events[0].Kind != want {
			t.Errorf("block %d ends with %v, want %s", h, events, want)
		}
	}
}
