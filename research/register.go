package research

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Register enters a recipe in a rung's competition. Its parents must be
// registered, in this rung or another; a recipe registered for another rung
// may be entered again by its author.
func Register(env crescendo.Env, s kv.Store, m *MsgRegister) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	origin, err := Origins.Get(s, m.Recipe[:])
	switch {
	case errors.Is(err, kv.ErrNotFound):
		origin = Origin{Author: m.Sender, Rung: m.Rung, Parents: m.Parents}
		if err := Origins.Set(s, origin, m.Recipe[:]); err != nil {
			return out, err
		}
	case err != nil:
		return out, fmt.Errorf("register recipe %s: %w", m.Recipe.Short(), err)
	case origin.Author != m.Sender:
		return out, crescendo.Errorf(crescendo.CodeForbidden, "register recipe %s: it is %s's, registered for rung %d",
			m.Recipe.Short(), origin.Author, origin.Rung)
	}
	entered, err := Entries.Has(s, uint32(m.Rung), m.Recipe[:])
	if err != nil {
		return out, fmt.Errorf("register recipe %s: %w", m.Recipe.Short(), err)
	}
	if entered {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "register recipe %s: it is in rung %d's competition already",
			m.Recipe.Short(), m.Rung)
	}
	if err := knownParents(s, m.Recipe, m.Parents); err != nil {
		return out, err
	}
	out.Emit(crescendo.NewEvent("research.registered", m.Rung,
		"recipe", m.Recipe, "author", m.Sender, "parents", len(m.Parents)))
	recipe := Entry{Author: m.Sender, Height: env.Height, Parents: m.Parents}
	return out, Entries.Set(s, recipe, uint32(m.Rung), m.Recipe[:])
}

// Adopt fixes the recipe a rung is trained with, once and for all.
func Adopt(_ crescendo.Env, s kv.Store, m *MsgAdopt, organiser crescendo.Account) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	if m.Sender != organiser {
		return out, crescendo.Errorf(crescendo.CodeForbidden, "adopt a recipe for rung %d: only the organiser may", m.Rung)
	}
	adopted, err := Adoptions.Get(s, uint32(m.Rung))
	if err == nil {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "adopt a recipe for rung %d: %s has been adopted already",
			m.Rung, adopted.Recipe.Short())
	} else if !errors.Is(err, kv.ErrNotFound) {
		return out, fmt.Errorf("adopt a recipe for rung %d: %w", m.Rung, err)
	}
	recipe, err := Entries.Get(s, uint32(m.Rung), m.Recipe[:])
	if errors.Is(err, kv.ErrNotFound) {
		return out, crescendo.Errorf(crescendo.CodeNotFound, "adopt a recipe for rung %d: %s is not in its competition",
			m.Rung, m.Recipe.Short()).WithHint("register the recipe first")
	} else if err != nil {
		return out, fmt.Errorf("adopt a recipe for rung %d: %w", m.Rung, err)
	}
	recipe.Adopted = true
	if err := Entries.Set(s, recipe, uint32(m.Rung), m.Recipe[:]); err != nil {
		return out, err
	}
	out.Emit(crescendo.NewEvent("research.adopted", m.Rung, "recipe", m.Recipe, "author", recipe.Author))
	return out, Adoptions.Set(s, Adoption{Recipe: m.Recipe}, uint32(m.Rung))
}

// Adopted returns the recipe a rung is trained with; a rung without one is a
// CodeNotFound error.
func Adopted(r kv.Reader, rung crescendo.RungID) (crescendo.Hash, Entry, error) {
	adopted, err := Adoptions.Get(r, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) {
		return crescendo.Hash{}, Entry{}, crescendo.Errorf(crescendo.CodeNotFound, "rung %d has adopted no recipe yet", rung)
	} else if err != nil {
		return crescendo.Hash{}, Entry{}, fmt.Errorf("read the adopted recipe of rung %d: %w", rung, err)
	}
	recipe, err := Entries.Get(r, uint32(rung), adopted.Recipe[:])
	if err != nil {
		return crescendo.Hash{}, Entry{}, fmt.Errorf("read recipe %s of rung %d: %w", adopted.Recipe.Short(), rung, err)
	}
	return adopted.Recipe, recipe, nil
}
