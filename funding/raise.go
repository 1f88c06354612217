package funding

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Held returns what the raise's pot holds for it: what was raised and neither
// drawn nor refunded.
func (r Raise) Held() crescendo.Amount { return r.Raised - r.Spent - r.Refunded }

// Open begins a raise. It ends at the hard cap, or in the block at deadline.
func Open(env crescendo.Env, s kv.Store, rung crescendo.RungID, softCap, hardCap crescendo.Amount, deadline crescendo.Height) error {
	opened, err := Raises.Has(s, uint32(rung))
	switch {
	case err != nil:
		return fmt.Errorf("open raise of rung %d: %w", rung, err)
	case opened:
		return crescendo.Errorf(crescendo.CodeDuplicate, "open raise: rung %d has been raised for already", rung)
	case softCap == 0 || softCap > hardCap:
		return crescendo.Errorf(crescendo.CodeInvalid, "open raise of rung %d: soft cap %d, hard cap %d: want 0 < soft <= hard",
			rung, softCap, hardCap)
	case deadline <= env.Height:
		return crescendo.Errorf(crescendo.CodeInvalid, "open raise of rung %d: the deadline %d is not after block %d",
			rung, deadline, env.Height)
	}
	return Raises.Set(s, Raise{Status: Active, SoftCap: softCap, HardCap: hardCap, Deadline: deadline}, uint32(rung))
}

// Contribute buys shares for the sender. Buying above the hard cap is refused
// and the text tells the room that is left; reaching it closes the raise.
func Contribute(env crescendo.Env, s kv.Store, m *MsgContribute, reinvested bool) (crescendo.Outcome, error) {
	raise, err := load(s, m.Rung)
	if err != nil {
		return crescendo.Outcome{}, err
	}
	if raise.Status != Active || env.Height > raise.Deadline {
		return crescendo.Outcome{}, crescendo.Errorf(crescendo.CodeWrongTime, "contribute to rung %d: its raise is closed", m.Rung)
	}
	if room := raise.HardCap - raise.Raised; m.Amount > room {
		return crescendo.Outcome{}, crescendo.Errorf(crescendo.CodeFunds,
			"contribute %d to rung %d: the hard cap leaves room for %d", m.Amount, m.Rung, room).
			WithHint(fmt.Sprintf("contribute at most %d", room))
	}
	if m.Amount == 0 {
		return crescendo.Outcome{}, crescendo.Errorf(crescendo.CodeInvalid, "contribute to rung %d: the amount is zero", m.Rung)
	}
	return buy(s, m.Rung, raise, m.Sender, m.Amount, reinvested)
}

// FromTreasury buys shares for the treasury, as many as there is room for. It
// does nothing when there is no room or no money.
func FromTreasury(env crescendo.Env, s kv.Store, rung crescendo.RungID, amount crescendo.Amount) (crescendo.Outcome, error) {
	raise, err := load(s, rung)
	if err != nil {
		return crescendo.Outcome{}, err
	}
	amount = min(amount, raise.HardCap-raise.Raised)
	if raise.Status != Active || env.Height > raise.Deadline || amount == 0 {
		return crescendo.Outcome{}, nil
	}
	return buy(s, rung, raise, Treasury, amount, true)
}

// buy assumes that the raise is open and has room.
func buy(s kv.Store, rung crescendo.RungID, raise Raise, who crescendo.Account, amount crescendo.Amount, reinvested bool) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	pos, err := Positions.Get(s, uint32(rung), string(who))
	if errors.Is(err, kv.ErrNotFound) {
		raise.Holders++
	} else if err != nil {
		return out, fmt.Errorf("read position of %s in rung %d: %w", who, rung, err)
	}
	// Neither sum can wrap: both are at most the hard cap.
	pos.Shares += amount
	raise.Raised += amount
	if reinvested {
		raise.Reinvested += amount
	}
	if err := Positions.Set(s, pos, uint32(rung), string(who)); err != nil {
		return out, err
	}
	out.Pay(who, crescendo.Pot("funding", rung), amount)
	out.Emit(crescendo.NewEvent("funding.contributed", rung,
		"account", who, "amount", amount, "raised", raise.Raised, "reinvested", reinvested))
	if raise.Raised == raise.HardCap {
		raise.Status = Succeeded
		out.Emit(succeeded(rung, raise))
	}
	return out, Raises.Set(s, raise, uint32(rung))
}

// EndBlock closes a raise whose deadline has come: it succeeds from the soft
// cap on, and fails below it.
func EndBlock(env crescendo.Env, s kv.Store, rung crescendo.RungID) (crescendo.Outcome, error) {
	raise, err := Raises.Get(s, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) {
		return crescendo.Outcome{}, nil
	} else if err != nil {
		return crescendo.Outcome{}, fmt.Errorf("read raise of rung %d: %w", rung, err)
	}
	if raise.Status != Active || env.Height < raise.Deadline {
		return crescendo.Outcome{}, nil
	}
	if raise.Raised < raise.SoftCap {
		return fail(s, rung, raise, "soft-cap-missed")
	}
	raise.Status = Succeeded
	var out crescendo.Outcome
	out.Emit(succeeded(rung, raise))
	return out, Raises.Set(s, raise, uint32(rung))
}

// Halt fails a raise, or a rung that is being worked on: what has not been
// drawn is refunded.
func Halt(_ crescendo.Env, s kv.Store, rung crescendo.RungID) (crescendo.Outcome, error) {
	raise, err := load(s, rung)
	if err != nil {
		return crescendo.Outcome{}, err
	}
	if raise.Status == Failed {
		return crescendo.Outcome{}, crescendo.Errorf(crescendo.CodeDuplicate, "halt rung %d: it has failed already", rung)
	}
	return fail(s, rung, raise, "halted")
}

func fail(s kv.Store, rung crescendo.RungID, raise Raise, reason string) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	raise.Status = Failed
	if err := Raises.Set(s, raise, uint32(rung)); err != nil {
		return out, err
	}
	out.Emit(crescendo.NewEvent("funding.failed", rung,
		"reason", reason, "raised", raise.Raised, "soft-cap", raise.SoftCap, "spent", raise.Spent))
	// The treasury has no key to ask with, so its refund does not wait.
	held, err := Positions.Has(s, uint32(rung), string(Treasury))
	if err != nil || !held {
		return out, err
	}
	refund, err := refund(s, rung, Treasury)
	out.Join(refund)
	return out, err
}

func succeeded(rung crescendo.RungID, raise Raise) crescendo.Event {
	return crescendo.NewEvent("funding.succeeded", rung,
		"raised", raise.Raised, "holders", raise.Holders, "reinvested", raise.Reinvested)
}

func load(r kv.Reader, rung crescendo.RungID) (Raise, error) {
	raise, err := Raises.Get(r, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) {
		return raise, crescendo.Errorf(crescendo.CodeNotFound, "rung %d has no raise yet", rung)
	} else if err != nil {
		return raise, fmt.Errorf("read raise of rung %d: %w", rung, err)
	}
	return raise, nil
}
