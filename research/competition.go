package research

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Pot is where bonds of entries and runners lie.
func Pot(at Contest) crescendo.Account {
	if at.IsSeason() {
		return crescendo.Pot("season", at.Rung())
	}
	return crescendo.Pot("research", at.Rung())
}

// Open begins a rung's competition, while its raise is on: the programme's own
// recipe takes part, and so do the recipes kept in the rung before. Window is
// how many targets a held-out document has.
func Open(env crescendo.Env, s kv.Store, t Terms, at Contest, organiser crescendo.Account, kept []Recipe, window uint32) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	c := Competition{Since: env.Height, Window: window}
	kind := "research.competition-opened"
	if at.IsSeason() {
		kind = "season.opened"
	}
	out.Emit(at.event(kind, "bond", t.Bond, "runner-bond", t.RunnerBond,
		"max-entries", t.MaxEntries, "stages", t.Stages, "steps", t.Steps, "growth", t.Growth, "keep-bp", t.KeepBP, "seeds", t.Seeds,
		"documents", t.Documents, "replicas", t.Replicas, "keep-recipes", t.KeepRecipes, "trials-bp", t.TrialsBP, "prize-bp", t.PrizeBP, "kept", len(kept)))
	for i, r := range append([]Recipe{Baseline(organiser)}, kept...) {
		id := r.ID()
		if has, err := Entries.Has(s, uint32(at), id[:]); err != nil || has {
			if err != nil {
				return out, err
			}
			continue
		}
		c.Order = uint32(i)
		if err := put(s, at, r, Entry{Author: r.Author, Height: env.Height, Parents: r.Parents, Order: c.Order}); err != nil {
			return out, err
		}
		out.Emit(at.event("research.revealed", "recipe", id, "author", r.Author, "name", r.Name, "order", c.Order,
			"parents", len(r.Parents), "substance", r.Substance(), "by", "rule"))
	}
	return out, Competitions.Set(s, c, uint32(at))
}

// put writes an entry and what its recipe is. A recipe's content names its
// author, therefore it overrules who registered the bare hash.
func put(s kv.Store, at Contest, r Recipe, e Entry) error {
	id := r.ID()
	known, err := Contents.Has(s, id[:])
	if err != nil {
		return err
	}
	if !known {
		if err := Contents.Set(s, r, id[:]); err != nil {
			return err
		}
		if err := Origins.Set(s, Origin{Author: r.Author, Rung: at.Rung(), Parents: r.Parents}, id[:]); err != nil {
			return err
		}
	}
	return Entries.Set(s, e, uint32(at), id[:])
}

// Begin starts the clock of a competition when the raise has succeeded. Purse
// is what its trials may cost.
func Begin(env crescendo.Env, s kv.Store, t Terms, at Contest, purse crescendo.Amount) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	c, err := load(s, at, "begin")
	if err != nil {
		return out, err
	}
	c.Since, c.Deadline, c.Purse = env.Height, env.Height+crescendo.Height(t.EntryBlocks), purse
	out.Emit(at.event("research.entering", "deadline", c.Deadline, "entered", c.Committed, "purse", purse))
	return out, Competitions.Set(s, c, uint32(at))
}

func load(r kv.Reader, at Contest, doing string) (Competition, error) {
	c, err := Competitions.Get(r, uint32(at))
	if errors.Is(err, kv.ErrNotFound) {
		return c, crescendo.Errorf(crescendo.CodeNotFound, "%s: %s has no competition", doing, at)
	}
	if err != nil {
		return c, fmt.Errorf("read the competition of %s: %w", at, err)
	}
	return c, nil
}

// during returns a rung's competition and refuses if it is in another phase.
func during(r kv.Reader, at Contest, doing string, phase Phase) (Competition, error) {
	c, err := load(r, at, doing)
	if err == nil && c.Phase != phase {
		err = crescendo.Errorf(crescendo.CodeWrongTime, "%s in %s: its competition is %s, not %s", doing, at, c.Phase, phase)
	}
	return c, err
}

// Enter takes a commitment to a recipe and its bond.
func Enter(env crescendo.Env, s kv.Store, t Terms, m *MsgEnter) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	at := m.Contest()
	c, err := during(s, at, "enter", Entering)
	if err != nil {
		return out, err
	}
	if err := onlyNewcomers(s, at, m.Sender); err != nil {
		return out, err
	}
	if c.Committed >= t.MaxEntries {
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "enter %s: all %d places are taken", at, t.MaxEntries)
	}
	if has, err := Commitments.Has(s, uint32(at), m.Commitment[:], string(m.Sender)); err != nil {
		return out, err
	} else if has {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "enter %s: %s has entered this already", at, m.Sender)
	}
	c.Committed++
	c.Order++
	out.Pay(m.Sender, Pot(at), t.Bond)
	out.Emit(at.event("research.entered", "author", m.Sender, "order", c.Order, "commitment", m.Commitment,
		"bond", t.Bond, "entries", c.Committed, "of", t.MaxEntries))
	entry := Commitment{Order: c.Order, Height: env.Height, Bond: t.Bond}
	if err := Commitments.Set(s, entry, uint32(at), m.Commitment[:], string(m.Sender)); err != nil {
		return out, err
	}
	return out, Competitions.Set(s, c, uint32(at))
}

// RevealEntry shows a recipe. Whether it is a copy is judged when all have
// been shown, by the order of commitments.
func RevealEntry(env crescendo.Env, s kv.Store, m *MsgRevealEntry) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	at := m.Contest()
	c, err := during(s, at, "reveal entry", Revealing)
	if err != nil {
		return out, err
	}
	id := m.Recipe.ID()
	name := EntryCommitment(env.ChainID, at, m.Sender, id, m.Salt)
	entry, err := Commitments.Get(s, uint32(at), name[:], string(m.Sender))
	if errors.Is(err, kv.ErrNotFound) {
		return out, crescendo.Errorf(crescendo.CodeNotFound, "reveal entry %s in %s: %s has not committed to it", id.Short(), at, m.Sender).
			WithHint("recipe and salt must be the ones that were committed to, byte for byte")
	}
	if err != nil {
		return out, err
	}
	if own, err := qualifiedBy(s, at, id, m.Sender); err != nil {
		return out, err
	} else if own && entry.Revealed.IsZero() {
		return showAgain(s, at, c, id, name, entry)
	}
	if has, err := Entries.Has(s, uint32(at), id[:]); err != nil {
		return out, err
	} else if has || !entry.Revealed.IsZero() {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "reveal entry %s in %s: it takes part already", id.Short(), at)
	}
	if err := knownParents(s, id, m.Recipe.Parents); err != nil {
		return out, err
	}
	if err := keepTask(s, m); err != nil {
		return out, err
	}
	e := Entry{Author: m.Sender, Height: entry.Height, Parents: m.Recipe.Parents, Order: entry.Order, Bond: entry.Bond}
	if err := put(s, at, m.Recipe, e); err != nil {
		return out, err
	}
	entry.Revealed, entry.Bond = id, 0
	c.Revealed++
	out.Emit(at.event("research.revealed", "recipe", id, "author", m.Sender, "name", m.Recipe.Name, "order", entry.Order,
		"parents", len(m.Recipe.Parents), "substance", m.Recipe.Substance(), "by", "author"))
	if err := Commitments.Set(s, entry, uint32(at), name[:], string(m.Sender)); err != nil {
		return out, err
	}
	return out, Competitions.Set(s, c, uint32(at))
}

func knownParents(s kv.Reader, recipe crescendo.Hash, parents []crescendo.Hash) error {
	for _, parent := range parents {
		known, err := Origins.Has(s, parent[:])
		if err != nil {
			return fmt.Errorf("register recipe %s: %w", recipe.Short(), err)
		}
		if !known {
			return crescendo.Errorf(crescendo.CodeNotFound, "register recipe %s: its parent %s is not registered",
				recipe.Short(), parent.Short()).WithHint("register the parent first")
		}
	}
	return nil
}
