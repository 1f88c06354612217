package research_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

// BenchmarkLargestCompetition tells how long the longest end of a block takes
// when a thousand recipes compete.
func BenchmarkLargestCompetition(b *testing.B) {
	for range b.N {
		c := newContest()
		c.terms.MaxEntries, c.terms.Documents, c.terms.TrialBlocks = research.MaxEntries, 64, 100
		c.terms.KeepBP = 2_000
		if err := c.open(1_000_000); err != nil {
			b.Fatal(err)
		}
		c.loss[c.recipes["baseline"].ID()] = 1_000_000
		for i := range research.MaxEntries {
			who, title := crescendo.Account(fmt.Sprint("author-", i)), fmt.Sprint("recipe-", i)
			c.loss[c.recipe(title, who, uint32(i+1)).ID()] = 900_000 + uint64(i*7919%1000)*200
			if err := c.fund(who); err != nil {
				b.Fatal(err)
			}
			if _, err := c.Do(c.enter(who, title)); err != nil {
				b.Fatal(err)
			}
		}
		for i := range 20 {
			r := crescendo.Account(fmt.Sprint("runner-", i))
			if err := c.fund(r); err != nil {
				b.Fatal(err)
			}
			if _, err := c.Do(c.run(r)); err != nil {
				b.Fatal(err)
			}
		}
		var longest time.Duration
		for c.verdict == nil {
			c.next()
			began := time.Now()
			if _, err := c.Do(c.block); err != nil {
				b.Fatal(err)
			}
			longest = max(longest, time.Since(began))
			if state, _ := research.Competitions.Get(c.Store, uint32(1)); state.Phase == research.Revealing {
				for i := range research.MaxEntries {
					if _, err := c.Do(c.reveal(crescendo.Account(fmt.Sprint("author-", i)), fmt.Sprint("recipe-", i))); err != nil {
						b.Fatal(err)
					}
				}
			}
			if err := c.work(func(string) {}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(longest.Milliseconds()), "ms-longest-block")
		b.ReportMetric(float64(c.Env.Height), "blocks")
	}
}
