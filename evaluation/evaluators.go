package evaluation

import (
	"errors"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// MaxEvaluators bounds the electorate, so that counting is bounded.
const MaxEvaluators = 64

// Pot holds the evaluators' bonds.
const Pot crescendo.Account = "@evaluation/0"

// Quorum is two thirds of a panel of n, rounded up.
func Quorum(n int) int { return (2*n + 2) / 3 }

// MaxMissed is how many rounds in a row an evaluator may be absent before it
// is suspended and loses a tenth of its bond. Without that, strangers could
// register, do nothing, and keep any vote from reaching two thirds.
const MaxMissed = 3

// Register makes the sender an evaluator and takes its bond, or reinstates it
// after a suspension.
func Register(env crescendo.Env, s kv.Store, m *MsgRegister, bond crescendo.Amount) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	known, err := Evaluators.Get(s, string(m.Sender))
	switch {
	case err == nil && known.Suspended:
		known.Suspended, known.Missed = false, 0
		out.Emit(crescendo.NewEvent("evaluation.reinstated", 0, "evaluator", m.Sender))
		return out, Evaluators.Set(s, known, string(m.Sender))
	case err == nil:
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "register evaluator: %s is one already", m.Sender)
	case !errors.Is(err, kv.ErrNotFound):
		return out, err
	}
	roll, err := Rolls.Get(s)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return out, err
	}
	if roll.Registered >= MaxEvaluators {
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "register evaluator: all %d seats are taken", MaxEvaluators)
	}
	if err := Evaluators.Set(s, Evaluator{Name: m.Name, Bond: bond, Index: roll.Registered}, string(m.Sender)); err != nil {
		return out, err
	}
	roll.Registered++
	out.Pay(m.Sender, Pot, bond)
	out.Emit(crescendo.NewEvent("evaluation.registered", 0, "evaluator", m.Sender, "name", m.Name, "bond", bond))
	return out, Rolls.Set(s, roll)
}

// Electorate returns the evaluators that may judge a rung, in order of
// registration: those with a bond left whom exclude does not name. Suspended
// ones are among them only if there are fewer than least others.
func Electorate(r kv.Reader, least int, exclude func(crescendo.Account) (bool, error)) ([]crescendo.Account, error) {
	all, err := Evaluators.List(r, nil, MaxEvaluators)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b kv.Entry[Evaluator]) int { return int(a.Value.Index) - int(b.Value.Index) })
	var active, every []crescendo.Account
	for _, e := range all {
		account := trimmed(e.Rest)
		no, err := exclude(account)
		if err != nil {
			return nil, err
		}
		if no || (e.Value.Bond == 0 && e.Value.Burned > 0) {
			continue
		}
		every = append(every, account)
		if !e.Value.Suspended {
			active = append(active, account)
		}
	}
	if len(active) < least {
		return every, nil
	}
	return active, nil
}

// RollCall notes which members of a round's panel have done their part in it.
// If nobody has, nobody is blamed: the cause lies elsewhere.
func RollCall(s kv.Store, rung crescendo.RungID, round crescendo.Round, present []crescendo.Account) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	panel, err := Panels.Get(s, uint32(rung), uint32(round))
	if err != nil || len(present) == 0 {
		return out, err
	}
	for _, account := range panel.Members {
		if err := call(s, rung, round, account, slices.Contains(present, account), &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func call(s kv.Store, rung crescendo.RungID, round crescendo.Round, account crescendo.Account, present bool, out *crescendo.Outcome) error {
	e, err := Evaluators.Get(s, string(account))
	if err != nil {
		return err
	}
	if e.Missed++; present {
		e.Missed = 0
	}
	suspend := e.Missed >= MaxMissed && !e.Suspended
	e.Suspended = e.Suspended || suspend
	if err := Evaluators.Set(s, e, string(account)); err != nil || !suspend {
		return err
	}
	out.Emit(crescendo.NewEvent("evaluation.suspended", rung, "round", round, "evaluator", account, "missed", e.Missed))
	return slash(s, rung, round, account, "absent", out)
}

// Seat fixes who judges a round. A new attempt at a round seats a new panel.
func Seat(s kv.Store, rung crescendo.RungID, round crescendo.Round, panel []crescendo.Account) error {
	return Panels.Set(s, Panel{Members: panel}, uint32(rung), uint32(round))
}

// OnPanel refuses an account that does not judge the round.
func OnPanel(r kv.Reader, rung crescendo.RungID, round crescendo.Round, account crescendo.Account) (Panel, error) {
	p, err := Panels.Get(r, uint32(rung), uint32(round))
	if errors.Is(err, kv.ErrNotFound) {
		return p, crescendo.Errorf(crescendo.CodeWrongTime, "rung %d has not opened round %d", rung, round)
	}
	if err != nil {
		return p, err
	}
	if !slices.Contains(p.Members, account) {
		return p, crescendo.Errorf(crescendo.CodeForbidden, "%s does not judge round %d of rung %d", account, round, rung).
			WithHint("only evaluators that registered before the round opened, have a bond, and do not train in the rung judge it")
	}
	return p, nil
}

// slash burns a tenth of the bond of registration, or what is left of it.
func slash(s kv.Store, rung crescendo.RungID, round crescendo.Round, account crescendo.Account, reason string, out *crescendo.Outcome) error {
	e, err := Evaluators.Get(s, string(account))
	if err != nil {
		return err
	}
	whole, err := e.Bond.Add(e.Burned)
	if err != nil {
		return err
	}
	part := min(e.Bond, max(whole/10, 1))
	e.Bond, e.Burned = e.Bond-part, e.Burned+part
	out.Pay(Pot, crescendo.Burn, part)
	out.Emit(crescendo.NewEvent("evaluation.slashed", rung, "round", round, "evaluator", account, "amount", part, "reason", reason))
	return Evaluators.Set(s, e, string(account))
}

// Earn books an evaluator's pay; the caller moves the money.
func Earn(s kv.Store, account crescendo.Account, pay crescendo.Amount) error {
	e, err := Evaluators.Get(s, string(account))
	if err != nil {
		return err
	}
	if e.Earned, err = e.Earned.Add(pay); err != nil {
		return err
	}
	return Evaluators.Set(s, e, string(account))
}

// trimmed reads the account at the end of a key.
func trimmed(rest []byte) crescendo.Account {
	if n := len(rest); n > 0 && rest[n-1] == 0 {
		rest = rest[:n-1]
	}
	return crescendo.Account(rest)
}
