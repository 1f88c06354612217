package hub

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/hub/record"
	"github.com/crescendo-network/crescendo/training"
)

// facts is the programme at one height as pages want it. It reads the rules'
// own collections, and is thrown away with the height.
type facts struct {
	record.Now
	hub   *Hub
	unit  string
	names map[crescendo.Account]string
	rungs []rungFacts
}

// rungFacts is what state says of one rung; zero where it says nothing yet.
type rungFacts struct {
	id    crescendo.RungID
	spec  program.Rung
	plan  program.Spec // with the adopted recipe, if any
	at    program.RungState
	raise funding.Raise
	run   training.Run
	book  revenue.Book
	tally record.Tally
}

// look reads the facts of all rungs.
func (h *Hub) look(n record.Now) (*facts, error) {
	var err error
	f := &facts{Now: n, hub: h, unit: page.Unit(n.Spec.Denom), names: map[crescendo.Account]string{}}
	for i, spec := range n.Spec.Rungs {
		key := uint32(i + 1)
		r := rungFacts{id: crescendo.RungID(key), spec: spec, tally: n.Tallies[i]}
		if r.plan, err = program.Planned(n.State, r.id); err != nil {
			return nil, fmt.Errorf("plan of rung %d: %w", key, err)
		}
		var errs [4]error
		r.at, errs[0] = kv.Optional(program.Rungs.Get(n.State, key))
		r.raise, errs[1] = kv.Optional(funding.Raises.Get(n.State, key))
		r.run, errs[2] = kv.Optional(training.Runs.Get(n.State, key))
		r.book, errs[3] = kv.Optional(revenue.Books.Get(n.State, key))
		if err := errors.Join(errs[:]...); err != nil {
			return nil, fmt.Errorf("read rung %d: %w", key, err)
		}
		f.rungs = append(f.rungs, r)
		if r.run.Members == 0 {
			continue
		}
		members, err := training.Members.All(n.State, key)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			f.name(training.Account(m.Rest), m.Value.Name)
		}
	}
	evaluators, err := evaluation.Evaluators.All(n.State)
	if err != nil {
		return nil, err
	}
	for _, e := range evaluators {
		f.name(training.Account(e.Rest), e.Value.Name)
	}
	return f, nil
}

// name notes what an account calls itself; the first name counts.
func (f *facts) name(who crescendo.Account, name string) {
	if _, known := f.names[who]; !known && name != "" {
		f.names[who] = name
		if _, demo := f.hub.c.Names[who]; !demo {
			f.hub.c.Say.Name(who, name)
		}
	}
}

// nameOf is what pages call an account, and whether it is a demo actor of
// this machine.
func (f *facts) nameOf(who crescendo.Account) (name string, demo bool) {
	if name, demo = f.hub.c.Names[who]; demo {
		return name, true
	}
	if name = f.names[who]; name != "" {
		return name, false
	}
	return page.ShortAccount(who), false
}

// person is an account as pages show it.
func (f *facts) person(who crescendo.Account) page.Person {
	name, demo := f.nameOf(who)
	return page.Person{Account: who, Name: name, Demo: demo}
}

// trained is the last rung whose training has begun; nil if there is none.
func (f *facts) trained() *rungFacts {
	for i := len(f.rungs) - 1; i >= 0; i-- {
		if !f.rungs[i].run.Start.IsZero() {
			return &f.rungs[i]
		}
	}
	return nil
}

// active is the last rung that is more than announced.
func (f *facts) active() *rungFacts {
	for i := len(f.rungs) - 1; i >= 0; i-- {
		if f.rungs[i].at.Stage != program.StageAnnounced {
			return &f.rungs[i]
		}
	}
	return nil
}

// closed is how many rounds have closed.
func (r *rungFacts) closed() uint32 {
	switch r.run.Phase {
	case training.Auditing, training.Finished:
		return r.spec.Training.Rounds
	}
	return uint32(max(1, r.run.Round)) - 1
}
