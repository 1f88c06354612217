package sim

import (
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// organiser opens raises, adopts recipes, starts trainings, and appoints who
// keeps keys.
type organiser struct{ self *actor }

func (o *organiser) forget(*world, bool) {}

func (o *organiser) wake(w *world, a *actor) {
	w.send(a, purpose{kind: "allow"}, &sealing.MsgAllow{Sender: a.name, Measurement: []byte(measurement)})
	for _, k := range w.cast.keepers {
		w.send(a, purpose{kind: "appoint", about: k.self.name}, &sealing.MsgRegisterKeeper{Sender: a.name, Keeper: k.self.name})
	}
	for i := range w.chain.rungs {
		v := &w.chain.rungs[i]
		switch v.state.Stage {
		case program.StageAnnounced:
			if i == 0 || w.chain.rungs[i-1].state.Stage == program.StageServing || w.chain.rungs[i-1].state.Stage == program.StageOpened {
				w.send(a, purpose{kind: "raise", rung: v.id}, &program.MsgOpenRaise{Sender: a.name, Rung: v.id})
			}
		case program.StageCompeting:
			o.start(w, v)
		}
	}
	w.claimSometimes(a) // royalties of its own recipe
}

func (o *organiser) start(w *world, v *rung) {
	if v.state.Recipe.IsZero() {
		if w.contested(v.id) {
			return
		}
		entries, err := research.Entries.List(w.chain.store, nil, 16, uint32(v.id))
		if err != nil {
			w.fail("read recipes: %v", err)
		}
		if len(entries) > 0 {
			var recipe crescendo.Hash
			copy(recipe[:], entries[w.rng.IntN(len(entries))].Rest)
			w.send(o.self, purpose{kind: "adopt", rung: v.id}, &research.MsgAdopt{Sender: o.self.name, Rung: v.id, Recipe: recipe})
		}
		return
	}
	if w.height() < v.state.Since+6 || v.run.Seated < w.chain.spec.Rungs[v.id-1].Training.MinTrainers {
		return
	}
	base := digest.Sum("sim/initial", []byte{byte(v.id)})
	w.send(o.self, purpose{kind: "start", rung: v.id}, &training.MsgStart{Sender: o.self.name, Rung: v.id, Corpus: digest.Sum("sim/corpus"),
		Root: digest.Sum("sim/corpus root"), Base: base, Error: digest.Sum("sim/no error")})
}

// researcher enters recipes, the later ones built on the earlier ones.
type researcher struct {
	self   *actor
	copies crescendo.Account // enters what this one wrote; empty: its own
}

func (r *researcher) forget(*world, bool) {}

func (r *researcher) wake(w *world, a *actor) {
	for i := range w.chain.rungs {
		v := &w.chain.rungs[i]
		switch {
		case !v.eligible():
		case w.contested(v.id):
			for _, at := range contests(v) {
				r.compete(w, at)
			}
		case r.copies == "":
			m := &research.MsgRegister{Sender: a.name, Rung: v.id, Recipe: recipe(a.name, v.id)}
			if known, _ := research.Origins.Has(w.chain.store, slices.Clone(bytesOf(recipe(a.name, v.id-1)))); known {
				m.Parents = []crescendo.Hash{recipe(a.name, v.id-1)}
			}
			w.send(a, purpose{kind: "recipe", rung: v.id}, m)
		}
	}
	w.claimSometimes(a)
}

func recipe(author crescendo.Account, rung crescendo.RungID) crescendo.Hash {
	return digest.Sum("sim/recipe", []byte(author), []byte{byte(rung)})
}

func bytesOf(h crescendo.Hash) []byte { return h[:] }

// keeper hands keys to vaults that the policy accepts, and publishes them once
// it says so.
type keeper struct{ self *actor }

func (k *keeper) forget(*world, bool) {}

func (k *keeper) wake(w *world, a *actor) {
	me, err := optional(sealing.Keepers.Get(w.chain.store, string(a.name)))
	if appointed, _ := sealing.Keepers.Has(w.chain.store, string(a.name)); err != nil || !appointed {
		return
	}
	if len(me.SealKey) == 0 {
		w.send(a, purpose{kind: "keeper"}, &sealing.MsgRegisterKeeper{Sender: a.name, SealKey: []byte(a.name)})
		return
	}
	for _, q := range w.chain.asked[max(0, len(w.chain.asked)-64):] {
		now, err := optional(sealing.Requests.Get(w.chain.store, uint32(q.rung), q.vault[:]))
		answered := slices.ContainsFunc(now.Shares, func(s sealing.Share) bool { return s.Keeper == a.name })
		if err == nil && now.Nonce == q.nonce && !answered {
			w.send(a, purpose{kind: "hand", rung: q.rung, about: crescendo.Account(q.nonce.String())},
				&sealing.MsgHandOver{Sender: a.name, Rung: q.rung, Vault: q.vault, Nonce: q.nonce, Sealed: []byte("share")})
		}
	}
	for i := range w.chain.rungs {
		if v := &w.chain.rungs[i]; v.seal.MayOpen && v.state.Stage == program.StageServing {
			w.send(a, purpose{kind: "publish", rung: v.id}, &sealing.MsgPublishKey{Sender: a.name, Rung: v.id, Key: rungKey(v.id)})
		}
	}
}

// funder buys shares, and takes back or reinvests what they bring.
type funder struct {
	self *actor
	turn uint64
}

func (f *funder) forget(*world, bool) {}

func (f *funder) wake(w *world, a *actor) {
	for i := range w.chain.rungs {
		v := &w.chain.rungs[i]
		if v.state.Stage == program.StageRaising {
			f.buy(w, v)
		}
	}
	w.claimSometimes(a)
}

func (f *funder) buy(w *world, v *rung) {
	terms := w.chain.spec.Rungs[v.id-1].Raise
	room := terms.HardCap - v.raise.Raised
	most := terms.HardCap
	if w.cast.fails == v.id { // nobody trusts this one
		room = terms.SoftCap/2 - min(terms.SoftCap/2, v.raise.Raised) // others buy at the same moment
		most = terms.SoftCap / 40
	}
	if room == 0 || !w.one(4) {
		return
	}
	f.turn++
	amount := min(room, most, max(terms.HardCap/crescendo.Amount(w.between(8, 60)), 1))
	w.send(f.self, purpose{kind: "buy", rung: v.id, attempt: f.turn}, &funding.MsgContribute{Sender: f.self.name, Rung: v.id, Amount: amount})
}

// refund takes an account's money back from a rung that failed.
func (w *world) refund(a *actor, v *rung) {
	p := purpose{kind: "refund", rung: v.id}
	if !w.due(a, p) || !w.one(3) {
		return
	}
	held, err := optional(funding.Positions.Get(w.chain.store, uint32(v.id), string(a.name)))
	if err == nil && held.Shares > 0 && !held.Refunded {
		w.send(a, p, &funding.MsgRefund{Sender: a.name, Rung: v.id})
	}
}

// claimSometimes takes what a rung owes an account, at odd moments; half of
// the time it reinvests, if a rung is raising.
func (w *world) claimSometimes(a *actor) {
	if !w.cast.ending && !w.one(40) || w.cast.ending && !w.one(3) {
		return
	}
	raising := crescendo.RungID(0)
	for i := range w.chain.rungs {
		switch v := &w.chain.rungs[i]; v.state.Stage {
		case program.StageRaising:
			raising = v.id
		case program.StageRefunding:
			w.refund(a, v)
		}
	}
	for i := range w.chain.rungs {
		v := &w.chain.rungs[i]
		if v.state.Stage != program.StageServing && v.state.Stage != program.StageOpened {
			continue
		}
		if w.claimable(a, v.id) == 0 {
			continue
		}
		m := &revenue.MsgClaim{Sender: a.name, Rung: v.id}
		if raising > v.id && w.one(2) && w.cast.fails != raising {
			m.Reinvest = raising
		}
		// Every claim is a new one: what was due changes all the time.
		w.send(a, purpose{kind: "claim", rung: v.id, attempt: uint64(w.height())}, m)
	}
}

// claimable is what a rung owes an account now.
func (w *world) claimable(a *actor, rung crescendo.RungID) crescendo.Amount {
	shares, err1 := funding.Holding(w.chain.store, rung, a.name)
	due, err2 := revenue.Due(w.chain.store, rung, a.name, shares)
	if err1 != nil || err2 != nil {
		w.fail("dues of %s in rung %d: %v %v", a.name, rung, err1, err2)
	}
	return due.Total()
}
