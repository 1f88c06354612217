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

// contender is an entry with its name, while a block's end works on it.
type contender struct {
	id crescendo.Hash
	Entry
}

// contenders lists the entries that take part, in order of commitment.
func contenders(s kv.Reader, rung crescendo.RungID) ([]contender, error) {
	all, err := Entries.List(s, nil, kv.MaxPage, uint32(rung))
	if err != nil {
		return nil, fmt.Errorf("list entries of rung %d: %w", rung, err)
	}
	var out []contender
	for _, e := range all {
		if e.Value.Out == "" {
			out = append(out, contender{crescendo.Hash(e.Rest), e.Value})
		}
	}
	slices.SortFunc(out, func(a, b contender) int { return cmp.Compare(a.Order, b.Order) })
	return out, nil
}

// findCopies takes out of the competition every entry whose substance was
// committed to before, here or by somebody else in another rung.
func findCopies(s kv.Store, rung crescendo.RungID, entries []contender) (out crescendo.Outcome, honest []contender, err error) {
	type known struct{ substance, id crescendo.Hash }
	var seen []known // sorted by substance
	for _, e := range entries {
		recipe, err := Contents.Get(s, e.id[:])
		if err != nil {
			return out, nil, fmt.Errorf("read recipe %s of rung %d: %w", e.id.Short(), rung, err)
		}
		substance := recipe.Substance()
		at, here := slices.BinarySearchFunc(seen, substance, func(k known, h crescendo.Hash) int { return bytes.Compare(k.substance[:], h[:]) })
		original := e.id
		if here {
			original = seen[at].id
		} else if original, err = firstOf(s, substance, e); err != nil {
			return out, nil, err
		}
		if original != e.id {
			copied, err := expelCopy(s, rung, e, original, "substance")
			if err != nil {
				return out, nil, err
			}
			out.Join(copied)
			continue
		}
		if !here {
			seen = slices.Insert(seen, at, known{substance, e.id})
		}
		honest = append(honest, e)
	}
	return out, honest, nil
}

// firstOf returns the recipe that had this substance first, unless it is the
// same author's: one's own work may be entered again.
func firstOf(s kv.Store, substance crescendo.Hash, e contender) (crescendo.Hash, error) {
	first, err := Substances.Get(s, substance[:])
	if errors.Is(err, kv.ErrNotFound) {
		return e.id, Substances.Set(s, Adoption{Recipe: e.id}, substance[:])
	}
	if err != nil {
		return e.id, err
	}
	origin, err := Origins.Get(s, first.Recipe[:])
	if err != nil {
		return e.id, fmt.Errorf("read the origin of recipe %s: %w", first.Recipe.Short(), err)
	}
	if origin.Author == e.Author {
		return e.id, nil
	}
	return first.Recipe, nil
}

// expelCopy burns a copy's bond. Royalties that others owe to it go to the
// original.
func expelCopy(s kv.Store, rung crescendo.RungID, e contender, original crescendo.Hash, evidence string) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	origin, err := Origins.Get(s, original[:])
	if err != nil {
		return out, fmt.Errorf("read the origin of recipe %s: %w", original.Short(), err)
	}
	out.Emit(crescendo.NewEvent("research.copy", rung, "recipe", e.id, "author", e.Author, "of", original, "of-author", origin.Author,
		"evidence", evidence, "burned", e.Bond))
	out.Pay(Pot(rung), crescendo.Burn, e.Bond)
	e.Bond, e.CopyOf, e.Out = 0, original, "copy of "+original.Short()
	if err := Entries.Set(s, e.Entry, uint32(rung), e.id[:]); err != nil {
		return out, err
	}
	own, err := Origins.Get(s, e.id[:])
	if err != nil {
		return out, fmt.Errorf("read the origin of recipe %s: %w", e.id.Short(), err)
	}
	own.CopyOf = original
	return out, Origins.Set(s, own, e.id[:])
}

// burnUnrevealed burns the bonds of commitments that were never opened.
func burnUnrevealed(s kv.Store, rung crescendo.RungID) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	all, err := Commitments.List(s, nil, kv.MaxPage, uint32(rung))
	if err != nil {
		return out, fmt.Errorf("list commitments of rung %d: %w", rung, err)
	}
	for _, c := range all {
		if !c.Value.Revealed.IsZero() {
			continue
		}
		author := readAccount(c.Rest[32:])
		out.Emit(crescendo.NewEvent("research.unrevealed", rung, "author", author, "order", c.Value.Order, "burned", c.Value.Bond))
		out.Pay(Pot(rung), crescendo.Burn, c.Value.Bond)
		c.Value.Bond = 0
		if err := Commitments.Set(s, c.Value, uint32(rung), c.Rest[:32], string(author)); err != nil {
			return out, err
		}
	}
	return out, nil
}

// readAccount reads an account at the end of a key, behind which Key puts a
// zero.
func readAccount(rest []byte) crescendo.Account {
	return crescendo.Account(bytes.TrimSuffix(rest, []byte{0}))
}
