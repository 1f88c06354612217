package research

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// endStage ranks what the stage's trials showed, and opens the next one or
// decides.
func (w *turn) endStage() error {
	w.touched = true
	if err := w.dismiss(); err != nil {
		return err
	}
	lanes, err := w.lanes()
	if err != nil {
		return err
	}
	if err := w.setApart(lanes); err != nil {
		return err
	}
	if lanes, err = w.dropWithheld(lanes); err != nil {
		return err
	}
	seeds := counted(lanes)
	if len(seeds) == 0 {
		w.emit("research.stage-void", "stage", w.c.Stage, "open", w.c.Open, "trials", w.c.Trials)
		return w.decide(Standing{})
	}
	if lanes, err = w.drop(lanes, seeds); err != nil {
		return err
	}
	ranked := rank(lanes, seeds, w.c.Window)
	best, err := w.keepBest(ranked)
	if err != nil {
		return err
	}
	if err := w.judgeTasks(ranked, seeds); err != nil {
		return err
	}
	if w.c.Stage < w.t.Stages {
		entries, err := contenders(w.s, w.at)
		if err != nil {
			return err
		}
		return w.openStage(w.c.Stage+1, entries)
	}
	return w.decide(best)
}

// drop takes out entries without results for all counted seeds, and entries
// that trained to the same weights as one committed before: the same recipe in
// other words.
func (w *turn) drop(lanes []lane, seeds []int) ([]lane, error) {
	out := lanes[:1]
	for _, l := range lanes[1:] {
		if !l.complete(lanes[0], seeds) {
			l.Out = fmt.Sprintf("no result in stage %d", w.c.Stage)
			w.emit("research.dropped", "recipe", l.id, "author", l.Author, "stage", w.c.Stage, "reason", "no result")
			if err := Entries.Set(w.s, l.Entry, uint32(w.at), l.id[:]); err != nil {
				return nil, err
			}
			continue
		}
		original := slices.IndexFunc(out, func(o lane) bool { return o.seeds[seeds[0]].Weights == l.seeds[seeds[0]].Weights })
		if original >= 0 {
			copied, err := expelCopy(w.s, w.at, l.contender, out[original].id, "weights")
			if err != nil {
				return nil, err
			}
			w.out.Join(copied)
			continue
		}
		out = append(out, l)
	}
	return out, nil
}

// keepBest writes the stage's ranking and lets the best go on; of the last
// stage only the winner does. It returns the best challenger's row.
func (w *turn) keepBest(ranked []lane) (Standing, error) {
	var best Standing
	left := w.t.Survivors(uint32(len(ranked) - 1))
	if w.c.Stage >= w.t.Stages {
		left = min(uint32(len(ranked)-1), w.winners())
	}
	if i := slices.IndexFunc(ranked, func(l lane) bool { return !l.own.Baseline }); i >= 0 {
		best = ranked[i].own
	}
	for i, l := range ranked {
		switch {
		case l.own.Baseline:
			l.own.Survives = w.c.Stage < w.t.Stages || best.Low <= 0
		case left > 0:
			l.own.Survives = w.c.Stage < w.t.Stages || l.own.Low > 0
			if l.own.Survives || !w.at.IsSeason() {
				left--
			}
		}
		if !l.own.Survives && !l.own.Baseline {
			l.Out = fmt.Sprintf("rank %d of %d in stage %d", i+1, len(ranked), w.c.Stage)
			if err := Entries.Set(w.s, l.Entry, uint32(w.at), l.id[:]); err != nil {
				return best, err
			}
		}
		o := l.own
		w.emit("research.ranked", "stage", w.c.Stage, "rank", i+1, "of", len(ranked), "recipe", o.Recipe, "author", o.Author, "loss", o.Loss,
			"n", o.N, "mean", o.Mean, "sigma", o.Sigma, "low", o.Low, "high", o.High, "gap", o.Gap, "gap-low", o.GapLow, "gap-high", o.GapHigh,
			"baseline", o.Baseline, "survives", o.Survives)
		if err := Standings.Set(w.s, o, uint32(w.at), w.c.Stage, uint32(i+1)); err != nil {
			return best, err
		}
	}
	return best, nil
}

// dismiss ends the runners' duties of the stage. Who was called and delivered
// nothing gets no more trials until it joins again.
func (w *turn) dismiss() error {
	crew, err := w.crew()
	if err != nil {
		return err
	}
	for _, m := range crew {
		if m.Assigned > 0 && m.Delivered == 0 {
			m.Away = true
			w.emit("research.runner-away", "runner", m.account, "stage", w.c.Stage, "assigned", m.Assigned)
		}
		m.Assigned, m.Delivered = 0, 0
		if err := Runners.Set(w.s, m.Runner, uint32(w.at), string(m.account)); err != nil {
			return err
		}
	}
	return w.eachTrial(func(recipe crescendo.Hash, seed uint32, t Trial) error {
		if t.Agreed || t.Failed {
			return nil
		}
		for _, account := range t.Designated {
			if err := Duties.Delete(w.s, uint32(w.at), string(account), w.c.Stage, recipe[:], seed); err != nil {
				return err
			}
		}
		return Vacant.Delete(w.s, uint32(w.at), w.c.Stage, recipe[:], seed)
	})
}

// decide adopts the best challenger if it is better than the baseline beyond
// chance, otherwise the baseline, and gives all bonds back.
func (w *turn) decide(best Standing) error {
	if w.at.IsSeason() {
		return w.decideSeason()
	}
	entries, err := Entries.List(w.s, nil, kv.MaxPage, uint32(w.at))
	if err != nil {
		return fmt.Errorf("list entries of %s: %w", w.at, err)
	}
	at := slices.IndexFunc(entries, func(e kv.Entry[Entry]) bool { return e.Value.Order == 0 })
	if best.Low > 0 {
		at = slices.IndexFunc(entries, func(e kv.Entry[Entry]) bool { return bytes.Equal(e.Rest, best.Recipe[:]) })
	}
	if at < 0 {
		return crescendo.Errorf(crescendo.CodeInternal, "decide the competition of %s: the winner is not in it", w.at)
	}
	winner, entry := crescendo.Hash(entries[at].Rest), entries[at].Value
	entry.Adopted = true
	if err := Entries.Set(w.s, entry, uint32(w.at), winner[:]); err != nil {
		return err
	}
	if err := w.keepRecipes(); err != nil {
		return err
	}
	w.c.Phase, w.c.Winner, w.c.Since, w.c.Deadline = Decided, winner, w.env.Height, 0
	baseline := entry.Order == 0
	w.emit("research.adopted", "recipe", winner, "author", entry.Author, "baseline", baseline, "stage", w.c.Stage,
		"gain", best.Mean, "low", best.Low, "high", best.High, "n", best.N, "spent", w.c.Spent)
	out, dues, err := release(w.s, w.at)
	if err != nil {
		return err
	}
	w.out.Join(out)
	w.verdict = &Verdict{Recipe: winner, Baseline: baseline, Runners: dues, Tasks: w.tasks}
	return Adoptions.Set(w.s, Adoption{Recipe: winner}, uint32(w.at))
}

// keepRecipes marks the best recipes, which enter the next rung's competition
// by themselves. One whose text was there for an earlier stage only does not: it
// would hold that competition up, and without a bond to lose.
func (w *turn) keepRecipes() error {
	for stage := w.c.Stage; stage >= 1; stage-- {
		rows, err := Standings.List(w.s, nil, kv.MaxPage, uint32(w.at), stage)
		if err != nil {
			return fmt.Errorf("list the ranking of %s: %w", w.at, err)
		}
		for _, row := range rows {
			st := row.Value
			if st.Baseline || len(w.c.Kept) >= int(w.t.KeepRecipes) || slices.Contains(w.c.Kept, st.Recipe) {
				continue
			}
			e, err := Entries.Get(w.s, uint32(w.at), st.Recipe[:])
			if err != nil {
				return fmt.Errorf("read entry %s of %s: %w", st.Recipe.Short(), w.at, err)
			}
			if !e.CopyOf.IsZero() || e.Withheld() {
				continue
			}
			e.Kept = true
			w.c.Kept = append(w.c.Kept, st.Recipe)
			w.emit("research.kept", "recipe", st.Recipe, "author", e.Author, "place", len(w.c.Kept), "of", w.t.KeepRecipes, "stage", stage)
			if err := Entries.Set(w.s, e, uint32(w.at), st.Recipe[:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Cancel ends a rung's competition without a decision: bonds go back, and
// program owes runners what they have earned.
func Cancel(env crescendo.Env, s kv.Store, at Contest) (crescendo.Outcome, []Due, error) {
	return cancel(env, s, at)
}

func cancel(env crescendo.Env, s kv.Store, at Contest, why ...any) (crescendo.Outcome, []Due, error) {
	var out crescendo.Outcome
	c, err := Competitions.Get(s, uint32(at))
	if errors.Is(err, kv.ErrNotFound) || err == nil && c.Phase >= Decided {
		return out, nil, nil
	}
	if err != nil {
		return out, nil, fmt.Errorf("read the competition of %s: %w", at, err)
	}
	c.Phase, c.Since, c.Deadline = Cancelled, env.Height, 0
	out.Emit(at.event("research.cancelled", why...))
	released, dues, err := release(s, at)
	if err != nil {
		return out, nil, err
	}
	out.Join(released)
	return out, dues, Competitions.Set(s, c, uint32(at))
}

// release gives back the bonds that lie in the rung's pot, and returns what
// runners have earned.
func release(s kv.Store, at Contest) (out crescendo.Outcome, dues []Due, err error) {
	commitments, err := Commitments.List(s, nil, kv.MaxPage, uint32(at))
	if err != nil {
		return out, nil, fmt.Errorf("list commitments of %s: %w", at, err)
	}
	for _, c := range commitments {
		if c.Value.Bond == 0 {
			continue
		}
		author := readAccount(c.Rest[32:])
		out.Pay(Pot(at), author, c.Value.Bond)
		c.Value.Bond = 0
		if err := Commitments.Set(s, c.Value, uint32(at), c.Rest[:32], string(author)); err != nil {
			return out, nil, err
		}
	}
	entries, err := Entries.List(s, nil, kv.MaxPage, uint32(at))
	if err != nil {
		return out, nil, fmt.Errorf("list entries of %s: %w", at, err)
	}
	slices.SortFunc(entries, func(a, b kv.Entry[Entry]) int { return cmp.Compare(a.Value.Order, b.Value.Order) })
	for _, e := range entries {
		if e.Value.Bond == 0 {
			continue
		}
		out.Pay(Pot(at), e.Value.Author, e.Value.Bond)
		e.Value.Bond = 0
		if err := Entries.Set(s, e.Value, uint32(at), e.Rest); err != nil {
			return out, nil, err
		}
	}
	paid, dues, err := releaseRunners(s, at)
	out.Join(paid)
	return out, dues, err
}

func releaseRunners(s kv.Store, at Contest) (out crescendo.Outcome, dues []Due, err error) {
	released := "research.runner-paid"
	if at.IsSeason() {
		released = "research.runner-released" // its pay comes with the rung's purse
	}
	runners, err := Runners.List(s, nil, MaxRunners, uint32(at))
	if err != nil {
		return out, nil, fmt.Errorf("list runners of %s: %w", at, err)
	}
	for _, r := range runners {
		account := readAccount(r.Rest)
		if r.Value.Earned > 0 {
			dues = append(dues, Due{account, r.Value.Earned})
		}
		out.Emit(at.event(released, "runner", account, "bond", r.Value.Bond, "earned", r.Value.Earned,
			"agreed", r.Value.Agreed, "fault", r.Value.Fault))
		out.Pay(Pot(at), account, r.Value.Bond)
		r.Value.Bond = 0
		if err := Runners.Set(s, r.Value, uint32(at), string(account)); err != nil {
			return out, nil, err
		}
	}
	return out, dues, nil
}
