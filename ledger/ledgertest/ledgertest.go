// Package ledgertest is the contract of ledger.Ledger as a test suite: what
// passes Run is a driver that seats can work with.
//
// It checks what seats rely on. Proofs, consensus and crashes are for the
// tests of the driver that has them.
package ledgertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
)

// Fixture is a ledger under test: a fresh chain that begins with NewGenesis.
type Fixture struct {
	Ledger ledger.Ledger
	// Advance makes a block, for ledgers that make none by themselves; nil
	// when blocks come anyway.
	Advance func() error
}

// Run tests the ledger that open returns. It calls open once.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	s := &suite{Fixture: open(t)}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for _, test := range []struct {
		name string
		run  func(context.Context, *testing.T)
	}{
		{"Head", s.head}, // the first two need an untouched chain
		{"OrganiserOpensRaise", s.organiserOpensRaise},
		{"SubmitIsIncluded", s.submitIsIncluded},
		{"RefusalChangesNothing", s.refusalChangesNothing},
		{"AllOrNothing", s.allOrNothing},
		{"SenderMustSign", s.senderMustSign},
		{"PotsTakeNoDeposits", s.potsTakeNoDeposits},
		{"SendMovesMoney", s.sendMovesMoney},
		{"StateReadsAndRanges", s.stateReadsAndRanges},
		{"StateStaysAtOneHeight", s.stateStaysAtOneHeight},
		{"ManySubmitters", s.manySubmitters},
		{"OneSubmitterManyTimes", s.oneSubmitterManyTimes},
		{"NextDeliversEveryBlock", s.nextDeliversEveryBlock},
		{"NextWaits", s.nextWaits},
		{"CancelledContext", s.cancelledContext},
		{"NothingIsSpentTwice", s.nothingIsSpentTwice},
		{"MoneyIsConserved", s.moneyIsConserved},
	} {
		if !t.Run(test.name, func(t *testing.T) { test.run(ctx, t) }) && test.name == "OrganiserOpensRaise" {
			t.Fatal("the other tests need an open raise")
		}
	}
}

type suite struct {
	Fixture
	sent    crescendo.Amount // contributed so far
	between crescendo.Amount // moved by wire.Send so far, from person 0 to 1
}

func contribution(from ledger.Signer, amount crescendo.Amount) *funding.MsgContribute {
	return &funding.MsgContribute{Sender: from.Account(), Rung: 1, Amount: amount}
}

func (s *suite) head(ctx context.Context, t *testing.T) {
	if got := s.Ledger.ChainID(); got != chainID {
		t.Errorf("chain id %q, want %q", got, chainID)
	}
	first, err := s.Ledger.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.advance(t)
	block, err := s.Ledger.Next(ctx, first.Height+1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Ledger.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if block.Height != first.Height+1 || second.Height < block.Height {
		t.Errorf("heights: %d, then block %d, then head %d", first.Height, block.Height, second.Height)
	}
	if first.ChainID != chainID || second.Beacon == first.Beacon || second.Beacon.IsZero() || second.Time < first.Time {
		t.Errorf("heads %+v and %+v", first, second)
	}
}

func (s *suite) organiserOpensRaise(ctx context.Context, t *testing.T) {
	_, err := s.Ledger.Submit(ctx, person(0), &program.MsgOpenRaise{Sender: person(0).Account(), Rung: 1})
	wantCode(t, err, crescendo.CodeForbidden)
	_, err = s.Ledger.Submit(ctx, person(0), contribution(person(0), 1))
	if err == nil {
		t.Error("contributed before the raise was open")
	}
	if _, err := s.Ledger.Submit(ctx, organiser(), &program.MsgOpenRaise{Sender: organiser().Account(), Rung: 1}); err != nil {
		t.Fatal(err)
	}
	raise, err := funding.Raises.Get(s.state(ctx, t), uint32(1))
	if err != nil || raise.Status != funding.Active || raise.HardCap != hardCap {
		t.Fatalf("raise %+v, %v", raise, err)
	}
}

func (s *suite) submitIsIncluded(ctx context.Context, t *testing.T) {
	before := s.balance(ctx, t, person(0).Account())
	result, err := s.Ledger.Submit(ctx, person(0), contribution(person(0), 100), contribution(person(0), 23))
	if err != nil {
		t.Fatal(err)
	}
	s.sent += 123
	if result.Height < 1 || result.TxHash == "" {
		t.Errorf("included at height %d as %q", result.Height, result.TxHash)
	}
	var amounts []string
	for _, e := range result.Events {
		if e.Kind == "funding.contributed" {
			amounts = append(amounts, e.Get("amount"))
			if e.Rung != 1 || e.Get("account") != string(person(0).Account()) {
				t.Errorf("event %s", e)
			}
		}
	}
	if len(amounts) != 2 || amounts[0] != "100" || amounts[1] != "23" {
		t.Errorf("contributed events with amounts %q, want 100 and 23", amounts)
	}
	if spent := before - s.balance(ctx, t, person(0).Account()); spent != 123 {
		t.Errorf("the contributor spent %d, want 123", spent)
	}
	for _, pot := range []crescendo.Account{"@funding/1", address.Pot("@funding/1")} {
		if got := s.balance(ctx, t, pot); got != s.sent {
			t.Errorf("%s holds %d, want %d", pot, got, s.sent)
		}
	}
	shares, err := funding.Holding(s.state(ctx, t), 1, person(0).Account())
	if err != nil || shares != 123 {
		t.Errorf("shares %d, %v", shares, err)
	}
}

func (s *suite) refusalChangesNothing(ctx context.Context, t *testing.T) {
	before := s.snapshot(ctx, t)
	_, err := s.Ledger.Submit(ctx, person(1), contribution(person(1), hardCap+1))
	wantCode(t, err, crescendo.CodeFunds)
	var refusal *crescendo.Error
	if !errors.As(err, &refusal) || refusal.Hint == "" || refusal.Text == "" {
		t.Errorf("a refusal lost its text or hint on the way: %#v", err)
	}
	_, err = s.Ledger.Submit(ctx, person(1), &funding.MsgContribute{Sender: person(1).Account(), Rung: 1})
	wantCode(t, err, crescendo.CodeInvalid)
	_, err = s.Ledger.Submit(ctx, person(1), &funding.MsgRefund{Sender: person(1).Account(), Rung: 1})
	wantCode(t, err, crescendo.CodeWrongTime)
	if after := s.snapshot(ctx, t); after != before {
		t.Errorf("before the refusals:\n%s\nafter:\n%s", before, after)
	}
}

func (s *suite) allOrNothing(ctx context.Context, t *testing.T) {
	before := s.snapshot(ctx, t)
	_, err := s.Ledger.Submit(ctx, person(1), contribution(person(1), 5), contribution(person(1), hardCap))
	wantCode(t, err, crescendo.CodeFunds)
	if after := s.snapshot(ctx, t); after != before {
		t.Errorf("half a transaction was kept; before:\n%s\nafter:\n%s", before, after)
	}
	if _, err := s.Ledger.Submit(ctx, person(1)); err == nil {
		t.Error("a transaction without messages was accepted")
	}
}

func (s *suite) senderMustSign(ctx context.Context, t *testing.T) {
	before := s.snapshot(ctx, t)
	if _, err := s.Ledger.Submit(ctx, person(1), contribution(person(0), 5)); err == nil {
		t.Error("person 1 spent the money of person 0")
	}
	if _, err := s.Ledger.Submit(ctx, person(1), contribution(person(1), 5), contribution(person(0), 5)); err == nil {
		t.Error("person 1 spent the money of person 0 in a second message")
	}
	if after := s.snapshot(ctx, t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func (s *suite) advance(t *testing.T) {
	t.Helper()
	if s.Advance != nil {
		if err := s.Advance(); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *suite) state(ctx context.Context, t *testing.T) ledger.State {
	t.Helper()
	state, err := s.Ledger.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func (s *suite) balance(ctx context.Context, t *testing.T, account crescendo.Account) crescendo.Amount {
	t.Helper()
	amount, err := s.Ledger.Balance(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	return amount
}

func positions(t *testing.T, state ledger.State) []kv.Entry[funding.Position] {
	t.Helper()
	entries, err := funding.Positions.List(state, nil, 100, uint32(1))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func wantCode(t *testing.T, err error, code crescendo.Code) {
	t.Helper()
	var refusal *crescendo.Error
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Errorf("got %v, want a *crescendo.Error with code %s", err, code)
	}
}
