package training

import (
	"bytes"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Drawn returns a work whose window is drawn and not yet settled.
func Drawn(r kv.Reader, rung crescendo.RungID, round crescendo.Round, trainer crescendo.Account) (Work, error) {
	w, err := work(r, rung, round, trainer)
	if err != nil {
		return w, err
	}
	if !w.Drawn {
		return w, crescendo.Errorf(crescendo.CodeWrongTime, "replay in rung %d round %d: the window of %s is not drawn", rung, round, trainer)
	}
	if w.Settled {
		return w, crescendo.Errorf(crescendo.CodeDuplicate, "replay in rung %d round %d: the window of %s is settled", rung, round, trainer)
	}
	return w, nil
}

// Settle records that a window's audit has ended without a fault; verified
// says whether a replay has confirmed it.
func Settle(env crescendo.Env, s kv.Store, t Terms, round crescendo.Round, trainer crescendo.Account, verified bool) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := load(s, t.Rung)
	if err != nil {
		return out, err
	}
	w, err := Drawn(s, t.Rung, round, trainer)
	if err != nil {
		return out, err
	}
	w.Settled, w.Verified = true, verified
	if verified {
		mem, err := member(s, t.Rung, trainer)
		if err != nil {
			return out, err
		}
		mem.Verified += w.Tokens
		if err := Members.Set(s, mem, t.key(), string(trainer)); err != nil {
			return out, err
		}
	}
	if err := settle(s, t, &run, round, trainer, w); err != nil {
		return out, err
	}
	result := "undecided"
	if verified {
		result = "verified"
	}
	out.Emit(crescendo.NewEvent("training.audited", t.Rung, "round", round, "trainer", trainer, "result", result, "open", run.Open))
	return out, Runs.Set(s, run, t.key())
}

func settle(s kv.Store, t Terms, run *Run, round crescendo.Round, trainer crescendo.Account, w Work) error {
	run.Open--
	if err := Windows.Delete(s, t.key(), string(trainer), uint32(round)); err != nil {
		return err
	}
	return Works.Set(s, w, t.key(), uint32(round), string(trainer))
}

// Audited reports whether all rounds are done and every window is settled.
func (run Run) Audited() bool { return run.Phase == Auditing && run.Open == 0 }

// Stalled reports whether a run has gone on for so long without closing a
// round that it will not.
func (run Run) Stalled(env crescendo.Env, t Terms) bool {
	patience := stallRounds * (t.CommitBlocks + t.RevealBlocks + 2*t.VoteBlocks)
	return run.Phase < Auditing && !run.Start.IsZero() && env.Height >= run.Progress+crescendo.Height(patience)
}

// Release pays bond and escrow to every member that was not expelled and
// finishes the run. Whoever joined a rung whose raise failed gets its bond
// back the same way.
func Release(env crescendo.Env, s kv.Store, t Terms) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := load(s, t.Rung)
	if err != nil {
		return out, err
	}
	var released crescendo.Amount
	err = each(s, t.Rung, func(account crescendo.Account, mem Member) error {
		if mem.Fault != "" {
			return nil
		}
		due, err := mem.Bond.Add(mem.Escrow)
		if err != nil {
			return err
		}
		released += mem.Escrow
		mem.Paid, mem.Escrow, mem.Bond = mem.Paid+mem.Escrow, 0, 0
		out.Pay(Pot(t.Rung), account, due)
		return Members.Set(s, mem, t.key(), string(account))
	})
	if err != nil {
		return out, err
	}
	run.enter(env, Finished, 0)
	if run.Start.IsZero() {
		out.Emit(crescendo.NewEvent("training.bonds-returned", t.Rung, "members", run.Members))
		return out, Runs.Set(s, run, t.key())
	}
	out.Emit(crescendo.NewEvent("training.finished", t.Rung, "rounds", run.Round, "voids", run.Voids, "released", released, "final", run.Final))
	return out, Runs.Set(s, run, t.key())
}

// WindowKey reads the rest of a key of Windows, as List over a rung returns
// it.
func WindowKey(rest []byte) (trainer crescendo.Account, round crescendo.Round, ok bool) {
	i := bytes.IndexByte(rest, 0)
	if i < 0 || len(rest) != i+5 {
		return "", 0, false
	}
	return crescendo.Account(rest[:i]), readRound(rest[i+1:]), true
}
