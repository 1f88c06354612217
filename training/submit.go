package training

import (
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Start fixes what a rung trains on and what its rounds pay.
func Start(env crescendo.Env, s kv.Store, t Terms, m *MsgStart, purse, evaluators crescendo.Amount) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := load(s, t.Rung)
	if err != nil {
		return out, err
	}
	if !run.Base.IsZero() {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "start rung %d: it has been started", t.Rung)
	}
	run.Corpus, run.Root, run.Base, run.Start, run.Error = m.Corpus, m.Root, m.Base, m.Base, m.Error
	run.Purse, run.PerRound = purse, purse/crescendo.Amount(t.Rounds)
	run.EvalPerRound = evaluators / crescendo.Amount(t.Rounds)
	run.Since, run.Progress = env.Height, env.Height
	out.Emit(crescendo.NewEvent("training.started", t.Rung, "corpus", m.Corpus, "base", m.Base, "rounds", t.Rounds,
		"purse", purse, "per-round", run.PerRound))
	return out, Runs.Set(s, run, t.key())
}

// Commit takes a trainer's commitment for the open round.
func Commit(env crescendo.Env, s kv.Store, t Terms, m *MsgCommit) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := atAttempt(s, t, "commit", m.Round, m.Attempt, Working)
	if err != nil {
		return out, err
	}
	mem, err := member(s, t.Rung, m.Sender)
	if err != nil {
		return out, err
	}
	if !mem.Standing() {
		return out, crescendo.Errorf(crescendo.CodeForbidden, "commit in rung %d: %s has no seat any more", t.Rung, m.Sender).WithHint("join again, unless expelled")
	}
	if mem.Joined > run.Round {
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "commit in rung %d: %s works from round %d on", t.Rung, m.Sender, mem.Joined)
	}
	done, err := Works.Has(s, t.key(), uint32(m.Round), string(m.Sender))
	if err != nil {
		return out, err
	}
	if done {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "commit in rung %d round %d: %s has committed already", t.Rung, m.Round, m.Sender)
	}
	run.Committed++
	out.Emit(crescendo.NewEvent("training.committed", t.Rung, "round", m.Round, "trainer", m.Sender, "commitment", m.Commitment))
	if err := Works.Set(s, Work{Commitment: m.Commitment, Height: env.Height, Attempt: run.Attempt}, t.key(), uint32(m.Round), string(m.Sender)); err != nil {
		return out, err
	}
	return out, Runs.Set(s, run, t.key())
}

// Reveal opens a trainer's commitment.
func Reveal(env crescendo.Env, s kv.Store, t Terms, m *MsgReveal) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := atRound(s, t, "reveal", m.Round, Revealing)
	if err != nil {
		return out, err
	}
	mem, err := member(s, t.Rung, m.Sender)
	if err != nil {
		return out, err
	}
	w, err := work(s, t.Rung, m.Round, m.Sender)
	if err != nil {
		return out, err
	}
	if err := checkReveal(env, t, run, mem, w, m); err != nil {
		return out, err
	}
	w.Revealed, w.RevealedAt = true, env.Height
	w.Base, w.Payload, w.Size, w.Start, w.End = m.Base, m.Payload, m.Size, m.Start, m.End
	w.Eager, w.Tokens = m.Eager, m.Tokens
	out.Emit(crescendo.NewEvent("training.revealed", t.Rung, "round", m.Round, "trainer", m.Sender, "payload", m.Payload, "bytes", m.Size, "start", m.Start, "eager", m.Eager))
	return out, Works.Set(s, w, t.key(), uint32(m.Round), string(m.Sender))
}

func checkReveal(env crescendo.Env, t Terms, run Run, mem Member, w Work, m *MsgReveal) error {
	refuse := func(format string, args ...any) *crescendo.Error {
		return crescendo.Errorf(crescendo.CodeInvalid, "reveal in rung %d round %d: "+format, append([]any{t.Rung, m.Round}, args...)...)
	}
	switch {
	case mem.Fault != "":
		return crescendo.Errorf(crescendo.CodeForbidden, "reveal in rung %d: %s was expelled: %s", t.Rung, m.Sender, mem.Fault)
	case w.Revealed:
		return crescendo.Errorf(crescendo.CodeDuplicate, "reveal in rung %d round %d: %s has revealed already", t.Rung, m.Round, m.Sender)
	case Commitment(env.ChainID, t.Rung, m.Round, m.Sender, *m) != w.Commitment:
		return refuse("it does not match the commitment").WithHint("reveal exactly what was committed, with the same salt")
	case m.Base != run.Base:
		return refuse("work on base %s, the round's base is %s", m.Base.Short(), run.Base.Short())
	case m.Size > t.MaxPayload:
		return refuse("payload of %d bytes, at most %d", m.Size, t.MaxPayload)
	case m.Eager > t.Eager:
		return refuse("%d eager steps, at most %d", m.Eager, t.Eager)
	case m.Tokens != t.Tokens:
		return refuse("%d tokens, a round has %d", m.Tokens, t.Tokens)
	case !m.Start.IsZero() && m.Start != mem.State:
		return refuse("start state %s is not the end of the last revealed round", m.Start.Short()).WithHint("start from the carried state, or fresh with the zero hash")
	}
	return nil
}

// Attest records which revealed payloads an evaluator of the panel holds. The
// caller has checked that the sender sits on the panel.
func Attest(env crescendo.Env, s kv.Store, t Terms, m *MsgAttest) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := atAttempt(s, t, "attest", m.Round, m.Attempt, Revealing)
	if err != nil {
		return out, err
	}
	fresh := 0
	for _, trainer := range m.Trainers {
		w, err := work(s, t.Rung, m.Round, trainer)
		if err != nil {
			return out, err
		}
		if !w.Revealed {
			return out, crescendo.Errorf(crescendo.CodeWrongTime, "attest in rung %d round %d: %s has not revealed", t.Rung, m.Round, trainer)
		}
		if slices.Contains(w.Holders, m.Sender) {
			continue
		}
		fresh++
		w.Holders = append(w.Holders, m.Sender)
		mem, err := member(s, t.Rung, trainer)
		if err != nil {
			return out, err
		}
		// A trainer expelled since it revealed is no longer waited for: its
		// payload must not stand in for another's.
		if mem.Fault == "" && !w.Available && uint32(len(w.Holders)) >= Quorum(run.Panel) {
			w.Available = true
			run.Available++
			out.Emit(crescendo.NewEvent("training.available", t.Rung, "round", m.Round, "trainer", trainer, "holders", len(w.Holders)))
		}
		if err := Works.Set(s, w, t.key(), uint32(m.Round), string(trainer)); err != nil {
			return out, err
		}
	}
	if fresh == 0 {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "attest in rung %d round %d: %s has attested to all of them", t.Rung, m.Round, m.Sender)
	}
	return out, Runs.Set(s, run, t.key())
}

// atRound returns the run if the round is open and in the given phase.
func atRound(r kv.Reader, t Terms, doing string, round crescendo.Round, phase Phase) (Run, error) {
	run, err := load(r, t.Rung)
	if err != nil {
		return run, err
	}
	if run.Round != round || run.Phase != phase {
		return run, wrongTime(doing, t, run).WithHint("follow the open round and its phase")
	}
	return run, nil
}

// atAttempt is atRound for messages that hold for one attempt: one that was
// long on its way must not count for the next.
func atAttempt(r kv.Reader, t Terms, doing string, round crescendo.Round, attempt uint32, phase Phase) (Run, error) {
	run, err := atRound(r, t, doing, round, phase)
	if err == nil && run.Attempt != attempt {
		err = WrongAttempt(doing, t.Rung, round, attempt, run.Attempt)
	}
	return run, err
}

// WrongAttempt refuses what was meant for another attempt at a round.
func WrongAttempt(doing string, rung crescendo.RungID, round crescendo.Round, attempt, open uint32) error {
	return crescendo.Errorf(crescendo.CodeWrongTime, "%s in rung %d round %d: it is for attempt %d, not %d", doing, rung, round, attempt, open).
		WithHint("look at the round again: the attempt it was for is void")
}
