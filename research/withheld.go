package research

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
)

const noText = "its text could not be fetched"

// Withheld reports whether an entry has lost its bond because nobody could
// fetch the text that it contributes.
func (e Entry) Withheld() bool { return strings.HasSuffix(e.Out, noText) }

// dropWithheld takes out entries that contribute text and have no result at
// all: the text could not be fetched, for runners were at work, as the
// baseline's results show. Their bonds are burned. Otherwise anybody could hold
// every competition up until its deadline for nothing, or, with as many such
// entries as there are others, void it.
func (w *turn) dropWithheld(lanes []lane) ([]lane, error) {
	out := lanes[:1]
	for _, l := range lanes[1:] {
		withheld, err := w.withheld(lanes[0], l)
		if err != nil {
			return nil, err
		}
		if !withheld {
			out = append(out, l)
			continue
		}
		w.emit("research.dropped", "recipe", l.id, "author", l.Author, "stage", w.c.Stage, "reason", noText, "burned", l.Bond)
		w.out.Pay(Pot(w.at), crescendo.Burn, l.Bond)
		l.Bond, l.Out = 0, fmt.Sprintf("no result in stage %d: %s", w.c.Stage, noText)
		if err := Entries.Set(w.s, l.Entry, uint32(w.at), l.id[:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (w *turn) withheld(baseline, l lane) (bool, error) {
	agreed := func(t Trial) bool { return t.Agreed }
	if !slices.ContainsFunc(baseline.seeds, agreed) || slices.ContainsFunc(l.seeds, agreed) {
		return false, nil
	}
	recipe, err := Contents.Get(w.s, l.id[:])
	if err != nil {
		return false, fmt.Errorf("read recipe %s: %w", l.id.Short(), err)
	}
	return !recipe.Shard.IsZero(), nil
}
