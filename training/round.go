package training

import (
	"encoding/binary"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Open opens the next round, or the next attempt at a void one, if enough
// members are there; it reports whether it did. Panel is the number of
// evaluators that will judge the round.
func Open(env crescendo.Env, s kv.Store, t Terms, panel uint32) (crescendo.Outcome, bool, error) {
	var out crescendo.Outcome
	run, err := load(s, t.Rung)
	if err != nil || run.Phase != Waiting || run.Base.IsZero() {
		return out, false, err
	}
	if run.Seated < t.MinTrainers || panel == 0 {
		return out, false, nil
	}
	if run.Attempt == 0 {
		run.Round++
	}
	run.Attempt++
	run.Active, run.Committed, run.Available, run.Panel = run.Seated, 0, 0, panel
	run.Seed, run.Draw = Seed(env.Beacon, t.Rung, run.Round, run.Attempt), crescendo.Hash{}
	run.Opened = env.Height
	run.enter(env, Working, t.CommitBlocks)
	// Whoever holds a seat works in this round: one that joined during a void
	// attempt may be what was missing.
	err = each(s, t.Rung, func(account crescendo.Account, mem Member) error {
		if !mem.Standing() || mem.Joined <= run.Round {
			return nil
		}
		mem.Joined = run.Round
		return Members.Set(s, mem, t.key(), string(account))
	})
	if err != nil {
		return out, false, err
	}
	out.Emit(crescendo.NewEvent("training.round-opened", t.Rung, "round", run.Round, "attempt", run.Attempt,
		"base", run.Base, "seed", run.Seed, "members", run.Active, "deadline", run.Deadline))
	return out, true, Runs.Set(s, run, t.key())
}

// Advance ends the phases in which trainers act, Working and Revealing, when
// they are complete or out of time; it reports whether something changed.
func Advance(env crescendo.Env, s kv.Store, t Terms) (crescendo.Outcome, bool, error) {
	run, err := load(s, t.Rung)
	if err != nil {
		return crescendo.Outcome{}, false, err
	}
	late := env.Height >= run.Deadline
	switch {
	case run.Phase == Working && run.Committed >= run.Active && run.Committed >= t.MinTrainers,
		run.Phase == Working && late && run.Committed >= t.MinTrainers:
		run.enter(env, Revealing, t.RevealBlocks)
		var out crescendo.Outcome
		out.Emit(crescendo.NewEvent("training.revealing", t.Rung, "round", run.Round, "committed", run.Committed, "deadline", run.Deadline))
		return out, true, Runs.Set(s, run, t.key())
	case run.Phase == Working && (late || run.Active < t.MinTrainers):
		out, err := Void(env, s, t, "too few commitments")
		return out, true, err
	case run.Phase == Revealing && run.Available == 0 && late:
		out, err := Void(env, s, t, "no payload available")
		return out, true, err
	case run.Phase == Revealing && (late || run.Available == run.Committed):
		out, err := draw(env, s, t, run)
		return out, true, err
	}
	return crescendo.Outcome{}, false, nil
}

// draw ends the reveals: what counts from here on is what is available now.
func draw(env crescendo.Env, s kv.Store, t Terms, run Run) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run.Draw = Draw(env.Beacon, t.Rung, run.Round)
	works, err := Works.List(s, nil, MaxMembers, t.key(), uint32(run.Round))
	if err != nil {
		return out, err
	}
	windows, counted := 0, 0
	for _, e := range works {
		account, w := Account(e.Rest), e.Value
		mem, err := member(s, t.Rung, account)
		if err != nil {
			return out, err
		}
		if w.Available && mem.Fault != "" {
			w.Available = false // expelled since it revealed
			run.Available--
		}
		if w.Available {
			counted++
			w.DrawnAt, w.Draw = env.Height, run.Draw
			w.Drawn = mem.Rounds < t.Probation || uint32(run.Round) >= t.Rounds || Audited(run.Draw, account, t.AuditPerMille)
		}
		if w.Drawn {
			windows++
			run.Open++
			if err := Windows.Set(s, Window{Drawn: env.Height}, t.key(), string(account), uint32(run.Round)); err != nil {
				return out, err
			}
		}
		if err := Works.Set(s, w, t.key(), uint32(run.Round), string(account)); err != nil {
			return out, err
		}
	}
	run.enter(env, Voting, t.VoteBlocks)
	if err := Runs.Set(s, run, t.key()); err != nil {
		return out, err
	}
	if counted == 0 {
		return Void(env, s, t, "no payload available")
	}
	out.Emit(crescendo.NewEvent("training.drawn", t.Rung, "round", run.Round, "draw", run.Draw, "payloads", counted, "windows", windows, "deadline", run.Deadline))
	return out, nil
}

// Unveil ends the commitment of votes and begins their opening.
func Unveil(env crescendo.Env, s kv.Store, t Terms) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := load(s, t.Rung)
	if err != nil {
		return out, err
	}
	run.enter(env, Unveiling, t.VoteBlocks)
	out.Emit(crescendo.NewEvent("training.unveiling", t.Rung, "round", run.Round, "deadline", run.Deadline))
	return out, Runs.Set(s, run, t.key())
}

// Void drops the open attempt: same base, no faults, nobody misses a round.
// The attempt's works and windows vanish; members keep the state they had.
func Void(env crescendo.Env, s kv.Store, t Terms, reason string) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := load(s, t.Rung)
	if err != nil {
		return out, err
	}
	works, err := Works.List(s, nil, MaxMembers, t.key(), uint32(run.Round))
	if err != nil {
		return out, err
	}
	for _, e := range works {
		account := Account(e.Rest)
		if e.Value.Drawn && !e.Value.Settled {
			run.Open--
			if err := Windows.Delete(s, t.key(), string(account), uint32(run.Round)); err != nil {
				return out, err
			}
		}
		if e.Value.Verified {
			mem, err := member(s, t.Rung, account)
			if err != nil {
				return out, err
			}
			mem.Verified -= e.Value.Tokens // the window is drawn again with the next attempt
			if err := Members.Set(s, mem, t.key(), string(account)); err != nil {
				return out, err
			}
		}
		if err := Works.Delete(s, t.key(), uint32(run.Round), string(account)); err != nil {
			return out, err
		}
	}
	run.Voids++
	run.Draw = crescendo.Hash{}
	run.enter(env, Waiting, 0)
	out.Emit(crescendo.NewEvent("training.round-void", t.Rung, "round", run.Round, "attempt", run.Attempt, "reason", reason))
	return out, Runs.Set(s, run, t.key())
}

func (run *Run) enter(env crescendo.Env, phase Phase, blocks uint64) {
	run.Phase, run.Since = phase, env.Height
	run.Deadline = env.Height + crescendo.Height(blocks)
}

func readRound(rest []byte) crescendo.Round {
	if len(rest) < 4 {
		return 0
	}
	return crescendo.Round(binary.BigEndian.Uint32(rest))
}
