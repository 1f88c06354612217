package sim

import (
	"encoding/binary"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
)

// targets is over how many tokens losses are summed.
const targets = 1000

// evaluator attests, votes and replays. What it says follows from its key and
// public data, so it needs no disk.
type evaluator struct {
	self  *actor
	kind  evaluatorKind
	joins crescendo.Height   // not before
	done  map[replayKey]bool // in memory: replays under way or reported
}

type evaluatorKind int

const (
	diligent evaluatorKind = iota
	lazy                   // says that replays match without doing them; votes at random, or not at all
	lying                  // votes with the other liars, accuses the honest, covers cheats
)

type replayKey struct {
	rung    crescendo.RungID
	round   crescendo.Round
	trainer crescendo.Account
	drawn   crescendo.Height
}

// replayPace is how many replays an evaluator begins in a block.
const replayPace = 24

func (e *evaluator) forget(*world, bool) { clear(e.done) }

func (e *evaluator) wake(w *world, a *actor) {
	me, err := optional(evaluation.Evaluators.Get(w.chain.store, string(a.name)))
	if err != nil {
		w.fail("read evaluator %s: %v", a.name, err)
		return
	}
	if w.height() >= e.joins && (me.Bond == 0 && me.Burned == 0 || me.Suspended) {
		w.send(a, purpose{kind: "register", attempt: uint64(me.Burned)}, &evaluation.MsgRegister{Sender: a.name, Name: string(a.name)})
	}
	for i := range w.chain.rungs {
		v := &w.chain.rungs[i]
		switch v.state.Stage {
		case program.StageTraining:
			if slices.Contains(v.panel, a.name) {
				e.judge(w, v)
			}
			e.replay(w, v)
		case program.StageSelecting:
			e.replay(w, v)
		}
	}
}

// judge does its part in the open round.
func (e *evaluator) judge(w *world, v *rung) {
	p := purpose{rung: v.id, round: v.run.Round, attempt: uint64(v.run.Attempt)}
	switch v.run.Phase {
	case training.Revealing:
		if e.kind == lazy && w.one(2) {
			return
		}
		p.kind, p.about = "attest", v.last()
		if n := len(v.shown); n > 0 && w.due(e.self, p) {
			w.send(e.self, p, &training.MsgAttest{Sender: e.self.name, Rung: v.id, Round: v.run.Round, Attempt: v.run.Attempt, Trainers: slices.Clone(v.shown[max(0, n-training.MaxAttested):])})
		}
	case training.Voting:
		p.kind = "vote"
		if w.due(e.self, p) && !(e.kind == lazy && w.one(2)) {
			w.send(e.self, p, &evaluation.MsgCommitVote{Sender: e.self.name, Rung: v.id, Round: v.run.Round, Attempt: v.run.Attempt,
				Commitment: evaluation.VoteCommitment(chainID, v.id, v.run.Round, e.self.name, e.salt(v), e.vote(w, v))})
		}
	case training.Unveiling:
		p.kind = "open"
		if w.due(e.self, p) && !(e.kind == lying && w.one(3)) {
			e.open(w, v, p)
		}
	}
}

// last is who has revealed last in the open attempt.
func (v *rung) last() crescendo.Account {
	if n := len(v.shown); n > 0 {
		return v.shown[n-1]
	}
	return ""
}

// salt follows from the key, so that a restarted evaluator can open its vote.
func (e *evaluator) salt(v *rung) crescendo.Hash {
	return digest.Sum("sim/vote salt", v.run.Seed[:], v.run.Draw[:], []byte(e.self.name))
}

func (e *evaluator) vote(w *world, v *rung) evaluation.Vote {
	vote := w.verdict(v)
	switch e.kind {
	case lazy:
		if e.salt(v)[0]%2 == 0 {
			vote.Update = digest.Sum("sim/lazy", vote.Update[:], []byte(e.self.name))
		}
	case lying:
		vote.Scores = slices.Clone(vote.Scores)
		for i, s := range vote.Scores {
			if !w.cast.honest(s.Trainer) && s.Fault == "" {
				vote.Scores[i].After = s.After / 2
			}
		}
		vote.Checkpoint = digest.Sum("sim/lie", vote.Checkpoint[:])
		evaluation.MarkIncluded(&vote)
	}
	return vote
}

// open opens the vote if it is what the ballot says: a commitment that came
// late may have slipped into the next attempt.
func (e *evaluator) open(w *world, v *rung, p purpose) {
	ballot, err := optional(evaluation.Ballots.Get(w.chain.store, uint32(v.id), uint32(v.run.Round), string(e.self.name)))
	if err != nil {
		w.fail("read ballot of %s: %v", e.self.name, err)
		return
	}
	vote := e.vote(w, v)
	if ballot.Opened || ballot.Commitment != evaluation.VoteCommitment(chainID, v.id, v.run.Round, e.self.name, e.salt(v), vote) {
		return
	}
	w.send(e.self, p, &evaluation.MsgRevealVote{Sender: e.self.name, Rung: v.id, Round: v.run.Round, Salt: e.salt(v), Vote: vote})
}

// verdict is what every honest evaluator finds about the open round.
func (w *world) verdict(v *rung) evaluation.Vote {
	if v.verdict != nil && v.asked == v.run.Draw {
		return *v.verdict
	}
	run := v.run
	before := crescendo.MicroNats((8_000_000 - 20_000*int64(run.Round)) * targets)
	vote := evaluation.Vote{Before: before, Targets: targets}
	payloads, err := training.Payloads(w.chain.store, v.id)
	if err != nil {
		w.fail("read payloads of rung %d: %v", v.id, err)
	}
	parts := [][]byte{run.Base[:], run.Draw[:], binary.BigEndian.AppendUint32(nil, run.Attempt)}
	for _, p := range payloads {
		got, err := training.Works.Get(w.chain.store, uint32(v.id), uint32(run.Round), string(p))
		if err != nil {
			w.fail("read work of %s: %v", p, err)
		}
		score := evaluation.Score{Trainer: p}
		if m, ok := w.cast.made[got.Payload]; !ok {
			score.Fault = "non-canonical"
		} else if m.base == run.Base {
			score.After = before - crescendo.MicroNats(m.gain*targets)
		} else {
			score.After = before - crescendo.MicroNats(m.gain/8*targets)
		}
		vote.Scores = append(vote.Scores, score)
		parts = append(parts, got.Payload[:])
	}
	evaluation.MarkIncluded(&vote)
	vote.Update = digest.Sum("sim/update", parts...)
	vote.Checkpoint, vote.Error = digest.Sum("sim/checkpoint", vote.Update[:]), digest.Sum("sim/error", vote.Update[:])
	v.verdict, v.asked = &vote, run.Draw
	return vote
}

// replay looks after the windows that are this evaluator's business.
func (e *evaluator) replay(w *world, v *rung) {
	begun := 0
	for _, x := range v.windows {
		key := replayKey{v.id, x.round, x.trainer, x.drawn}
		if e.done[key] || !slices.Contains(x.panel, e.self.name) || begun == replayPace {
			continue
		}
		if x.designated != e.self.name && !x.disputed && w.height() < x.drawn+evaluation.ReplayBlocks {
			continue
		}
		p := purpose{kind: "replay", rung: v.id, round: x.round, about: x.trainer, attempt: uint64(x.drawn)}
		if !w.due(e.self, p) {
			continue
		}
		begun++
		e.done[key] = true
		w.later(e.self, int64(w.between(1, 5*blockTicks)), "replayed", func() {
			delete(e.done, key) // asks again if the report is lost
			if !e.self.cut {
				w.send(e.self, p, e.report(w, v, x))
			}
		})
	}
}

// report is the outcome of a replay, or what the evaluator makes of it.
func (e *evaluator) report(w *world, v *rung, x *window) *evaluation.MsgReplay {
	m := &evaluation.MsgReplay{Sender: e.self.name, Rung: v.id, Round: x.round, Attempt: x.work.Attempt, Trainer: x.trainer, End: x.work.End, Payload: x.work.Payload}
	end, payload := work(x.seed, x.work.Base, x.work.Start, x.trainer)
	guilty := end != x.work.End || payload != x.work.Payload
	switch {
	case e.kind == lazy, e.kind == lying && guilty:
	case e.kind == lying:
		m.End = digest.Sum("sim/false accusation", end[:])
	default:
		m.End, m.Payload = end, payload
	}
	return m
}
