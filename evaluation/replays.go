package evaluation

import (
	"errors"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Deadlines of replays, in blocks.
const (
	// ReplayBlocks is how long a window is left to its designated evaluator;
	// then anybody on the panel may report.
	ReplayBlocks = 40
	// DisputeBlocks is how long a dispute may stay undecided. Then the trainer
	// keeps its seat and nobody is slashed.
	DisputeBlocks = 4000
)

// Window is what a trainer has revealed about a round that is replayed.
type Window struct {
	Draw    crescendo.Hash
	DrawnAt crescendo.Height
	End     crescendo.Hash
	Payload crescendo.Hash
}

// Verdict is what a report does to its window.
type Verdict uint32

// The verdicts.
const (
	Pending   Verdict = iota
	Verified          // replayed and found equal
	Guilty            // two thirds of the panel found another result
	Undecided         // no two thirds either way in time
)

// Report takes an evaluator's replay of a window.
func Report(env crescendo.Env, s kv.Store, m *MsgReplay, w Window) (crescendo.Outcome, Verdict, error) {
	var out crescendo.Outcome
	panel, err := OnPanel(s, m.Rung, m.Round, m.Sender)
	if err != nil {
		return out, Pending, err
	}
	key := []any{uint32(m.Rung), uint32(m.Round), string(m.Trainer)}
	done, err := Replays.Has(s, append(key, string(m.Sender))...)
	if err != nil {
		return out, Pending, err
	}
	if done {
		return out, Pending, crescendo.Errorf(crescendo.CodeDuplicate, "replay in rung %d round %d: %s has reported on %s already", m.Rung, m.Round, m.Sender, m.Trainer)
	}
	dispute, err := Disputes.Get(s, key...)
	open := err == nil
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return out, Pending, err
	}
	designated := Designated(w.Draw, m.Trainer, panel.Members) == m.Sender
	if !designated && !open && env.Height < w.DrawnAt+ReplayBlocks {
		return out, Pending, crescendo.Errorf(crescendo.CodeWrongTime, "replay in rung %d round %d: the window of %s is another evaluator's until height %d", m.Rung, m.Round, m.Trainer, w.DrawnAt+ReplayBlocks)
	}
	match := m.End == w.End && m.Payload == w.Payload
	if err := Replays.Set(s, Replay{Match: match, End: m.End}, append(key, string(m.Sender))...); err != nil {
		return out, Pending, err
	}
	out.Emit(crescendo.NewEvent("evaluation.replayed", m.Rung, "round", m.Round, "trainer", m.Trainer, "evaluator", m.Sender, "match", match))
	if match && !open {
		return out, Verified, nil
	}
	verdict, err := weigh(env, s, m, dispute, match, len(panel.Members), &out)
	return out, verdict, err
}

// weigh counts a report into a dispute, opening it if need be, and decides it
// once enough of the panel of n have reported.
func weigh(env crescendo.Env, s kv.Store, m *MsgReplay, d Dispute, match bool, n int, out *crescendo.Outcome) (Verdict, error) {
	key := []any{uint32(m.Rung), uint32(m.Round), string(m.Trainer)}
	if d.Height == 0 {
		d.Height = env.Height
		out.Emit(crescendo.NewEvent("evaluation.disputed", m.Rung, "round", m.Round, "trainer", m.Trainer, "evaluator", m.Sender))
	}
	if match {
		d.Match++
	} else {
		d.Mismatch++
	}
	switch {
	case int(d.Mismatch) >= Quorum(n):
		return Guilty, settle(s, m.Rung, m.Round, m.Trainer, true, "replay contradicted by two thirds", out)
	case 3*int(d.Match) > n:
		out.Emit(crescendo.NewEvent("evaluation.dismissed", m.Rung, "round", m.Round, "trainer", m.Trainer))
		return Verified, settle(s, m.Rung, m.Round, m.Trainer, false, "accused without cause", out)
	}
	return Pending, Disputes.Set(s, d, key...)
}

// settle ends a dispute and slashes whoever reported the given result.
func settle(s kv.Store, rung crescendo.RungID, round crescendo.Round, trainer crescendo.Account, wrong bool, reason string, out *crescendo.Outcome) error {
	reports, err := Replays.List(s, nil, MaxEvaluators, uint32(rung), uint32(round), string(trainer))
	if err != nil {
		return err
	}
	for _, r := range reports {
		if r.Value.Match == wrong {
			if err := slash(s, rung, round, trimmed(r.Rest), reason, out); err != nil {
				return err
			}
		}
	}
	return Disputes.Delete(s, uint32(rung), uint32(round), string(trainer))
}

// Expired is a dispute that ran out of time.
type Expired struct {
	Round   crescendo.Round
	Trainer crescendo.Account
}

// Expire drops the rung's disputes that have been open for too long.
func Expire(env crescendo.Env, s kv.Store, rung crescendo.RungID) ([]Expired, error) {
	all, err := Disputes.List(s, nil, kv.MaxPage, uint32(rung))
	if err != nil {
		return nil, err
	}
	var out []Expired
	for _, e := range all {
		if len(e.Rest) < 4 || env.Height < e.Value.Height+DisputeBlocks {
			continue
		}
		x := Expired{Round: readRound(e.Rest), Trainer: trimmed(e.Rest[4:])}
		if err := Disputes.Delete(s, uint32(rung), uint32(x.Round), string(x.Trainer)); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}
