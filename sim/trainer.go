package sim

import (
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
)

// cheatKinds are the kinds of free riders.
var cheatKinds = []string{"nothing", "stale", "copy", "copy-noise", "quarter"}

// trainer joins, works, commits and reveals. On its disk it has the journal of
// its last work in each rung; everything else it reads from the ledger again.
type trainer struct {
	self  *actor
	cheat string           // kind of free rider; empty: honest
	from  crescendo.Round  // free riders work honestly up to here
	joins crescendo.Height // not before
	skill int64
	pace  int // blocks a round takes it, at most

	journal map[crescendo.RungID]labour // on disk
	states  map[crescendo.Hash]bool     // on disk: carried states
	working crescendo.Hash              // in memory: seed of the attempt it works on
}

// labour is a trainer's work in one attempt at a round.
type labour struct {
	seed   crescendo.Hash
	reveal training.MsgReveal
}

// made is what the held-out set would tell about a payload.
type made struct {
	gain int64
	base crescendo.Hash
}

// work is what an honest round comes to: a function of public data, as the
// numeric profile makes it in the product.
func work(seed, base, start crescendo.Hash, trainer crescendo.Account) (end, payload crescendo.Hash) {
	sum := digest.Sum("sim/work", seed[:], base[:], start[:], []byte(trainer))
	return digest.Sum("sim/end", sum[:]), digest.Sum("sim/payload", sum[:])
}

func (t *trainer) forget(_ *world, disk bool) {
	t.working = crescendo.Hash{}
	if disk {
		clear(t.journal)
		clear(t.states)
	}
}

func (t *trainer) wake(w *world, a *actor) {
	for i := range w.chain.rungs {
		v := &w.chain.rungs[i]
		switch v.state.Stage {
		case program.StageRaising, program.StageCompeting, program.StageTraining:
			for _, at := range contests(v) {
				t.try(w, at)
			}
			t.train(w, v)
		}
	}
	w.claimSometimes(a)
}

// train does what one rung asks for.
func (t *trainer) train(w *world, v *rung) {
	if v.id > 1 && !slices.Contains(w.chain.rungs[v.id-2].state.Kept, t.self.name) {
		return
	}
	m, err := optional(training.Members.Get(w.chain.store, uint32(v.id), string(t.self.name)))
	if err != nil {
		w.fail("read member %s: %v", t.self.name, err)
		return
	}
	switch {
	case m.Fault != "":
	case m.Joined == 0 || m.Left:
		t.join(w, v, m)
	case v.state.Stage != program.StageTraining || m.Joined > v.run.Round:
	case v.run.Phase == training.Working:
		t.commit(w, v, m)
	case v.run.Phase == training.Revealing:
		t.reveal(w, v)
	}
}

func (t *trainer) join(w *world, v *rung, m training.Member) {
	terms := w.chain.spec.Terms(v.id)
	if w.height() < t.joins || m.Dropped >= training.MaxDropped || v.run.Phase >= training.Auditing || v.run.Seated >= terms.Seats {
		return
	}
	w.send(t.self, purpose{kind: "join", rung: v.id, attempt: uint64(m.Dropped)}, &training.MsgJoin{Sender: t.self.name, Rung: v.id, Name: string(t.self.name)})
}

// commit works on the open attempt, or commits to what that came to.
func (t *trainer) commit(w *world, v *rung, m training.Member) {
	if l, ok := t.journal[v.id]; ok && l.seed == v.run.Seed {
		p := purpose{kind: "commit", rung: v.id, round: v.run.Round, attempt: uint64(v.run.Attempt)}
		if t.cheat == "copy" && w.one(40) { // pretends to have left after committing
			w.send(t.self, purpose{kind: "leave", rung: v.id, round: v.run.Round}, &training.MsgLeave{Sender: t.self.name, Rung: v.id})
		}
		w.send(t.self, p, &training.MsgCommit{Sender: t.self.name, Rung: v.id, Round: v.run.Round, Attempt: v.run.Attempt,
			Commitment: training.Commitment(chainID, v.id, v.run.Round, t.self.name, l.reveal)})
		return
	}
	if t.working == v.run.Seed {
		return
	}
	t.working = v.run.Seed
	run, state := v.run, m.State
	w.later(t.self, int64(w.between(1, t.pace*blockTicks)), "worked", func() {
		if t.working == run.Seed {
			t.journal[v.id] = t.labour(w, v, run, state)
			t.commitAtOnce(w, v)
		}
	})
}

func (t *trainer) commitAtOnce(w *world, v *rung) {
	if l := t.journal[v.id]; !t.self.cut && l.seed == v.run.Seed && v.run.Phase == training.Working {
		w.send(t.self, purpose{kind: "commit", rung: v.id, round: v.run.Round, attempt: uint64(v.run.Attempt)},
			&training.MsgCommit{Sender: t.self.name, Rung: v.id, Round: v.run.Round, Attempt: v.run.Attempt, Commitment: training.Commitment(chainID, v.id, v.run.Round, t.self.name, l.reveal)})
	}
}

// labour does a round, or pretends to have done it.
func (t *trainer) labour(w *world, v *rung, run training.Run, start crescendo.Hash) labour {
	if !t.states[start] || w.one(30) {
		start = crescendo.Hash{}
	}
	r := training.MsgReveal{Sender: t.self.name, Rung: v.id, Round: run.Round, Base: run.Base, Size: 100, Start: start,
		Tokens: w.planned(v.id).RoundTokens()}
	r.Salt = digest.Sum("sim/salt", run.Seed[:], []byte(t.self.name))
	if !start.IsZero() {
		r.Eager = w.planned(v.id).Training.Eager
	}
	r.End, r.Payload = work(run.Seed, run.Base, start, t.self.name)
	gain := 40_000 + t.skill + int64(w.rng.IntN(4000))
	d := deed{v.id, run.Round, t.self.name}
	if t.cheat != "" && run.Round >= t.from {
		w.cast.cheated[d] = true
		gain = t.pretend(w, v, &r, gain)
	}
	if _, known := w.cast.made[r.Payload]; !known {
		w.cast.made[r.Payload] = made{gain, run.Base}
	}
	t.states[r.End] = true
	return labour{run.Seed, r}
}

// pretend replaces honest work with less.
func (t *trainer) pretend(w *world, v *rung, r *training.MsgReveal, gain int64) int64 {
	old := w.cast.shown[v.id]
	other := crescendo.Hash{}
	if len(old) > 0 {
		other = old[w.rng.IntN(len(old))]
	}
	r.End = digest.Sum("sim/pretended end", r.Payload[:])
	switch {
	case t.cheat == "stale" && !t.journal[v.id].reveal.Payload.IsZero():
		r.Payload = t.journal[v.id].reveal.Payload
	case t.cheat == "copy" && !other.IsZero():
		r.Payload = other
	case t.cheat == "copy-noise" && !other.IsZero():
		r.Payload = digest.Sum("sim/noise", other[:], canon.Encode(*r))
		return w.cast.made[other].gain / 2
	case t.cheat == "quarter":
		r.Payload = digest.Sum("sim/quarter", r.Payload[:])
		return gain / 4
	default:
		r.Payload = digest.Sum("sim/nothing", r.Payload[:])
		return 0
	}
	return gain / 8
}

// reveal opens the commitment, if it is the one of this attempt: one that came
// late and slipped into the next attempt must not be opened.
func (t *trainer) reveal(w *world, v *rung) {
	l, ok := t.journal[v.id]
	p := purpose{kind: "reveal", rung: v.id, round: v.run.Round, attempt: uint64(v.run.Attempt)}
	if !ok || l.seed != v.run.Seed || !w.due(t.self, p) {
		return
	}
	got, err := optional(training.Works.Get(w.chain.store, uint32(v.id), uint32(v.run.Round), string(t.self.name)))
	if err != nil {
		w.fail("read work of %s: %v", t.self.name, err)
	}
	if got.Revealed || got.Commitment != training.Commitment(chainID, v.id, v.run.Round, t.self.name, l.reveal) {
		return
	}
	r := l.reveal
	if t.cheat != "" && w.one(20) { // another payload than it committed to
		r.Payload = digest.Sum("sim/changed", r.Payload[:])
	}
	w.send(t.self, p, &r)
}
