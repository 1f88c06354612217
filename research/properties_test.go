package research_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
)

// entrant is somebody with a recipe.
type entrant struct {
	account   crescendo.Account
	name      string
	sequences uint32
	loss      uint64
	silent    bool // never reveals
}

func drawEntrants(t *rapid.T) []entrant {
	out := make([]entrant, rapid.IntRange(0, 8).Draw(t, "entrants"))
	for i := range out {
		out[i] = entrant{
			account: crescendo.Account(fmt.Sprint("author-", i)), name: fmt.Sprint("recipe-", i),
			sequences: rapid.Uint32Range(0, 9).Draw(t, "substance"), // now and then two are equal
			loss:      rapid.Uint64Range(900_000, 1_100_000).Draw(t, "loss"),
			silent:    rapid.IntRange(0, 9).Draw(t, "silent") == 0,
		}
	}
	// What a recipe does is its substance: copies train to the same losses.
	for i := range out {
		for _, o := range out[:i] {
			if o.sequences == out[i].sequences {
				out[i].loss = o.loss
			}
		}
	}
	return out
}

// play holds a whole competition. Runners lie or stay away as lies and
// absences, drawn anew for every block, say.
func play(t *rapid.T, entrants []entrant, runners int, days func(c *contest)) *contest {
	c := newContest()
	must := func(_ crescendo.Outcome, err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := c.open(10_000); err != nil {
		t.Fatal(err)
	}
	c.loss[c.recipes["baseline"].ID()] = 1_000_000
	for _, e := range entrants {
		c.loss[c.recipe(e.name, e.account, e.sequences).ID()] = e.loss
		if err := c.fund(e.account); err != nil {
			t.Fatal(err)
		}
		must(c.Do(c.enter(e.account, e.name)))
	}
	for i := range runners {
		r := crescendo.Account(fmt.Sprint("runner-", i))
		if err := c.fund(r); err != nil {
			t.Fatal(err)
		}
		must(c.Do(c.run(r)))
	}
	for c.verdict == nil {
		if c.Env.Height > 200 {
			t.Fatal("the competition has not been decided after 200 blocks")
		}
		c.next()
		must(c.Do(c.block))
		if state, err := research.Competitions.Get(c.Store, uint32(1)); err != nil {
			t.Fatal(err)
		} else if state.Phase == research.Revealing {
			for _, e := range entrants {
				if _, err := c.Do(c.reveal(e.account, e.name)); !e.silent && err != nil && crescendo.CodeOf(err) != crescendo.CodeDuplicate {
					t.Fatal(err)
				}
			}
		}
		days(c)
		if err := c.work(func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Whatever entrants and runners do: the competition ends, its pot is empty,
// only bonds of copies, silent entrants and liars are burned, runners earn at
// most the purse, and the adopted recipe is one that was shown.
func TestMoneyOfCompetitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		runners := rapid.IntRange(0, 6).Draw(t, "runners")
		entrants := drawEntrants(t)
		for i := range entrants {
			entrants[i].silent = entrants[i].silent || rapid.IntRange(0, 5).Draw(t, "gone") == 0
		}
		var burned crescendo.Amount
		c := play(t, entrants, runners, func(c *contest) {
			clear(c.liars)
			clear(c.absent)
			for i := range runners {
				who := crescendo.Account(fmt.Sprint("runner-", i))
				switch rapid.IntRange(0, 9).Draw(t, "mood") {
				case 0:
					c.liars[who] = true
				case 1, 2, 3:
					c.absent[who] = true
				}
			}
		})
		if pot := c.Bank.Balance(research.Pot(1)); pot != 0 {
			t.Fatalf("%d is left in the pot", pot)
		}
		for _, e := range entrants {
			burned += 1000 - c.Bank.Balance(e.account)
		}
		for i := range runners {
			burned += 1000 - c.Bank.Balance(crescendo.Account(fmt.Sprint("runner-", i)))
		}
		if lost := 1<<40 - c.Bank.Supply(); lost != burned {
			t.Fatalf("%d was burned, people have lost %d", lost, burned)
		}
		var earned crescendo.Amount
		for _, d := range c.verdict.Runners {
			earned += d.Amount
		}
		if state, err := research.Competitions.Get(c.Store, uint32(1)); err != nil || earned > 10_000 || earned != state.Spent {
			t.Fatalf("runners earn %d, %+v, %v", earned, state, err)
		}
		if _, entry, err := research.Adopted(c.Store, 1); err != nil || !entry.CopyOf.IsZero() {
			t.Fatalf("adopted %+v, %v", entry, err)
		}
		if left, err := research.Duties.List(c.Store, nil, 1, uint32(1)); err != nil || len(left) > 0 {
			t.Fatalf("a duty is left: %v, %v", left, err)
		}
	})
}

// The order in which recipes enter changes neither the ranking nor the
// winner, if no two are copies of each other.
func TestOrderOfEntriesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entrants := drawEntrants(t)
		for i := range entrants {
			entrants[i].sequences, entrants[i].silent = uint32(i+1), false
		}
		swapped := rapid.Permutation(entrants).Draw(t, "swapped")
		one := play(t, entrants, 4, func(*contest) {})
		two := play(t, swapped, 4, func(*contest) {})
		if one.verdict.Recipe != two.verdict.Recipe {
			t.Fatalf("%s is adopted, swapped %s", one.short(one.verdict.Recipe.String()), two.short(two.verdict.Recipe.String()))
		}
		for stage := uint32(1); stage <= 2; stage++ {
			if d := cmp.Diff(standings(t, one, stage), standings(t, two, stage)); d != "" {
				t.Fatalf("stage %d: %s", stage, d)
			}
		}
	})
}

func standings(t *rapid.T, c *contest, stage uint32) []research.Standing {
	rows, err := research.Standings.List(c.Store, nil, kv.MaxPage, uint32(1), stage)
	if err != nil {
		t.Fatal(err)
	}
	var out []research.Standing
	for _, r := range rows {
		out = append(out, r.Value)
	}
	return out
}

// Published figures are those of the published losses: mean, sigma and bounds,
// computed again in exact arithmetic from the trials.
func TestFiguresFollowFromTrials(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entrants := drawEntrants(t)
		for i := range entrants {
			entrants[i].sequences, entrants[i].silent = uint32(i+1), false
		}
		if len(entrants) == 0 {
			t.Skip("nobody enters")
		}
		c := play(t, entrants, 3, func(*contest) {})
		rows := standings(t, c, 1)
		baseline := losses(t, c, c.recipes["baseline"].ID())
		var previous uint64
		for i, row := range rows {
			own := losses(t, c, row.Recipe)
			total, gains := uint64(0), []int64{}
			for d := range own {
				total += own[d]
				gains = append(gains, (int64(baseline[d])-int64(own[d]))/window)
			}
			if i > 0 && total < previous {
				t.Fatalf("rank %d is better than the one before: %d, %d", i+1, total, previous)
			}
			previous = total
			mean, sigma, half := figures(gains)
			want := []int64{mean, sigma, mean - half, mean + half}
			if got := []int64{row.Mean, int64(row.Sigma), row.Low, row.High}; !slices.Equal(got, want) {
				t.Fatalf("rank %d of %+v: mean, sigma, low, high %v, want %v", i+1, gains, got, want)
			}
		}
	})
}

func losses(t *rapid.T, c *contest, recipe crescendo.Hash) []uint64 {
	trial, err := research.Trials.Get(c.Store, uint32(1), uint32(1), recipe[:], uint32(0))
	if err != nil || !trial.Agreed {
		t.Fatal(trial, err)
	}
	return trial.Losses
}

// figures is mean, sample deviation and twice the standard error, rounded down.
func figures(sample []int64) (mean, sigma, half int64) {
	n, sum := big.NewInt(int64(len(sample))), new(big.Int)
	for _, v := range sample {
		sum.Add(sum, big.NewInt(v))
	}
	mean = new(big.Int).Quo(sum, n).Int64()
	var spread int64
	for _, v := range sample {
		spread += (v - mean) * (v - mean)
	}
	d := big.NewInt(int64(len(sample) - 1))
	sigma = new(big.Int).Sqrt(new(big.Int).Quo(big.NewInt(spread), d)).Int64()
	half = new(big.Int).Sqrt(new(big.Int).Quo(big.NewInt(4*spread), new(big.Int).Mul(n, d))).Int64()
	return mean, sigma, half
}

// Whoever is drawn to a trial is a runner, is drawn once, and is not the
// entry's author; nobody shows a result before enough have committed.
func TestAuthorsDoNotRunTheirOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entrants := drawEntrants(t)
		for i := range entrants {
			entrants[i].silent, entrants[i].sequences = false, uint32(i+1)
			if rapid.Bool().Draw(t, "runs too") {
				entrants[i].account = crescendo.Account(fmt.Sprint("runner-", i))
			}
		}
		trials := 0
		play(t, entrants, 5, func(c *contest) {
			for _, d := range c.duties() {
				trial, err := research.Trials.Get(c.Store, uint32(1), d.stage, d.recipe[:], d.seed)
				if err != nil {
					t.Fatal(err)
				}
				entry, err := research.Entries.Get(c.Store, uint32(1), d.recipe[:])
				if err != nil {
					t.Fatal(err)
				}
				sorted := slices.Sorted(slices.Values(trial.Designated))
				if entry.Author == d.runner || len(slices.Compact(sorted)) != len(trial.Designated) || !slices.Contains(sorted, d.runner) {
					t.Fatalf("%s runs the trial of %s, drawn are %v", d.runner, entry.Author, trial.Designated)
				}
				m := c.result(d.runner, d)
				if _, err := research.RevealTrial(c.Env, kv.NewOverlay(c.Store), c.terms, &m); err == nil {
					t.Fatalf("%s shows a result of which %d of %d are committed", d.runner, trial.Committed, trial.Wanted)
				}
				trials++
			}
		})
		if len(entrants) > 0 && trials == 0 {
			t.Fatal("no trial had a runner")
		}
	})
}
