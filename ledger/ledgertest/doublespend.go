package ledgertest

import (
	"context"
	"sync"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// nothingIsSpentTwice sends most of an account's money to two others at once:
// one gets it, the other payment is refused and changes nothing.
func (s *suite) nothingIsSpentTwice(ctx context.Context, t *testing.T) {
	from := person(3)
	before := s.balance(ctx, t, from.Account())
	most := before/2 + 1
	receivers := []crescendo.Account{person(4).Account(), person(5).Account()}
	var had [2]crescendo.Amount
	for i, r := range receivers {
		had[i] = s.balance(ctx, t, r)
	}
	var refusals [2]error
	var wait sync.WaitGroup
	for i, r := range receivers {
		wait.Go(func() { _, refusals[i] = s.Ledger.Submit(ctx, from, wire.Send(denom, from.Account(), r, most)) })
	}
	wait.Wait()
	if (refusals[0] == nil) == (refusals[1] == nil) {
		t.Fatalf("the two payments ended with %v and %v, want one refused", refusals[0], refusals[1])
	}
	for i, r := range receivers {
		want := had[i]
		if refusals[i] == nil {
			want += most
		} else {
			wantCode(t, refusals[i], crescendo.CodeFunds)
		}
		if got := s.balance(ctx, t, r); got != want {
			t.Errorf("receiver %d has %d, want %d", i, got, want)
		}
	}
	if got := s.balance(ctx, t, from.Account()); got != before-most {
		t.Errorf("the payer has %d left, want %d", got, before-most)
	}
}
