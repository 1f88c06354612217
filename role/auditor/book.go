package auditor

import (
	"fmt"
	"maps"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

// book is the audit's own copy of the bank's balances in the settlement
// denom, from genesis on. Pots go by their names, whatever they are called by.
type book struct {
	balances map[crescendo.Account]crescendo.Amount
	pots     map[crescendo.Account]crescendo.Account // by address
	genesis  crescendo.Amount
	burned   crescendo.Amount
	undo     []crescendo.Transfer // since mark; empty outside of a transaction
}

func newBook(genesis map[crescendo.Account]crescendo.Amount, rungs int) (*book, error) {
	b := &book{balances: maps.Clone(genesis), pots: map[crescendo.Account]crescendo.Account{}}
	for _, account := range slices.Sorted(maps.Keys(genesis)) {
		var err error
		if b.genesis, err = b.genesis.Add(genesis[account]); err != nil {
			return nil, fmt.Errorf("genesis balances: %w", err)
		}
	}
	names := []crescendo.Account{"@treasury", crescendo.Burn}
	for _, rule := range []string{"program", "funding", "research", "season", "training", "evaluation", "sealing", "inference", "revenue", "governance"} {
		for r := range rungs + 1 {
			names = append(names, crescendo.Pot(rule, crescendo.RungID(r)))
		}
	}
	for _, name := range names {
		b.pots[address.Pot(name)] = name
	}
	return b, nil
}

// shortage is the book's refusal of a transfer.
type shortage struct{ rule *crescendo.Error }

// Error implements error.
func (s *shortage) Error() string { return s.rule.Error() }

// Unwrap returns the error with its code.
func (s *shortage) Unwrap() error { return s.rule }

// move carries out one transfer or refuses it.
func (b *book) move(t crescendo.Transfer) error {
	if b.balances[t.From] < t.Amount {
		code := crescendo.CodeFunds
		if t.From.IsPot() {
			code = crescendo.CodeInternal
		}
		return &shortage{crescendo.Errorf(code, "move %s from %s to %s: it has %s", t.Amount, t.From, t.To, b.balances[t.From])}
	}
	b.balances[t.From] -= t.Amount
	if t.To == crescendo.Burn {
		b.burned += t.Amount
	} else {
		b.balances[t.To] += t.Amount
	}
	b.undo = append(b.undo, t)
	return nil
}

// keep makes the transfers since the last keep or drop final.
func (b *book) keep() { b.undo = b.undo[:0] }

// drop takes them back.
func (b *book) drop() {
	for _, t := range slices.Backward(b.undo) {
		if t.To == crescendo.Burn {
			b.burned -= t.Amount
		} else {
			b.balances[t.To] -= t.Amount
		}
		b.balances[t.From] += t.Amount
	}
	b.undo = b.undo[:0]
}

// conserved reports whether what was there at genesis is either still there or
// burned.
func (b *book) conserved() error {
	sum := b.burned
	for _, amount := range b.balances {
		var err error
		if sum, err = sum.Add(amount); err != nil {
			return fmt.Errorf("add balances: %w", err)
		}
	}
	if sum != b.genesis {
		return fmt.Errorf("balances and what was burned come to %s, genesis had %s", sum, b.genesis)
	}
	return nil
}
