package report

import (
	"errors"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

func TestBurnedInCompetitions(t *testing.T) {
	s := kv.NewMemory()
	one, honest, copied, never := uint32(1), crescendo.Hash{1}, crescendo.Hash{2}, crescendo.Hash{3}
	terms := research.Terms{Bond: 100, RunnerBond: 1000}
	if err := errors.Join(
		program.Specs.Set(s, program.Spec{Rungs: []program.Rung{{Competition: terms}}}),
		research.Competitions.Set(s, research.Competition{Phase: research.Revealing}, one),
		research.Commitments.Set(s, research.Commitment{Revealed: honest}, one, honest[:], "ada"),
		research.Commitments.Set(s, research.Commitment{Revealed: copied}, one, copied[:], "eve"),
		research.Commitments.Set(s, research.Commitment{}, one, never[:], "val"),
		research.Entries.Set(s, research.Entry{Author: "ada"}, one, honest[:]),
		research.Entries.Set(s, research.Entry{Author: "eve", CopyOf: honest}, one, copied[:]),
		research.Runners.Set(s, research.Runner{Bond: 1000}, one, "bob"),
		research.Runners.Set(s, research.Runner{Fault: "refuted"}, one, "liz"),
	); err != nil {
		t.Fatal(err)
	}
	if got, err := Burned(s, 1); err != nil || got != 0 {
		t.Errorf("before reveals close: %d, %v", got, err)
	}
	if err := research.Competitions.Set(s, research.Competition{Phase: research.Decided, Draw: crescendo.Hash{9}}, one); err != nil {
		t.Fatal(err)
	}
	if got, err := Burned(s, 1); err != nil || got != 1200 {
		t.Errorf("burned %d, want a copy's bond, an unshown recipe's and a runner's, 1200 (%v)", got, err)
	}
}
