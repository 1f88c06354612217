package report

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
)

// burnedIn is what a contest has burned: bonds of copies, of
// recipes that were never shown, and of runners that others refuted.
func burnedIn(r kv.Reader, contest research.Contest, t research.Terms) (crescendo.Amount, error) {
	at := uint32(contest)
	c, err := kv.Optional(research.Competitions.Get(r, at))
	if err != nil || c.Draw.IsZero() {
		return 0, err // bonds burn when reveals close, or later
	}
	var sum crescendo.Amount
	commitments, err := research.Commitments.All(r, at)
	if err != nil {
		return 0, err
	}
	for _, e := range commitments {
		shown := e.Value.Revealed
		if shown.IsZero() {
			sum += t.Bond
			continue
		}
		entry, err := research.Entries.Get(r, at, shown[:])
		if err != nil {
			return 0, err
		}
		if !entry.CopyOf.IsZero() || entry.Withheld() {
			sum += t.Bond
		}
	}
	runners, err := research.Runners.All(r, at)
	for _, e := range runners {
		if e.Value.Fault != "" {
			sum += t.RunnerBond
		}
	}
	return sum, err
}
