package revenue

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Dues are what an account may claim from a rung now, by what it is owed for.
type Dues struct {
	Operator, Holder, Contributor crescendo.Amount
}

// Total cannot wrap: it is at most what the rung has received.
func (d Dues) Total() crescendo.Amount { return d.Operator + d.Holder + d.Contributor }

// Due returns what an account may claim from a rung now. Shares are its
// holding of that rung.
func Due(r kv.Reader, rung crescendo.RungID, account crescendo.Account, shares crescendo.Amount) (Dues, error) {
	book, err := load(r, rung)
	if err != nil {
		return Dues{}, err
	}
	claim, err := claimable(r, rung, account)
	if err != nil {
		return Dues{}, err
	}
	return due(book, claim, rung, account, shares)
}

func due(book Book, claim Claimable, rung crescendo.RungID, account crescendo.Account, shares crescendo.Amount) (Dues, error) {
	holder, err1 := part(book.Holders, uint64(shares), uint64(book.Shares), claim.HolderPaid)
	contributor, err2 := part(book.Contributors, claim.Points, book.Points, claim.ContribPaid)
	operator, err3 := claim.Operator.Sub(claim.OperatorPaid)
	if err1 != nil || err2 != nil || err3 != nil {
		return Dues{}, crescendo.Errorf(crescendo.CodeInternal,
			"dues of %s in rung %d do not add up: %d of %d shares, %+v", account, rung, shares, book.Shares, claim)
	}
	return Dues{Operator: operator, Holder: holder, Contributor: contributor}, nil
}

// part returns total*num/den, rounded down, less what has been paid. Because
// the rounding is of the whole and not of each claim, claiming often costs
// nothing.
func part(total crescendo.Amount, num, den uint64, paid crescendo.Amount) (crescendo.Amount, error) {
	if num == 0 {
		return 0, nil
	}
	if num > den {
		return 0, crescendo.ErrOverflow
	}
	all, err := total.MulDiv(num, den)
	if err != nil {
		return 0, err
	}
	return all.Sub(paid)
}

// Claim pays the sender everything it is due. Paid is the holder's and
// contributor's part of it, which the sender may want to reinvest. That
// nothing is due is an error, except for a pot, which program claims for.
func Claim(_ crescendo.Env, s kv.Store, m *MsgClaim, shares crescendo.Amount) (out crescendo.Outcome, paid crescendo.Amount, err error) {
	book, err := load(s, m.Rung)
	if err != nil {
		return out, 0, err
	}
	claim, err := claimable(s, m.Rung, m.Sender)
	if err != nil {
		return out, 0, err
	}
	d, err := due(book, claim, m.Rung, m.Sender, shares)
	if err != nil {
		return out, 0, err
	}
	if d.Total() == 0 {
		if m.Sender.IsPot() {
			return out, 0, nil
		}
		return out, 0, crescendo.Errorf(crescendo.CodeFunds, "claim from rung %d: nothing is due to %s", m.Rung, m.Sender).
			WithHint("dues grow when sessions are settled")
	}
	claim.OperatorPaid += d.Operator
	claim.HolderPaid += d.Holder
	claim.ContribPaid += d.Contributor
	book.Claimed += d.Total()
	if err := Claimables.Set(s, claim, uint32(m.Rung), string(m.Sender)); err != nil {
		return out, 0, err
	}
	out.Pay(pot(m.Rung), m.Sender, d.Total())
	out.Emit(crescendo.NewEvent("revenue.claimed", m.Rung, "account", m.Sender,
		"operator", d.Operator, "holder", d.Holder, "contributor", d.Contributor))
	return out, d.Holder + d.Contributor, Books.Set(s, book, uint32(m.Rung))
}
