package desk

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
)

// foretold is what a message would do if it were in the next block.
type foretold struct {
	Transfers []crescendo.Transfer
	Events    []crescendo.Event
}

// foretell carries a message out on a copy of the newest state, by the rules
// the ledger runs. The ledger itself is not asked to do anything, so that what
// is wrong can be said at the form, before anything is signed.
func foretell(ctx context.Context, l ledger.Ledger, m crescendo.Message) (foretold, error) {
	head, err := l.Head(ctx)
	if err != nil {
		return foretold{}, fmt.Errorf("read head: %w", err)
	}
	state, err := l.State(ctx)
	if err != nil {
		return foretold{}, fmt.Errorf("read state: %w", err)
	}
	env := crescendo.Env{ChainID: l.ChainID(), Height: max(head.Height, state.Height()) + 1, Time: head.Time / 1000, Beacon: head.Beacon}
	out, err := program.Rules{}.Apply(env, kv.NewOverlay(state), m)
	if err != nil {
		return foretold{}, err
	}
	return foretold{out.Transfers, out.Events}, affordable(ctx, l, m.From(), out.Transfers)
}

// affordable refuses what the sender has not got: rules see no balances, the
// bank does.
func affordable(ctx context.Context, l ledger.Ledger, who crescendo.Account, transfers []crescendo.Transfer) error {
	var out, in crescendo.Amount
	var err error
	for _, t := range transfers {
		if t.From == who {
			if out, err = out.Add(t.Amount); err != nil {
				return crescendo.Errorf(crescendo.CodeFunds, "pay: %v", err)
			}
		}
		if t.To == who {
			if in, err = in.Add(t.Amount); err != nil {
				return crescendo.Errorf(crescendo.CodeFunds, "pay: %v", err)
			}
		}
	}
	if out <= in {
		return nil
	}
	balance, err := l.Balance(ctx, who)
	if err != nil {
		return fmt.Errorf("read balance: %w", err)
	}
	if out-in > balance {
		return crescendo.Errorf(crescendo.CodeFunds, "pay %d: the account holds %d", out-in, balance).
			WithHint(fmt.Sprintf("at most %d", balance))
	}
	return nil
}
