package sim

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/training"
)

// books adds up what the records of the rules say is owed from each pot, and
// what they say was burned. It follows single writes, so that checking a block
// costs what the block changed and not the size of the state.
type books struct {
	owed   map[crescendo.Account]crescendo.Amount
	burned crescendo.Amount
	by     map[string]entry // what each record adds
	rungs  map[crescendo.RungID]*rungBook
	once   map[string]bool // records that may be written a single time
	broken []string
}

// entry is what one record of the store adds to the sums.
type entry struct {
	pot    crescendo.Account
	owed   crescendo.Amount
	burned crescendo.Amount
	rung   crescendo.RungID
	parts  parts
}

// parts are sums over the records of a rung that another record states.
type parts struct {
	shares, refunded, escrow                crescendo.Amount // positions; sessions
	operator, holder, contrib, operatorPaid crescendo.Amount // claims
	points                                  uint64
	seated, open                            int64 // members; windows
}

// rungBook is a rung's sums and the records that state them.
type rungBook struct {
	parts
	raise funding.Raise
	book  revenue.Book
	usage inference.Usage
	run   training.Run
	dirty bool
}

func newBooks() books {
	return books{owed: map[crescendo.Account]crescendo.Amount{}, by: map[string]entry{}, rungs: map[crescendo.RungID]*rungBook{}, once: map[string]bool{}}
}

func (b *books) of(rung crescendo.RungID) *rungBook {
	r := b.rungs[rung]
	if r == nil {
		r = &rungBook{}
		b.rungs[rung] = r
	}
	return r
}

// watch sees one write; a nil value deletes.
func (b *books) watch(key string, value []byte) {
	name, rest, ok := splitKey(key)
	if !ok && name != "program/treasury" && name != "evaluation/evaluator" {
		return
	}
	var id crescendo.RungID
	if len(rest) >= 4 {
		id = crescendo.RungID(binary.BigEndian.Uint32([]byte(rest)))
	}
	switch name {
	case "training/round", "evaluation/vote":
		if b.once[key] {
			b.broken = append(b.broken, "the record of a closed round changed: "+name)
		}
		b.once[key] = true
		return
	case "funding/raise":
		read(value, &b.of(id).raise)
	case "revenue/book":
		read(value, &b.of(id).book)
	case "inference/usage":
		read(value, &b.of(id).usage)
	case "training/run":
		read(value, &b.of(id).run)
	}
	e, ok := weigh(name, id, value)
	if !ok {
		return
	}
	b.add(b.by[key], true)
	b.add(e, false)
	if value == nil {
		delete(b.by, key)
		return
	}
	b.by[key] = e
}

func read(value []byte, into any) {
	if err := canon.Decode(value, into); err != nil {
		panic(err) // the rules wrote it
	}
}

// weigh returns what a record adds.
func weigh(name string, id crescendo.RungID, value []byte) (entry, bool) {
	e := entry{rung: research.Contest(id).Rung()} // seasons have keys of their own
	if value == nil {
		return entry{}, name == "training/window"
	}
	switch name {
	case "program/treasury":
		var t program.Treasury
		read(value, &t)
		return entry{pot: funding.Treasury, owed: t.Balance}, true
	case "evaluation/evaluator":
		var v evaluation.Evaluator
		read(value, &v)
		return entry{pot: evaluation.Pot, owed: v.Bond, burned: v.Burned}, true
	case "funding/raise":
		var r funding.Raise
		read(value, &r)
		e.pot, e.owed = crescendo.Pot("funding", id), r.Held()
	case "funding/position":
		var p funding.Position
		read(value, &p)
		e.parts.shares = p.Shares
		if p.Refunded {
			e.parts.refunded = p.Shares
		}
	case "research/competition":
		var c research.Competition
		read(value, &c)
		e.burned = c.Burned
	case "research/commitment":
		var c research.Commitment
		read(value, &c)
		e.pot, e.owed = research.Pot(research.Contest(id)), c.Bond
	case "research/recipe":
		var c research.Entry
		read(value, &c)
		e.pot, e.owed = research.Pot(research.Contest(id)), c.Bond
	case "research/runner":
		var r research.Runner
		read(value, &r)
		e.pot, e.owed = research.Pot(research.Contest(id)), r.Bond
	case "training/member":
		var m training.Member
		read(value, &m)
		e.pot, e.owed, e.burned = training.Pot(id), m.Bond+m.Escrow, m.Burned
		if m.Standing() {
			e.parts.seated = 1
		}
	case "training/window":
		e.parts.open = 1
	case "inference/session":
		var s inference.Session
		read(value, &s)
		e.rung = s.Rung
		e.pot = crescendo.Pot("inference", s.Rung)
		if !s.Closed {
			e.owed = s.Escrow - s.Settled
			e.parts.escrow = e.owed
		}
	case "revenue/book":
		var k revenue.Book
		read(value, &k)
		e.pot, e.owed = crescendo.Pot("revenue", id), k.Received-k.NextRung-k.Claimed
	case "revenue/claim":
		var c revenue.Claimable
		read(value, &c)
		e.parts.operator, e.parts.operatorPaid = c.Operator, c.OperatorPaid
		e.parts.holder, e.parts.contrib, e.parts.points = c.HolderPaid, c.ContribPaid, c.Points
	default:
		return e, false
	}
	return e, true
}

// add books an entry, or takes it back. Sums may pass below zero on the way:
// they wrap and come back.
func (b *books) add(e entry, back bool) {
	sign, count := crescendo.Amount(1), int64(1)
	if back {
		sign, count = ^crescendo.Amount(0), -1
	}
	if e.pot != "" {
		b.owed[e.pot] += sign * e.owed
	}
	b.burned += sign * e.burned
	if e.rung == 0 {
		return
	}
	r := b.of(e.rung)
	r.dirty = true
	r.shares += sign * e.parts.shares
	r.refunded += sign * e.parts.refunded
	r.escrow += sign * e.parts.escrow
	r.operator += sign * e.parts.operator
	r.operatorPaid += sign * e.parts.operatorPaid
	r.holder += sign * e.parts.holder
	r.contrib += sign * e.parts.contrib
	r.points += uint64(sign) * e.parts.points
	r.seated += count * e.parts.seated
	r.open += count * e.parts.open
}

// check compares the sums with the book of balances after a block.
func (b *books) check(w *world) {
	for _, text := range b.broken {
		w.fail("%s", text)
	}
	if got, want := w.chain.bank.Supply(), w.chain.genesis-b.burned; got != want {
		w.fail("the supply is %d, genesis less what was burned is %d", got, want)
	}
	for _, pot := range slices.Sorted(maps.Keys(b.owed)) {
		if got := w.chain.bank.Balance(pot); got != b.owed[pot] {
			w.fail("%s holds %d, its rule owes %d", pot, got, b.owed[pot])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.rungs)) {
		if r := b.rungs[id]; r.dirty {
			r.dirty = false
			r.check(w, id)
		}
	}
}

func (r *rungBook) check(w *world, id crescendo.RungID) {
	k := r.book
	for _, c := range []struct {
		what      string
		got, want crescendo.Amount
	}{
		{"shares sold and positions", r.raise.Raised, r.shares},
		{"escrow of usage and of sessions", r.usage.Escrowed, r.escrow},
		{"credited classes with remainder and received", k.Operators + k.Holders + k.Contributors + k.NextRung + k.Remainder, k.Received},
		{"revenue of usage and received", r.usage.Revenue, k.Received},
		{"claimed and the sum of claims", k.Claimed, r.operatorPaid + r.holder + r.contrib},
		{"credited to operators and the sum of credits", k.Operators, r.operator},
	} {
		if c.got != c.want {
			w.fail("rung %d: %s differ: %d and %d", id, c.what, c.got, c.want)
		}
	}
	switch {
	case r.holder > k.Holders, r.contrib > k.Contributors, r.operatorPaid > k.Operators:
		w.fail("rung %d: more was claimed than credited: %+v", id, r.parts)
	case k.Holders > k.Cap:
		w.fail("rung %d: holders are credited %d, the cap is %d", id, k.Holders, k.Cap)
	case k.Points != r.points:
		w.fail("rung %d: %d points, the sum of claims is %d", id, k.Points, r.points)
	case r.raise.Spent+r.raise.Refunded > r.raise.Raised, r.raise.Raised > r.raise.HardCap:
		w.fail("rung %d: raised %d of %d, spent %d, refunded %d", id, r.raise.Raised, r.raise.HardCap, r.raise.Spent, r.raise.Refunded)
	case int64(r.run.Open) != r.open:
		w.fail("rung %d: %d windows are open, the run says %d", id, r.open, r.run.Open)
	case int64(r.run.Seated) != r.seated && r.run.Phase < training.Finished:
		w.fail("rung %d: %d members hold seats, the run says %d", id, r.seated, r.run.Seated)
	}
}
