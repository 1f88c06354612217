// Package bank keeps balances in memory: the book that ledger/memory and the
// tests of the rules execute transfers on.
//
// The product's book is the bank module of the Cosmos ledger; this one has the
// same meaning for transfers and nothing else.
package bank

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
)

// Bank is a book of balances. It is not safe for concurrent use.
type Bank struct {
	balances map[crescendo.Account]crescendo.Amount
	supply   crescendo.Amount
}

// New returns a bank with the given balances. It fails when their sum is out
// of range; with a supply in range no balance can ever wrap.
func New(genesis map[crescendo.Account]crescendo.Amount) (*Bank, error) {
	b := &Bank{balances: maps.Clone(genesis)}
	if b.balances == nil {
		b.balances = map[crescendo.Account]crescendo.Amount{}
	}
	for _, amount := range genesis {
		var err error
		if b.supply, err = b.supply.Add(amount); err != nil {
			return nil, fmt.Errorf("genesis balances: %w", err)
		}
	}
	return b, nil
}

// Balance returns what an account or pot has.
func (b *Bank) Balance(account crescendo.Account) crescendo.Amount { return b.balances[account] }

// Supply returns the sum of all balances: genesis less what was burned.
func (b *Bank) Supply() crescendo.Amount { return b.supply }

// Execute carries out all transfers in order, or none of them.
func (b *Bank) Execute(transfers []crescendo.Transfer) error {
	for i, t := range transfers {
		if b.balances[t.From] < t.Amount {
			err := crescendo.Errorf(crescendo.CodeFunds, "transfer %d from %s to %s: it has %d", t.Amount, t.From, t.To, b.balances[t.From])
			for _, done := range slices.Backward(transfers[:i]) {
				b.undo(done)
			}
			return err
		}
		b.balances[t.From] -= t.Amount
		if t.To == crescendo.Burn {
			b.supply -= t.Amount
		} else {
			b.balances[t.To] += t.Amount
		}
	}
	return nil
}

func (b *Bank) undo(t crescendo.Transfer) {
	if t.To == crescendo.Burn {
		b.supply += t.Amount
	} else {
		b.balances[t.To] -= t.Amount
	}
	b.balances[t.From] += t.Amount
}

// String lists the balances above zero, one a line, sorted by account.
func (b *Bank) String() string {
	var out strings.Builder
	for _, account := range slices.Sorted(maps.Keys(b.balances)) {
		if amount := b.balances[account]; amount > 0 {
			fmt.Fprintf(&out, "%s %d\n", account, amount)
		}
	}
	return out.String()
}
