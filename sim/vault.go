package sim

import (
	"crypto/ed25519"
	"encoding/binary"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/sealing"
)

const measurement = "vault binary"

// operator runs a vault. The vault's keys, its sessions' counters and the
// models' keys are in memory only: a vault that restarts is a new vault. What
// the operator keeps on disk is the receipts that are not settled yet.
type operator struct {
	self   *actor
	second bool // seals only what the first has left lying
	life   uint64

	sign     ed25519.PrivateKey
	sealKey  []byte
	accepted bool                      // has seen its registration
	keys     map[crescendo.RungID]bool // models it can open
	meters   map[uint64]inference.Receipt

	receipts map[uint64][]inference.SignedReceipt // on disk
}

func newOperator(w *world, a *actor, second bool) *operator {
	o := &operator{self: a, second: second, receipts: map[uint64][]inference.SignedReceipt{}}
	o.forget(w, false)
	return o
}

// forget starts the vault anew, with new keys.
func (o *operator) forget(w *world, disk bool) {
	o.life++
	seed := digest.Sum("sim/vault", binary.BigEndian.AppendUint64(nil, w.Seed), []byte(o.self.name), binary.BigEndian.AppendUint64(nil, o.life))
	o.sign = ed25519.NewKeyFromSeed(seed[:])
	key := digest.Sum("sim/seal key", seed[:])
	o.sealKey = key[:]
	o.accepted, o.keys, o.meters = false, map[crescendo.RungID]bool{}, map[uint64]inference.Receipt{}
	if disk {
		clear(o.receipts)
	}
}

func (o *operator) public() []byte     { return o.sign.Public().(ed25519.PublicKey) }
func (o *operator) id() crescendo.Hash { return sealing.VaultID(o.public(), o.sealKey) }

// rungKey stands for the key that the vault draws for a rung's container and
// shares among the keepers.
func rungKey(rung crescendo.RungID) []byte {
	key := digest.Sum("sim/rung key", binary.BigEndian.AppendUint32(nil, uint32(rung)))
	return key[:]
}

func (o *operator) wake(w *world, a *actor) {
	w.claimSometimes(a)
	id := o.id()
	if !o.accepted {
		o.accepted, _ = sealing.Vaults.Has(w.chain.store, id[:])
		if allowed, _ := sealing.Measurements.Has(w.chain.store, []byte(measurement)); !o.accepted && allowed {
			binding := sealing.EvidenceBinding(chainID, a.name, o.public(), o.sealKey, crescendo.Hash{})
			w.send(a, purpose{kind: "vault", attempt: o.life}, &sealing.MsgRegisterVault{Sender: a.name,
				Evidence: canon.Encode(evidence{[]byte(measurement), w.chain.trust(), binding}), SignKey: o.public(), SealKey: o.sealKey})
		}
		if !o.accepted {
			return
		}
	}
	for i := range w.chain.rungs {
		v := &w.chain.rungs[i]
		switch v.state.Stage {
		case program.StageSealing:
			o.seal(w, v)
		case program.StageServing, program.StageOpened:
			o.fetchKey(w, v)
		}
	}
	o.settle(w)
}

// seal finishes a rung's model and announces it.
func (o *operator) seal(w *world, v *rung) {
	p := purpose{kind: "seal", rung: v.id, attempt: o.life}
	if !w.due(o.self, p) || o.second && w.height() < v.state.Since+30 {
		return
	}
	m := &sealing.MsgSeal{Sender: o.self.name, Rung: v.id, Vault: o.id(), Version: 1, Base: v.run.Final,
		Container: digest.Sum("sim/container", v.run.Final[:]), Manifest: digest.Sum("sim/manifest", v.run.Final[:]),
		KeyCheck: sealing.KeyCheck(rungKey(v.id)), Steps: w.chain.spec.Rungs[v.id-1].Sealing.FinalSteps, Loss: 3_000_000}
	keepers, err := sealing.Keepers.List(w.chain.store, nil, sealing.MaxKeepers)
	if err != nil {
		w.fail("read keepers: %v", err)
		return
	}
	for _, k := range keepers {
		if len(k.Value.SealKey) > 0 {
			m.Shares = append(m.Shares, sealing.Share{Keeper: crescendo.Account(k.Rest[:len(k.Rest)-1]), Sealed: []byte("share")})
		}
	}
	if len(m.Shares) < len(w.cast.keepers) {
		return
	}
	d := sealing.SealDigest(chainID, *m)
	m.Signature = ed25519.Sign(o.sign, d[:])
	o.keys[v.id] = true
	w.send(o.self, p, m)
}

// fetchKey asks the keepers for a model's key until enough have answered.
func (o *operator) fetchKey(w *world, v *rung) {
	if o.keys[v.id] {
		return
	}
	id := o.id()
	request, err := optional(sealing.Requests.Get(w.chain.store, uint32(v.id), id[:]))
	if err != nil {
		w.fail("read key request: %v", err)
		return
	}
	if len(request.Shares) >= (len(w.cast.keepers)+1)/2 {
		o.keys[v.id] = true
		return
	}
	w.send(o.self, purpose{kind: "request", rung: v.id, attempt: o.life}, &sealing.MsgRequestKey{Sender: o.self.name, Rung: v.id, Vault: id,
		Nonce: digest.Sum("sim/nonce", id[:], binary.BigEndian.AppendUint64(nil, uint64(w.height())))})
}

// serve answers one request of a session; the client may hang up before the
// end. It returns the receipt, or nil if this vault cannot serve it.
func (o *operator) serve(w *world, session uint64, input, output uint64) *inference.SignedReceipt {
	s, err := inference.Sessions.Get(w.chain.store, session)
	if err != nil || s.Vault != o.id() || s.Closed || s.Closing != 0 || !o.keys[s.Rung] || o.self.down || o.self.cut {
		return nil
	}
	r, ok := o.meters[session]
	if !ok {
		r = inference.Receipt{Chain: chainID, Session: session}
	} else {
		r.Previous = inference.Digest(r)
	}
	in, err1 := inference.Price(s.InputPrice, input)
	out, err2 := inference.Price(s.OutputPrice, output)
	if err1 != nil || err2 != nil || r.Charged+in+out > s.Escrow {
		return nil
	}
	r.Sequence++
	r.Requests++
	r.Input, r.Output, r.Charged = r.Input+input, r.Output+output, r.Charged+in+out
	o.meters[session] = r
	d := inference.Digest(r)
	signed := inference.SignedReceipt{Receipt: r, Signature: ed25519.Sign(o.sign, d[:])}
	o.receipts[session] = append(o.receipts[session], signed)
	return &signed
}

// settle hands in receipts, now and then, and drops what is settled.
func (o *operator) settle(w *world) {
	var ids []uint64
	for id := range o.receipts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		s, err := inference.Sessions.Get(w.chain.store, id)
		if err != nil {
			continue
		}
		list := slices.DeleteFunc(o.receipts[id], func(r inference.SignedReceipt) bool { return r.Receipt.Sequence <= s.Sequence })
		if o.receipts[id] = list; len(list) == 0 || s.Closed || list[0].Receipt.Sequence != s.Sequence+1 {
			delete(o.receipts, id)
			continue
		}
		if len(list) >= 4 || s.Closing != 0 || w.one(6) {
			final := s.Closing != 0 && w.one(2)
			w.send(o.self, purpose{kind: "settle", about: o.self.name, attempt: id<<16 | list[len(list)-1].Receipt.Sequence},
				&inference.MsgSettle{Sender: o.self.name, Receipts: slices.Clone(list[:min(len(list), inference.MaxReceipts)]), Final: final})
		}
	}
}

// client buys requests with an escrow, and takes back what is left.
type client struct {
	self  *actor
	plans int // sessions it still wants to open
	turn  int
	left  map[uint64]int // requests it still wants to make in a session
	keeps bool           // forgets to close its sessions
}

func (c *client) forget(*world, bool) {}

func (c *client) wake(w *world, a *actor) {
	for _, id := range w.chain.opened[a.name] {
		c.use(w, id)
	}
	if c.plans > 0 && w.one(6) {
		c.open(w)
	}
}

func (c *client) open(w *world) {
	var serving []*rung
	for i := range w.chain.rungs {
		if v := &w.chain.rungs[i]; v.state.Stage == program.StageServing || v.state.Stage == program.StageOpened {
			serving = append(serving, v)
		}
	}
	if len(serving) == 0 {
		return
	}
	v := serving[w.rng.IntN(len(serving))]
	o := w.cast.operators[w.rng.IntN(len(w.cast.operators))]
	if !o.accepted || !o.keys[v.id] {
		return
	}
	c.plans--
	c.turn++
	escrow := w.chain.spec.Rungs[v.id-1].Raise.HardCap / crescendo.Amount(w.between(2, 12))
	w.send(c.self, purpose{kind: "session", rung: v.id, attempt: uint64(c.turn)},
		&inference.MsgOpen{Sender: c.self.name, Rung: v.id, Vault: o.id(), Escrow: escrow, Key: o.public()})
}

// use makes the next request of a session, or ends it.
func (c *client) use(w *world, id uint64) {
	s, err := inference.Sessions.Get(w.chain.store, id)
	if err != nil || s.Closed || s.Closing != 0 {
		return
	}
	if _, ok := c.left[id]; !ok {
		c.left[id] = w.between(2, 14)
	}
	i := slices.IndexFunc(w.cast.operators, func(o *operator) bool { return o.self.name == s.Operator })
	var receipt *inference.SignedReceipt
	if c.left[id] > 0 && !c.self.cut {
		c.left[id]--
		output := uint64(w.between(1, 400)) // few: the client has hung up
		receipt = w.cast.operators[i].serve(w, id, uint64(w.between(1, 200)), output)
		if receipt != nil {
			return
		}
		c.left[id] -= w.between(0, 4) // loses patience: the vault is away, or another one now
		return
	}
	if !c.keeps {
		w.send(c.self, purpose{kind: "close", attempt: id}, &inference.MsgClose{Sender: c.self.name, Session: id})
	}
}
