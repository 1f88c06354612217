package research_test

import (
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
)

// What is said in a season cannot be said again in the rung's own competition:
// commitments, draws, pots and keys differ. These values
// never change.
func TestSeasonsAreContestsOfTheirOwn(t *testing.T) {
	main, season := research.Contest(2), research.SeasonOf(2)
	recipe, salt := crescendo.Hash{1}, crescendo.Hash{2}
	reveal := research.MsgRevealTrial{Sender: "ann", Rung: 2, Stage: 1, Recipe: recipe, Weights: crescendo.Hash{3}, Losses: []uint64{4}, Salt: salt}
	ofSeason := reveal
	ofSeason.Season = true
	for _, c := range []struct {
		name, main, season, wantMain, wantSeason string
	}{
		{"entry", research.EntryCommitment("chain", main, "ann", recipe, salt).Short(), research.EntryCommitment("chain", season, "ann", recipe, salt).Short(), "ce0e1cf2", "e78b5f9e"},
		{"trial", research.TrialCommitment("chain", reveal).Short(), research.TrialCommitment("chain", ofSeason).Short(), "dd9c0d0b", "623af8ea"},
		{"draw", research.Draw(salt, main).Short(), research.Draw(salt, season).Short(), "85ee1295", "9d8904b2"},
		{"pot", string(research.Pot(main)), string(research.Pot(season)), "@research/2", "@season/2"},
		{"title", main.String(), season.String(), "rung 2", "the season of rung 2"},
	} {
		if c.main != c.wantMain || c.season != c.wantSeason {
			t.Errorf("%s: %q and %q, want %q and %q", c.name, c.main, c.season, c.wantMain, c.wantSeason)
		}
	}
	if season.Rung() != 2 || !season.IsSeason() || main.Rung() != 2 || main.IsSeason() || ofSeason.Contest() != season || reveal.Contest() != main {
		t.Errorf("contests %d and %d do not know themselves", main, season)
	}
}

// Of two recipes that train to the same weights, the one that was committed to
// first stays, though it came into the competition later, by the season.
func TestQualifiedRecipesCountFromTheSeason(t *testing.T) {
	c := newContest()
	if err := c.open(10_000); err != nil {
		t.Fatal(err)
	}
	original := c.recipe("original", "ann", 3)
	copied := c.recipe("in other words", "eve", 3) // as many sequences: the same weights in these tests
	copied.Optimizer = research.Optimizer{Kind: "adamw", LRMillionths: 1, MatrixLRMillionths: 1}
	c.recipes["in other words"] = copied
	for name, r := range c.recipes {
		c.loss[r.ID()] = map[bool]uint64{true: 1_000_000, false: 900_000}[name == "baseline"]
	}
	do := func(step func(crescendo.Env, kv.Store) (crescendo.Outcome, error)) {
		t.Helper()
		if _, err := c.Do(step); err != nil {
			t.Fatal(err)
		}
	}
	for _, who := range []crescendo.Account{"eve", "bob", "cyd"} {
		if err := c.fund(who); err != nil {
			t.Fatal(err)
		}
	}
	id := original.ID()
	entered := research.Entry{Author: "ann", Height: c.Env.Height, Order: 1, Kept: true}
	if err := research.Entries.Set(c.Store, entered, uint32(research.SeasonOf(1)), id[:]); err != nil {
		t.Fatal(err)
	}
	c.next()
	do(c.enter("eve", "in other words")) // when the season has shown the original
	do(func(_ crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return research.Qualify(s, 1, original) })
	do(c.run("bob"))
	do(c.run("cyd"))
	for c.verdict == nil && c.Env.Height < 200 {
		c.next()
		do(c.block)
		_, _ = c.Do(c.reveal("eve", "in other words")) // refused but once
		if err := c.work(func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
	other := copied.ID()
	late, err := research.Entries.Get(c.Store, uint32(1), other[:])
	if err != nil || late.CopyOf != id || c.verdict == nil || c.verdict.Recipe != id {
		t.Errorf("adopted %+v, the later entry is %+v: %v", c.verdict, late, err)
	}
	if c.Bank.Balance("eve") != 900 {
		t.Errorf("eve has %d of 1000 after its copy's bond of 100 was burned", c.Bank.Balance("eve"))
	}
}
