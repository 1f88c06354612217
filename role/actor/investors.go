package actor

import (
	"context"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/revenue"
	"golang.org/x/sync/errgroup"
)

// Investors are demo holders. They fill each raise together, buy into the
// next one with what the last one paid them, and take back what a failed
// raise owes them.
type Investors struct {
	Ledger  ledger.Ledger
	Signers []ledger.Signer
	Rungs   int // rungs this programme plays
	// Limit is the share of the hard cap they contribute, in basis points:
	// below the soft cap for a programme that shows a refund.
	Limit uint64
}

// Name implements Actor.
func (v *Investors) Name() string { return "demo investors" }

// Kinds implements Actor.
func (v *Investors) Kinds() []string { return []string{"program.", "funding.", "revenue."} }

// Act implements Actor.
func (v *Investors) Act(ctx context.Context, state ledger.State) error {
	for r := 1; r <= v.Rungs; r++ {
		rung := crescendo.RungID(r)
		at, err := program.Rungs.Get(state, uint32(rung))
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		switch at.Stage {
		case program.StageRaising:
			err = v.invest(ctx, state, rung)
		case program.StageRefunding:
			err = v.refund(ctx, state, rung)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// invest reinvests first, so that the room is left for it, then fills up.
func (v *Investors) invest(ctx context.Context, state ledger.State, rung crescendo.RungID) error {
	if rung > 1 {
		if acted, err := v.reinvest(ctx, state, rung); acted || err != nil {
			return err // the event of it brings us back
		}
	}
	raise, err := funding.Raises.Get(state, uint32(rung))
	if err != nil || raise.Status != funding.Active {
		return err
	}
	target, err := raise.HardCap.MulDiv(v.limit(), 10000)
	if err != nil || raise.Raised >= target {
		return err
	}
	shares := split(target-raise.Raised, len(v.Signers))
	return v.each(ctx, func(ctx context.Context, i int, s ledger.Signer) error {
		if shares[i] == 0 {
			return nil
		}
		_, err := v.Ledger.Submit(ctx, s, &funding.MsgContribute{Sender: s.Account(), Rung: rung, Amount: shares[i]})
		return err
	})
}

func (v *Investors) limit() uint64 {
	if v.Limit == 0 {
		return 10000
	}
	return v.Limit
}

// split divides an amount into n parts that differ by no more than one unit.
func split(amount crescendo.Amount, n int) []crescendo.Amount {
	parts := make([]crescendo.Amount, n)
	for i := range parts {
		parts[i] = amount / crescendo.Amount(n)
		if crescendo.Amount(i) < amount%crescendo.Amount(n) {
			parts[i]++
		}
	}
	return parts
}

// reinvest claims what the rung before owes, straight into this raise.
func (v *Investors) reinvest(ctx context.Context, state ledger.State, rung crescendo.RungID) (bool, error) {
	raise, err := funding.Raises.Get(state, uint32(rung))
	if err != nil {
		return false, err
	}
	acted := false
	err = v.each(ctx, func(ctx context.Context, _ int, s ledger.Signer) error {
		due, err := dues(state, rung-1, s.Account())
		if err != nil || due.Holder+due.Contributor == 0 || due.Holder+due.Contributor > raise.HardCap-raise.Raised {
			return err
		}
		acted = true
		_, err = v.Ledger.Submit(ctx, s, &revenue.MsgClaim{Sender: s.Account(), Rung: rung - 1, Reinvest: rung})
		return err
	})
	return acted, err
}

func (v *Investors) refund(ctx context.Context, state ledger.State, rung crescendo.RungID) error {
	return v.each(ctx, func(ctx context.Context, _ int, s ledger.Signer) error {
		pos, err := funding.Positions.Get(state, uint32(rung), string(s.Account()))
		if errors.Is(err, kv.ErrNotFound) || (err == nil && (pos.Refunded || pos.Shares == 0)) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = v.Ledger.Submit(ctx, s, &funding.MsgRefund{Sender: s.Account(), Rung: rung})
		return err
	})
}

// each lets all of them act at once, so that their messages share a block.
func (v *Investors) each(ctx context.Context, do func(context.Context, int, ledger.Signer) error) error {
	var g errgroup.Group
	for i, s := range v.Signers {
		g.Go(func() error {
			if err := do(ctx, i, s); err != nil {
				return fmt.Errorf("investor %d: %w", i+1, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// dues is what a rung owes an account, nothing when the rung has no book yet.
func dues(r kv.Reader, rung crescendo.RungID, account crescendo.Account) (revenue.Dues, error) {
	if has, err := revenue.Books.Has(r, uint32(rung)); err != nil || !has {
		return revenue.Dues{}, err
	}
	shares, err := funding.Holding(r, rung, account)
	if err != nil {
		return revenue.Dues{}, err
	}
	return revenue.Due(r, rung, account, shares)
}
