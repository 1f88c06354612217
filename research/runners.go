package research

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Run takes a runner and its bond, or takes one back that was away.
func Run(env crescendo.Env, s kv.Store, t Terms, m *MsgRun) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	at := m.Contest()
	c, err := load(s, at, "run trials")
	if err != nil {
		return out, err
	}
	if c.Phase >= Decided {
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "run trials of %s: its competition is %s", at, c.Phase)
	}
	r, err := Runners.Get(s, uint32(at), string(m.Sender))
	switch {
	case errors.Is(err, kv.ErrNotFound):
		if c.Runners >= MaxRunners {
			return out, crescendo.Errorf(crescendo.CodeWrongTime, "run trials of %s: it has %d runners, no more are taken", at, MaxRunners)
		}
		c.Runners++
		r.Bond = t.RunnerBond
		out.Pay(m.Sender, Pot(at), t.RunnerBond)
	case err != nil:
		return out, err
	case r.Fault != "":
		return out, crescendo.Errorf(crescendo.CodeForbidden, "run trials of %s: %s has lost its bond: %s", at, m.Sender, r.Fault)
	case !r.Away:
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "run trials of %s: %s is a runner already", at, m.Sender)
	}
	r.Away, r.Assigned, r.Delivered = false, 0, 0
	out.Emit(at.event("research.runner", "runner", m.Sender, "bond", r.Bond, "runners", c.Runners))
	if err := Runners.Set(s, r, uint32(at), string(m.Sender)); err != nil {
		return out, err
	}
	return out, Competitions.Set(s, c, uint32(at))
}

// perBlock bounds the trials that get runners at one block's end.
const perBlock = 256

// callRunners gives trials their runners, and calls more of them for what has
// no result at half time.
func (w *turn) callRunners() error {
	if half := w.c.Since + crescendo.Height(w.t.TrialBlocks/2); !w.c.Extended && w.env.Height >= half && w.c.Open > 0 {
		if err := w.extend(); err != nil {
			return err
		}
	}
	vacant, err := Vacant.List(w.s, nil, 1, uint32(w.at), w.c.Stage)
	if err != nil || len(vacant) == 0 {
		return err
	}
	crew, err := w.crew()
	if err != nil || len(crew) == 0 {
		return err
	}
	if vacant, err = w.vacancies(); err != nil {
		return err
	}
	changed := false
	for _, v := range vacant {
		did, err := w.fill(crew, crescendo.Hash(v.Rest[:32]), binary.BigEndian.Uint32(v.Rest[32:]), v.Value)
		if err != nil {
			return err
		}
		changed = changed || did
	}
	if !changed {
		return nil
	}
	for _, m := range crew {
		if err := Runners.Set(w.s, m.Runner, uint32(w.at), string(m.account)); err != nil {
			return err
		}
	}
	return nil
}

// vacancies returns trials that want runners, from a place that the beacon
// picks, so that some that cannot be filled do not stand before the others.
func (w *turn) vacancies() ([]kv.Entry[Vacancy], error) {
	start := w.env.Beacon[:]
	from, err := Vacant.List(w.s, start, perBlock, uint32(w.at), w.c.Stage)
	if err != nil || len(from) == perBlock {
		return from, err
	}
	before, err := Vacant.List(w.s, nil, perBlock-len(from), uint32(w.at), w.c.Stage)
	for _, v := range before {
		if slices.Compare(v.Rest, start) >= 0 {
			break
		}
		from = append(from, v)
	}
	return from, err
}

type member struct {
	account crescendo.Account
	Runner
}

// crew lists the runners that take trials.
func (w *turn) crew() ([]member, error) {
	all, err := Runners.List(w.s, nil, MaxRunners, uint32(w.at))
	if err != nil {
		return nil, fmt.Errorf("list runners of %s: %w", w.at, err)
	}
	var out []member
	for _, r := range all {
		if r.Value.Fault == "" && !r.Value.Away {
			out = append(out, member{readAccount(r.Rest), r.Value})
		}
	}
	return out, nil
}

// fill designates runners to a trial. The beacon picks two, of whom the one
// with less to do gets it; nobody runs its own entry.
func (w *turn) fill(crew []member, recipe crescendo.Hash, seed uint32, v Vacancy) (bool, error) {
	entry, err := Entries.Get(w.s, uint32(w.at), recipe[:])
	if err != nil {
		return false, fmt.Errorf("read entry %s of %s: %w", recipe.Short(), w.at, err)
	}
	trial, err := Trials.Get(w.s, uint32(w.at), w.c.Stage, recipe[:], seed)
	if err != nil {
		return false, fmt.Errorf("read trial of %s in %s: %w", recipe.Short(), w.at, err)
	}
	before := len(trial.Designated)
	for v.Wanted > 0 {
		at := w.pick(crew, entry.Author, trial.Designated, recipe, seed)
		if at < 0 {
			break
		}
		crew[at].Assigned++
		trial.Designated = append(trial.Designated, crew[at].account)
		v.Wanted--
		if err := Duties.Set(w.s, Duty{Since: w.env.Height}, uint32(w.at), string(crew[at].account), w.c.Stage, recipe[:], seed); err != nil {
			return false, err
		}
	}
	if len(trial.Designated) == before {
		return false, nil
	}
	if v.Wanted == 0 {
		err = Vacant.Delete(w.s, uint32(w.at), w.c.Stage, recipe[:], seed)
	} else {
		err = Vacant.Set(w.s, v, uint32(w.at), w.c.Stage, recipe[:], seed)
	}
	if err != nil {
		return false, err
	}
	return true, Trials.Set(w.s, trial, uint32(w.at), w.c.Stage, recipe[:], seed)
}

func (w *turn) pick(crew []member, author crescendo.Account, has []crescendo.Account, recipe crescendo.Hash, seed uint32) int {
	var free []int
	for i, m := range crew {
		if m.account != author && !slices.Contains(has, m.account) {
			free = append(free, i)
		}
	}
	if len(free) == 0 {
		return -1
	}
	h := digest.Sum("crescendo/research/designate/v1", w.env.Beacon[:], be32(uint32(w.at)), be32(w.c.Stage), recipe[:], be32(seed), be32(uint32(len(has))))
	n := uint64(len(free))
	a, b := free[binary.BigEndian.Uint64(h[:8])%n], free[binary.BigEndian.Uint64(h[8:16])%n]
	if crew[b].Assigned < crew[a].Assigned {
		return b
	}
	return a
}

// extend calls one more runner to every trial that has no result: somebody may
// have gone.
func (w *turn) extend() error {
	w.c.Extended, w.touched = true, true
	called := 0
	err := w.eachTrial(func(recipe crescendo.Hash, seed uint32, t Trial) error {
		if t.Agreed || t.Failed || len(t.Designated) >= MaxReplicas {
			return nil
		}
		called++
		if t.Committed >= t.Wanted {
			t.Wanted = t.Committed + 1
		}
		if err := Trials.Set(w.s, t, uint32(w.at), w.c.Stage, recipe[:], seed); err != nil {
			return err
		}
		return addVacancy(w.s, w.at, w.c.Stage, recipe, seed)
	})
	w.emit("research.stage-extended", "stage", w.c.Stage, "trials", called)
	return err
}

func addVacancy(s kv.Store, at Contest, stage uint32, recipe crescendo.Hash, seed uint32) error {
	v, err := Vacant.Get(s, uint32(at), stage, recipe[:], seed)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	v.Wanted++
	return Vacant.Set(s, v, uint32(at), stage, recipe[:], seed)
}

// eachTrial visits the trials of the stage in the order of their keys.
func (w *turn) eachTrial(visit func(recipe crescendo.Hash, seed uint32, t Trial) error) error {
	return Trials.Each(w.s, func(e kv.Entry[Trial]) error {
		return visit(crescendo.Hash(e.Rest[:32]), binary.BigEndian.Uint32(e.Rest[32:]), e.Value)
	}, uint32(w.at), w.c.Stage)
}
