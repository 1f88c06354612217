package training

import (
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// maxGain bounds one round's gain per target, in micro-nats: ten nats.
const maxGain = 10_000_000

// Score is what the carried vote says about one payload.
type Score struct {
	Trainer crescendo.Account
	After   crescendo.MicroNats
	Fault   string
	Include bool
}

// Result is the carried vote of a round, in this rule's words.
type Result struct {
	Before     crescendo.MicroNats
	Targets    uint64
	Update     crescendo.Hash
	Checkpoint crescendo.Hash
	Error      crescendo.Hash
	Scores     []Score // sorted by trainer, one for each available payload
}

// Payloads returns the trainers whose payloads count in the open round, in
// account order: a vote must score exactly these.
func Payloads(r kv.Reader, rung crescendo.RungID) ([]crescendo.Account, error) {
	run, err := load(r, rung)
	if err != nil {
		return nil, err
	}
	works, err := Works.List(r, nil, MaxMembers, uint32(rung), uint32(run.Round))
	if err != nil {
		return nil, err
	}
	var out []crescendo.Account
	for _, e := range works {
		if e.Value.Available {
			out = append(out, Account(e.Rest))
		}
	}
	return out, nil
}

// Holders lists, sorted, the evaluators that hold some payload of a round.
func Holders(r kv.Reader, rung crescendo.RungID, round crescendo.Round) ([]crescendo.Account, error) {
	works, err := Works.List(r, nil, MaxMembers, uint32(rung), uint32(round))
	if err != nil {
		return nil, err
	}
	var out []crescendo.Account
	for _, e := range works {
		out = append(out, e.Value.Holders...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Close ends a round as the carried vote says. It returns what the trainers
// earned: that much must move from the purse to the rung's pot.
func Close(env crescendo.Env, s kv.Store, t Terms, res Result) (crescendo.Outcome, crescendo.Amount, error) {
	var out crescendo.Outcome
	run, err := load(s, t.Rung)
	if err != nil {
		return out, 0, err
	}
	tokens, included, err := totals(s, t, res)
	if err != nil {
		return out, 0, err
	}
	var earned crescendo.Amount
	for _, score := range res.Scores {
		pay, err := credit(s, t, run, res, score, tokens)
		if err != nil {
			return out, 0, err
		}
		earned += pay // at most run.PerRound in all
	}
	closed := Closed{Base: run.Base, Seed: run.Seed, Draw: run.Draw, Update: res.Update, Checkpoint: res.Checkpoint,
		Error: res.Error, Before: res.Before, Targets: res.Targets, Included: included, Tokens: tokens,
		Height: env.Height, Attempt: run.Attempt, BaseError: run.Error}
	if err := Rounds.Set(s, closed, t.key(), uint32(run.Round)); err != nil {
		return out, 0, err
	}
	after, sound := lossAfter(res)
	out.Emit(crescendo.NewEvent("training.round-closed", t.Rung, "round", run.Round, "included", included, "payloads", len(res.Scores),
		"tokens", tokens, "before", int64(res.Before)/int64(res.Targets), "after", after, "scored", sound, "paid", earned, "checkpoint", res.Checkpoint))
	if err := markMissed(s, t, &run, &out); err != nil {
		return out, 0, err
	}
	run.Previous, run.Base, run.Error, run.LastUpdate = run.Base, res.Checkpoint, res.Error, res.Update
	run.Attempt, run.Progress = 0, env.Height
	run.enter(env, Waiting, 0)
	if uint32(run.Round) >= t.Rounds {
		run.Final = res.Checkpoint
		run.enter(env, Auditing, 0)
		out.Emit(crescendo.NewEvent("training.auditing", t.Rung, "open", run.Open, "final", run.Final))
	}
	return out, earned, Runs.Set(s, run, t.key())
}

// totals sums up the tokens of included payloads whose trainers are still in
// good standing.
func totals(s kv.Reader, t Terms, res Result) (tokens uint64, included uint32, err error) {
	for _, score := range res.Scores {
		mem, err := member(s, t.Rung, score.Trainer)
		if err != nil {
			return 0, 0, err
		}
		if score.Include && mem.Fault == "" {
			tokens += t.Tokens
			included++
		}
	}
	return tokens, included, nil
}

// credit books one trainer's round and returns its pay. Rounding leaves the
// rest in the purse.
func credit(s kv.Store, t Terms, run Run, res Result, score Score, tokens uint64) (crescendo.Amount, error) {
	mem, err := member(s, t.Rung, score.Trainer)
	if err != nil {
		return 0, err
	}
	w, err := work(s, t.Rung, run.Round, score.Trainer)
	if err != nil {
		return 0, err
	}
	w.After, w.Fault = score.After, score.Fault
	if mem.Fault == "" {
		mem.State, mem.Missed = w.End, 0
		if score.Fault == "" {
			mem.score(res, score)
		}
		if score.Include {
			w.Included = true
			if w.Pay, err = run.PerRound.MulDiv(w.Tokens, tokens); err != nil {
				return 0, err
			}
			if mem.Escrow, err = mem.Escrow.Add(w.Pay); err != nil {
				return 0, err
			}
			mem.Tokens += w.Tokens
		}
	}
	if err := Works.Set(s, w, t.key(), uint32(run.Round), string(score.Trainer)); err != nil {
		return 0, err
	}
	return w.Pay, Members.Set(s, mem, t.key(), string(score.Trainer))
}

// score adds a round's gain to the sums from which a member is ranked.
func (m *Member) score(res Result, score Score) {
	gain := Gain(res.Before, score.After, res.Targets)
	m.Rounds++
	m.Scored++
	m.Gain += gain
	m.GainSquare += uint64(gain * gain)
}

// Gain is by how much a payload, at its share of the average, lowers the held-out loss, in micro-nats
// per target, rounded toward zero and bounded at ten nats.
func Gain(before, after crescendo.MicroNats, targets uint64) int64 {
	if targets == 0 || targets > 1<<62 {
		return 0
	}
	return max(-maxGain, min(maxGain, int64(before-after)/int64(targets)))
}

// lossAfter is the mean loss per target that sound payloads reach, each at its share of the average.
func lossAfter(res Result) (perTarget int64, sound int) {
	var sum int64
	for _, s := range res.Scores {
		if s.Fault == "" {
			sum += int64(s.After) / int64(res.Targets)
			sound++
		}
	}
	if sound == 0 {
		return 0, 0
	}
	return sum / int64(sound), sound
}

// markMissed counts absences; a member absent MaxMissed rounds in a row loses
// its seat and nothing else.
func markMissed(s kv.Store, t Terms, run *Run, out *crescendo.Outcome) error {
	return each(s, t.Rung, func(account crescendo.Account, mem Member) error {
		if !mem.Standing() || mem.Joined > run.Round {
			return nil
		}
		w, err := Works.Get(s, t.key(), uint32(run.Round), string(account))
		if err == nil && w.Available {
			return nil
		}
		if mem.Missed++; mem.Missed >= MaxMissed {
			mem.Left = true
			mem.Dropped++
			run.Seated--
			out.Emit(crescendo.NewEvent("training.left", t.Rung, "trainer", account, "reason", "missed rounds", "missed", mem.Missed))
		}
		return Members.Set(s, mem, t.key(), string(account))
	})
}
