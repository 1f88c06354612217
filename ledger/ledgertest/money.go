package ledgertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// snapshot prints everything the suite's messages can change.
func (s *suite) snapshot(ctx context.Context, t *testing.T) string {
	t.Helper()
	state := s.state(ctx, t)
	var b strings.Builder
	raise, err := funding.Raises.Get(state, uint32(1))
	fmt.Fprintln(&b, raise, err)
	for _, entry := range positions(t, state) {
		fmt.Fprintf(&b, "%q %+v\n", entry.Rest, entry.Value)
	}
	for _, signer := range everybody() {
		fmt.Fprintln(&b, signer.Account(), s.balance(ctx, t, signer.Account()))
	}
	fmt.Fprintln(&b, "@funding/1", s.balance(ctx, t, "@funding/1"))
	return b.String()
}

func (s *suite) potsTakeNoDeposits(ctx context.Context, t *testing.T) {
	before := s.snapshot(ctx, t)
	for _, to := range []crescendo.Account{
		address.Pot("@funding/1"), address.Pot("@treasury"), address.Pot("@revenue/1"), "@funding/1", "@treasury",
	} {
		if _, err := s.Ledger.Submit(ctx, person(0), wire.Send(denom, person(0).Account(), to, 10)); err == nil {
			t.Errorf("a deposit to %s was accepted", to)
		}
	}
	if after := s.snapshot(ctx, t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func (s *suite) sendMovesMoney(ctx context.Context, t *testing.T) {
	from, to := person(0), person(1)
	before := s.balance(ctx, t, to.Account())
	if _, err := s.Ledger.Submit(ctx, from, wire.Send(denom, from.Account(), to.Account(), 10)); err != nil {
		t.Fatal(err)
	}
	s.between += 10
	if got := s.balance(ctx, t, to.Account()); got != before+10 {
		t.Errorf("the receiver has %d, want %d", got, before+10)
	}
	_, err := s.Ledger.Submit(ctx, from, wire.Send(denom, from.Account(), to.Account(), 100*initial))
	wantCode(t, err, crescendo.CodeFunds)
}

func (s *suite) manySubmitters(ctx context.Context, t *testing.T) {
	const each = 3
	var wait sync.WaitGroup
	for i := range people {
		wait.Go(func() {
			for range each {
				if _, err := s.Ledger.Submit(ctx, person(i), contribution(person(i), crescendo.Amount(i+1))); err != nil {
					t.Errorf("person %d: %v", i, err)
				}
			}
		})
	}
	wait.Wait()
	s.sent += each * people * (people + 1) / 2
	if got := s.balance(ctx, t, "@funding/1"); got != s.sent {
		t.Errorf("the pot holds %d, want %d", got, s.sent)
	}
}

func (s *suite) oneSubmitterManyTimes(ctx context.Context, t *testing.T) {
	const times = 10
	var wait sync.WaitGroup
	for range times {
		wait.Go(func() {
			if _, err := s.Ledger.Submit(ctx, person(2), contribution(person(2), 7)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	s.sent += times * 7
	if got := s.balance(ctx, t, "@funding/1"); got != s.sent {
		t.Errorf("the pot holds %d, want %d", got, s.sent)
	}
}

// moneyIsConserved looks at the chain after everything else has run.
func (s *suite) moneyIsConserved(ctx context.Context, t *testing.T) {
	raise, err := funding.Raises.Get(s.state(ctx, t), uint32(1))
	if err != nil || raise.Raised != s.sent || raise.Held() != s.sent {
		t.Errorf("raise %+v, %v; want %d raised", raise, err, s.sent)
	}
	var sum, shares crescendo.Amount
	for _, signer := range everybody() {
		sum += s.balance(ctx, t, signer.Account())
	}
	for _, entry := range positions(t, s.state(ctx, t)) {
		shares += entry.Value.Shares
	}
	if all := crescendo.Amount(initial * len(everybody())); sum+s.sent != all || shares != s.sent {
		t.Errorf("accounts have %d, contributed %d, genesis %d; %d shares", sum, s.sent, all, shares)
	}
}
