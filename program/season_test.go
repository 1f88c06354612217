package program_test

import (
	"github.com/crescendo-network/crescendo/program"
)

// seasoned is the contested programme, with a season of newcomers when the
// second rung's raise begins.
func seasoned() program.Spec {
	spec := contested()
	t := contest
	t.EntryBlocks, t.RevealBlocks, t.TrialBlocks, t.MaxEntries, t.KeepRecipes = 2, 2, 6, 5, 1
	spec.Rungs[1].Season = t
	spec.Rungs[1].Competition.EntryBlocks = 4
	spec.Rungs[1].Raise.SoftCap = 20_000
	return spec
}
