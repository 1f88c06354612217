package program

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/revenue"
)

// treasury returns what the treasury held before this call.
func (c *call) treasury() (crescendo.Amount, error) {
	t, err := Treasuries.Get(c.store)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return 0, fmt.Errorf("read treasury: %w", err)
	}
	return t.Balance, nil
}

// bookTreasury brings the count of the treasury's money up to date with the
// transfers that this call orders.
func (c *call) bookTreasury() error {
	balance, err := c.treasury()
	if err != nil {
		return err
	}
	before := balance
	for _, t := range c.out.Transfers {
		if t.To == funding.Treasury {
			if balance, err = balance.Add(t.Amount); err != nil {
				return err
			}
		}
		if t.From == funding.Treasury {
			if balance, err = balance.Sub(t.Amount); err != nil {
				return err
			}
		}
	}
	if balance == before {
		return nil
	}
	return Treasuries.Set(c.store, Treasury{Balance: balance})
}

// distribute sends a payment down a rung's waterfall and takes the treasury's
// own dues, as a holder of that rung, back into the treasury.
func (c *call) distribute(rung crescendo.RungID, amount crescendo.Amount, operator crescendo.Account) error {
	r, err := c.rung(rung)
	if err != nil || amount == 0 {
		return err
	}
	split := revenue.Split{OperatorsBP: r.Revenue.OperatorsBP, HoldersBP: r.Revenue.HoldersBP, ContributorsBP: r.Revenue.ContributorsBP}
	if err := c.join(revenue.Distribute(c.env, c.store, rung, amount, operator, split)); err != nil {
		return err
	}
	shares, err := funding.Holding(c.store, rung, funding.Treasury)
	if err != nil || shares == 0 {
		return err
	}
	out, _, err := revenue.Claim(c.env, c.store, &revenue.MsgClaim{Sender: funding.Treasury, Rung: rung}, shares)
	return c.join(out, err)
}

// claim pays what a rung owes the sender and, with Reinvest set, buys shares
// for the holder's and contributor's part at once, as many as there is room
// for; the rest stays with the sender.
func (c *call) claim(m *revenue.MsgClaim) error {
	shares, err := funding.Holding(c.store, m.Rung, m.Sender)
	if err != nil {
		return err
	}
	out, paid, err := revenue.Claim(c.env, c.store, m, shares)
	if err := c.join(out, err); err != nil || m.Reinvest == 0 {
		return err
	}
	if _, err := c.at(m.Reinvest, "reinvest", StageRaising); err != nil {
		return err
	}
	room, err := funding.Room(c.store, m.Reinvest)
	if err != nil {
		return err
	}
	if min(paid, room) == 0 {
		return nil // only an operator's part was due, or the raise has just filled
	}
	buy := &funding.MsgContribute{Sender: m.Sender, Rung: m.Reinvest, Amount: min(paid, room)}
	return c.contribute(buy, true)
}
