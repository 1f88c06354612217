package research

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Held returns what a rung's pot owes: the bonds of commitments, entries and
// runners.
func Held(r kv.Reader, at Contest) (crescendo.Amount, error) {
	var sum crescendo.Amount
	commitments, err := Commitments.List(r, nil, kv.MaxPage, uint32(at))
	if err != nil {
		return 0, fmt.Errorf("list commitments of %s: %w", at, err)
	}
	for _, c := range commitments {
		sum += c.Value.Bond
	}
	entries, err := Entries.List(r, nil, kv.MaxPage, uint32(at))
	if err != nil {
		return 0, fmt.Errorf("list entries of %s: %w", at, err)
	}
	for _, e := range entries {
		sum += e.Value.Bond
	}
	runners, err := Runners.List(r, nil, MaxRunners, uint32(at))
	if err != nil {
		return 0, fmt.Errorf("list runners of %s: %w", at, err)
	}
	for _, m := range runners {
		sum += m.Value.Bond
	}
	return sum, nil
}

// burnedIn sums what an outcome destroys.
func burnedIn(out crescendo.Outcome) crescendo.Amount {
	var sum crescendo.Amount
	for _, t := range out.Transfers {
		if t.To == crescendo.Burn {
			sum += t.Amount
		}
	}
	return sum
}
