package revenue

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Treasury is the pot that the next rung's part goes to.
const Treasury crescendo.Account = "@treasury"

// Split is a waterfall in basis points: OperatorsBP of a payment, then
// HoldersBP and ContributorsBP of the rest; what is left is the next rung's.
type Split struct {
	OperatorsBP    uint32
	HoldersBP      uint32
	ContributorsBP uint32
}

// parts of one payment. They sum to the payment plus the old remainder.
type parts struct {
	operator, holders, contributors, next, remainder crescendo.Amount
}

// Distribute credits a payment that is in the rung's pot already. Operator is
// whose vault earned it; without one, nothing comes off first.
func Distribute(_ crescendo.Env, s kv.Store, rung crescendo.RungID, amount crescendo.Amount, operator crescendo.Account, split Split) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	book, err := load(s, rung)
	if err != nil || amount == 0 {
		return out, err
	}
	if operator == "" {
		split.OperatorsBP = 0
	}
	p, err := divide(book, amount, split)
	if err != nil {
		return out, fmt.Errorf("distribute %d of rung %d: %w", amount, rung, err)
	}
	// No credited total can wrap: each is at most Received.
	if book.Received, err = book.Received.Add(amount); err != nil {
		return out, crescendo.Errorf(crescendo.CodeInvalid, "distribute %d of rung %d: %v", amount, rung, err)
	}
	book.Operators += p.operator
	book.Holders += p.holders
	book.Contributors += p.contributors
	book.NextRung += p.next
	book.Remainder = p.remainder
	if err := creditOperator(s, rung, operator, p.operator); err != nil {
		return out, err
	}
	out.Pay(pot(rung), Treasury, p.next)
	out.Emit(crescendo.NewEvent("revenue.distributed", rung,
		"amount", amount, "operator", operator, "operators", p.operator, "holders", p.holders,
		"contributors", p.contributors, "next", p.next, "remainder", p.remainder))
	if !book.Repaid && book.Shares > 0 && book.Holders == book.Cap {
		book.Repaid = true
		out.Emit(crescendo.NewEvent("revenue.repaid", rung, "holders", book.Holders, "cap", book.Cap))
	}
	return out, Books.Set(s, book, uint32(rung))
}

// divide splits a payment and the remainder of the one before. Each part is
// rounded down; what that leaves over is the new remainder.
func divide(book Book, amount crescendo.Amount, split Split) (parts, error) {
	if split.OperatorsBP > wholeBP || split.HoldersBP > wholeBP || split.ContributorsBP > wholeBP-split.HoldersBP {
		return parts{}, crescendo.Errorf(crescendo.CodeInvalid, "split %+v is more than everything", split)
	}
	pool, err := amount.Add(book.Remainder)
	if err != nil {
		return parts{}, err
	}
	// The products below cannot fail: no fraction is above one.
	var p parts
	p.operator, _ = pool.MulDiv(uint64(split.OperatorsBP), wholeBP)
	rest := pool - p.operator
	p.holders, _ = rest.MulDiv(uint64(split.HoldersBP), wholeBP)
	p.contributors, _ = rest.MulDiv(uint64(split.ContributorsBP), wholeBP)
	p.next, _ = rest.MulDiv(uint64(wholeBP-split.HoldersBP-split.ContributorsBP), wholeBP)
	p.remainder = rest - p.holders - p.contributors - p.next

	room := book.Cap - book.Holders
	if book.Shares == 0 {
		room = 0
	}
	if over := p.holders - min(p.holders, room); over > 0 {
		p.holders -= over
		p.next += over
	}
	if book.Points == 0 {
		p.next += p.contributors
		p.contributors = 0
	}
	return p, nil
}

func creditOperator(s kv.Store, rung crescendo.RungID, operator crescendo.Account, amount crescendo.Amount) error {
	if amount == 0 {
		return nil
	}
	claim, err := claimable(s, rung, operator)
	if err != nil {
		return err
	}
	claim.Operator += amount
	return Claimables.Set(s, claim, uint32(rung), string(operator))
}
