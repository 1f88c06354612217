package sim

import (
	"math"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/training"
)

// actor is somebody with an account: a process that can crash, and a place in
// the network that can be cut off.
type actor struct {
	name   crescendo.Account
	honest bool
	mind   mind
	down   bool
	cut    bool
	gone   bool             // for good: nobody may wait for it
	healed int64            // when its cut ends
	epoch  uint32           // of its process: what an earlier one waited for is void
	hurt   crescendo.Height // when a fault last touched it
	// sent is what it has asked the ledger for, with the height from which it
	// asks again. In memory only.
	sent map[purpose]crescendo.Height
}

// mind is what an actor does. Wake is called when it notices a block; forget
// when it crashes: what was in memory is gone, with disk set what was on its
// disk too.
type mind interface {
	wake(w *world, a *actor)
	forget(w *world, disk bool)
}

// purpose tells what a message is for, so that it is not sent twice without
// need.
type purpose struct {
	kind    string
	rung    crescendo.RungID
	round   crescendo.Round
	attempt uint64
	about   crescendo.Account
}

// transaction is a signed message on its way. The ledger executes an id at
// most once, as account sequences guarantee.
type transaction struct {
	id      uint64
	from    *actor
	epoch   uint32
	purpose purpose
	message crescendo.Message
	attempt uint32 // at the round it is about, and the phase, when it was sent
	phase   training.Phase
}

const never = crescendo.Height(math.MaxInt64)

// due reports whether the actor should ask for something now.
func (w *world) due(a *actor, p purpose) bool { return a.sent[p] <= w.height() }

// send signs a message and hands it to the network, unless that has been done
// lately.
func (w *world) send(a *actor, p purpose, m crescendo.Message) {
	if !w.due(a, p) {
		return
	}
	a.sent[p] = w.height() + crescendo.Height(w.between(4, 9))
	w.chain.ids++
	tx := &transaction{id: w.chain.ids, from: a, epoch: a.epoch, purpose: p, message: m}
	if p.rung != 0 {
		run := w.chain.rungs[p.rung-1].run
		tx.attempt, tx.phase = run.Attempt, run.Phase
	}
	w.transmit(tx)
}

// transmit carries a transaction to the ledger, or loses it, or carries it
// twice.
func (w *world) transmit(tx *transaction) {
	after := int64(w.between(1, 8))
	copies := 1
	if w.sky.storm {
		switch {
		case w.one(10):
			copies = 0
		case w.one(10):
			copies = 2
		}
	}
	if copies == 0 || tx.from.cut && w.one(2) {
		w.report.Lost++
		w.note("lost %d %s %s", tx.id, tx.from.name, tx.purpose.kind)
		return
	}
	if w.sky.storm && tx.purpose.round != 0 && w.one(6) {
		w.sky.held = append(w.sky.held, tx)
		return
	}
	if tx.from.cut {
		after += max(tx.from.healed-w.now, 0) // it waits in the actor's own node
	}
	for range copies {
		w.schedule(after+w.lag(), "arrive", tx.from, func() { w.chain.mempool = append(w.chain.mempool, tx) })
	}
}

// lag is what bad weather adds to a delay: mostly little, now and then several
// rounds.
func (w *world) lag() int64 {
	switch {
	case !w.sky.storm:
		return 0
	case w.one(25):
		return int64(w.between(1, 80*blockTicks))
	}
	return int64(w.between(0, 4*blockTicks))
}

// notify lets an actor notice the newest block, if it can.
func (w *world) notify(a *actor) {
	if a.down || a.cut || w.sky.storm && w.one(5) {
		return
	}
	epoch := a.epoch
	w.schedule(int64(w.between(1, 9)), "notice", a, func() {
		if a.epoch == epoch && !a.down && !a.cut {
			a.mind.wake(w, a)
		}
	})
}

// answer tells the sender what became of its transaction, if it still listens.
func (w *world) answer(tx *transaction, err error) {
	w.schedule(int64(w.between(1, 9))+w.lag(), "result", tx.from, func() {
		a := tx.from
		if a.down || a.cut || a.epoch != tx.epoch {
			return
		}
		// A duplicate has been done already, but for receipts: of those, the first
		// may be settled and the rest not.
		if err == nil || crescendo.CodeOf(err) == crescendo.CodeDuplicate && tx.purpose.kind != "settle" {
			a.sent[tx.purpose] = never
			return
		}
		a.sent[tx.purpose] = w.height() + 2
	})
}

// later has something done by the actor's process, unless it crashes first.
func (w *world) later(a *actor, after int64, name string, do func()) {
	epoch := a.epoch
	w.schedule(after, name, a, func() {
		if a.epoch == epoch && !a.down {
			do()
		}
	})
}

// deliverHeld is the worst a network can do with a delay: it keeps a message
// about a round until another attempt at the round has come to the same phase.
func (w *world) deliverHeld() {
	kept := w.sky.held[:0]
	for _, tx := range w.sky.held {
		run := w.chain.rungs[tx.purpose.rung-1].run
		switch {
		case run.Round > tx.purpose.round || run.Phase >= training.Auditing:
			w.report.Lost++
		case run.Attempt > tx.attempt && run.Phase == tx.phase:
			w.report.Stale++
			w.schedule(int64(w.between(1, 4)), "stale", tx.from, func() { w.chain.mempool = append(w.chain.mempool, tx) })
		default:
			kept = append(kept, tx)
		}
	}
	w.sky.held = kept
}
