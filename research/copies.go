package research

import (
	"bytes"
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
func contenders(s kv.Reader, at Contest) ([]contender, error) {
	all, err := Entries.List(s, nil, kv.MaxPage, uint32(at))
	if err != nil {
		return nil, fmt.Errorf("list entries of %s: %w", at, err)
	}
	var out []contender
	for _, e := range all {
		if e.Value.Out == "" {
			out = append(out, contender{crescendo.Hash(e.Rest), e.Value})
		}
	}
	slices.SortFunc(out, func(a, b contender) int { return before(a.Entry, b.Entry) })
	return out, nil
}

// findCopies takes out of the competition every entry whose substance was
// committed to before, here or by somebody else in another rung.
func findCopies(s kv.Store, at Contest, entries []contender) (out crescendo.Outcome, honest []contender, err error) {
	type known struct{ substance, id crescendo.Hash }
	var seen []known // sorted by substance
	for _, e := range entries {
		recipe, err := Contents.Get(s, e.id[:])
		if err != nil {
			return out, nil, fmt.Errorf("read recipe %s of %s: %w", e.id.Short(), at, err)
		}
		substance := recipe.Substance()
		i, here := slices.BinarySearchFunc(seen, substance, func(k known, h crescendo.Hash) int { return bytes.Compare(k.substance[:], h[:]) })
		original := e.id
		if here {
			original = seen[i].id
		} else if original, err = firstOf(s, at, substance, e); err != nil {
			return out, nil, err
		}
		if original != e.id {
			copied, err := expelCopy(s, at, e, original, "substance")
			if err != nil {
				return out, nil, err
			}
			out.Join(copied)
			continue
		}
		if !here {
			seen = slices.Insert(seen, i, known{substance, e.id})
		}
		honest = append(honest, e)
	}
	return out, honest, nil
}

// firstOf returns the recipe that had this substance first, unless it is the
// same author's: one's own work may be entered again.
func firstOf(s kv.Store, at Contest, substance crescendo.Hash, e contender) (crescendo.Hash, error) {
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
	if sealed, err := sealedBefore(s, at, e, first.Recipe); err != nil || sealed {
		return e.id, errors.Join(err, Substances.Set(s, Adoption{Recipe: e.id}, substance[:]))
	}
	return first.Recipe, nil
}

// expelCopy burns a copy's bond. Royalties that others owe to it go to the
// original.
func expelCopy(s kv.Store, at Contest, e contender, original crescendo.Hash, evidence string) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	origin, err := Origins.Get(s, original[:])
	if err != nil {
		return out, fmt.Errorf("read the origin of recipe %s: %w", original.Short(), err)
	}
	out.Emit(at.event("research.copy", "recipe", e.id, "author", e.Author, "of", original, "of-author", origin.Author,
		"evidence", evidence, "burned", e.Bond))
	out.Pay(Pot(at), crescendo.Burn, e.Bond)
	e.Bond, e.CopyOf, e.Out = 0, original, "copy of "+original.Short()
	if err := Entries.Set(s, e.Entry, uint32(at), e.id[:]); err != nil {
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
func burnUnrevealed(s kv.Store, at Contest) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	all, err := Commitments.List(s, nil, kv.MaxPage, uint32(at))
	if err != nil {
		return out, fmt.Errorf("list commitments of %s: %w", at, err)
	}
	for _, c := range all {
		if !c.Value.Revealed.IsZero() {
			continue
		}
		author := readAccount(c.Rest[32:])
		out.Emit(at.event("research.unrevealed", "author", author, "order", c.Value.Order, "burned", c.Value.Bond))
		out.Pay(Pot(at), crescendo.Burn, c.Value.Bond)
		c.Value.Bond = 0
		if err := Commitments.Set(s, c.Value, uint32(at), c.Rest[:32], string(author)); err != nil {
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
