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

// Register makes the sender an evaluator and takes its bond.
func Register(env crescendo.Env, s kv.Store, m *MsgRegister, bond crescendo.Amount) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	known, err := Evaluators.Has(s, string(m.Sender))
	if err != nil {
		return out, err
	}
	if known {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "register evaluator: %s is one already", m.Sender)
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
// registration: those with a bond left whom exclude does not name.
func Electorate(r kv.Reader, exclude func(crescendo.Account) (bool, error)) ([]crescendo.Account, error) {
	all, err := Evaluators.List(r, nil, MaxEvaluators)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b kv.Entry[Evaluator]) int { return int(a.Value.Index) - int(b.Value.Index) })
	var out []crescendo.Account
	for _, e := range all {
		account := trimmed(e.Rest)
		no, err := exclude(account)
		if err != nil {
			return nil, err
		}
		if !no && (e.Value.Bond > 0 || e.Value.Burned == 0) {
			out = append(out, account)
		}
	}
	return out, nil
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
