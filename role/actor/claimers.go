package actor

import (
	"context"
	"errors"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/revenue"
	"golang.org/x/sync/errgroup"
)

// Claimers are demo contributors, operators and holders who take what a rung
// owes them: when its demo clients are done, and once more whenever much time
// has passed.
type Claimers struct {
	Ledger  ledger.Ledger
	Signers []ledger.Signer
	Rungs   int
	Served  func(rung crescendo.RungID) uint64 // requests after which a rung counts as served
}

// Name implements Actor.
func (c *Claimers) Name() string { return "demo claimers" }

// Kinds implements Actor.
func (c *Claimers) Kinds() []string {
	return []string{"inference.settled", "inference.closed", "revenue.", "program."}
}

// Act implements Actor.
func (c *Claimers) Act(ctx context.Context, state ledger.State) error {
	for r := 1; r <= c.Rungs; r++ {
		rung := crescendo.RungID(r)
		served, err := Served(state, rung, c.Served(rung))
		if err != nil {
			return err
		}
		if !served {
			continue
		}
		// Holders of a rung with a successor reinvest into its raise; they take
		// money only when that raise is over.
		if open, err := raiseToCome(state, rung, c.Rungs); err != nil || open {
			if err != nil {
				return err
			}
			continue
		}
		if err := c.claim(ctx, state, rung); err != nil {
			return err
		}
	}
	return nil
}

func (c *Claimers) claim(ctx context.Context, state ledger.State, rung crescendo.RungID) error {
	var g errgroup.Group
	for _, s := range c.Signers {
		d, err := dues(state, rung, s.Account())
		if err != nil {
			return err
		}
		if d.Total() == 0 {
			continue
		}
		g.Go(func() error {
			_, err := c.Ledger.Submit(ctx, s, &revenue.MsgClaim{Sender: s.Account(), Rung: rung})
			return err
		})
	}
	return g.Wait()
}

// raiseToCome reports whether the raise of the next rung is still ahead or
// open.
func raiseToCome(r kv.Reader, rung crescendo.RungID, rungs int) (bool, error) {
	if int(rung) >= rungs {
		return false, nil
	}
	next, err := program.Rungs.Get(r, uint32(rung+1))
	if errors.Is(err, kv.ErrNotFound) {
		return true, nil
	}
	return err == nil && next.Stage <= program.StageRaising, err
}

// Served reports whether a rung has answered that many requests, all settled
// and no escrow left.
func Served(r kv.Reader, rung crescendo.RungID, requests uint64) (bool, error) {
	at, err := program.Rungs.Get(r, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) || (err == nil && at.Stage != program.StageServing && at.Stage != program.StageOpened) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	usage, err := inference.Usages.Get(r, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) {
		return requests == 0, nil
	}
	return err == nil && usage.Requests >= requests && usage.Escrowed == 0, err
}

// Unclaimed is what a rung owes the given accounts together.
func Unclaimed(r kv.Reader, rung crescendo.RungID, accounts []crescendo.Account) (crescendo.Amount, error) {
	var sum crescendo.Amount
	for _, a := range accounts {
		d, err := dues(r, rung, a)
		if err != nil {
			return 0, err
		}
		sum += d.Total()
	}
	return sum, nil
}
