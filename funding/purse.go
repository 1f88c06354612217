package funding

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Refund pays the sender's part of a failed raise back. After a missed soft
// cap that is the whole contribution; after a halt, its proportion of what had
// not been drawn, rounded down.
func Refund(_ crescendo.Env, s kv.Store, m *MsgRefund) (crescendo.Outcome, error) {
	raise, err := load(s, m.Rung)
	if err != nil {
		return crescendo.Outcome{}, err
	}
	if raise.Status != Failed {
		return crescendo.Outcome{}, crescendo.Errorf(crescendo.CodeWrongTime, "refund of rung %d: its raise has not failed", m.Rung)
	}
	return refund(s, m.Rung, m.Sender)
}

// refund assumes that the raise has failed.
func refund(s kv.Store, rung crescendo.RungID, who crescendo.Account) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	raise, err := load(s, rung)
	if err != nil {
		return out, err
	}
	pos, err := Positions.Get(s, uint32(rung), string(who))
	if errors.Is(err, kv.ErrNotFound) {
		return out, crescendo.Errorf(crescendo.CodeNotFound, "refund of rung %d: %s has not contributed to it", rung, who)
	} else if err != nil {
		return out, fmt.Errorf("read position of %s in rung %d: %w", who, rung, err)
	}
	if pos.Refunded {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "refund of rung %d: %s has been refunded already", rung, who)
	}
	amount, err := pos.Shares.MulDiv(uint64(raise.Raised-raise.Spent), uint64(raise.Raised))
	if err != nil {
		return out, fmt.Errorf("refund of rung %d: %w", rung, err)
	}
	pos.Refunded = true
	raise.Refunded += amount
	if err := Positions.Set(s, pos, uint32(rung), string(who)); err != nil {
		return out, err
	}
	out.Pay(crescendo.Pot("funding", rung), who, amount)
	out.Emit(crescendo.NewEvent("funding.refunded", rung, "account", who, "amount", amount, "shares", pos.Shares))
	return out, Raises.Set(s, raise, uint32(rung))
}

// Draw spends from the purse of a raise that succeeded.
func Draw(_ crescendo.Env, s kv.Store, rung crescendo.RungID, amount crescendo.Amount, to crescendo.Account) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	raise, err := load(s, rung)
	if err != nil {
		return out, err
	}
	if raise.Status != Succeeded {
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "draw from the purse of rung %d: its raise has not succeeded", rung)
	}
	if left := raise.Raised - raise.Spent; amount > left {
		return out, crescendo.Errorf(crescendo.CodeFunds, "draw %d from the purse of rung %d: it holds %d", amount, rung, left)
	}
	if amount == 0 {
		return out, nil
	}
	raise.Spent += amount
	out.Pay(crescendo.Pot("funding", rung), to, amount)
	out.Emit(crescendo.NewEvent("funding.drawn", rung, "to", to, "amount", amount, "left", raise.Raised-raise.Spent))
	return out, Raises.Set(s, raise, uint32(rung))
}

// Purse returns what may still be drawn: nothing before the raise succeeds or
// after it fails.
func Purse(r kv.Reader, rung crescendo.RungID) (crescendo.Amount, error) {
	raise, err := load(r, rung)
	if err != nil || raise.Status != Succeeded {
		return 0, err
	}
	return raise.Raised - raise.Spent, nil
}

// Room returns how much an open raise still takes; zero when it is closed.
func Room(r kv.Reader, rung crescendo.RungID) (crescendo.Amount, error) {
	raise, err := load(r, rung)
	if err != nil || raise.Status != Active {
		return 0, err
	}
	return raise.HardCap - raise.Raised, nil
}

// Holding returns an account's shares of a rung, zero when it has none.
func Holding(r kv.Reader, rung crescendo.RungID, account crescendo.Account) (crescendo.Amount, error) {
	pos, err := Positions.Get(r, uint32(rung), string(account))
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	} else if err != nil {
		return 0, fmt.Errorf("read position of %s in rung %d: %w", account, rung, err)
	}
	return pos.Shares, nil
}
