package research

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/crescendo-network/crescendo"
)

// lane is what a stage knows of one contender.
type lane struct {
	contender
	seeds   []Trial    // by seed index; without a result where there is none
	answers [][]uint64 // by seed index: losses on evaluation tasks
	total   uint64     // losses over all counted seeds and documents
	own     Standing
}

// lanes reads the results of the stage, in order of commitment.
func (w *turn) lanes() ([]lane, error) {
	entries, err := contenders(w.s, w.at)
	if err != nil {
		return nil, err
	}
	byID := make([]lane, len(entries))
	for i, e := range entries {
		byID[i] = lane{contender: e, seeds: make([]Trial, w.t.SeedsOf(w.c.Stage))}
	}
	slices.SortFunc(byID, func(a, b lane) int { return bytes.Compare(a.id[:], b.id[:]) })
	err = w.eachTrial(func(recipe crescendo.Hash, seed uint32, t Trial) error {
		at, known := slices.BinarySearchFunc(byID, recipe, func(l lane, h crescendo.Hash) int { return bytes.Compare(l.id[:], h[:]) })
		if known && int(seed) < len(byID[at].seeds) {
			byID[at].seeds[seed] = t
		}
		return nil
	})
	slices.SortFunc(byID, func(a, b lane) int { return before(a.Entry, b.Entry) })
	return byID, err
}

// counted returns the seeds on which entries are compared: those for which the
// baseline has a result, and more than half of the others too.
func counted(lanes []lane) []int {
	var out []int
	for seed := range lanes[0].seeds {
		have := 0
		for _, l := range lanes[1:] {
			if comparable(lanes[0].seeds[seed], l.seeds[seed]) {
				have++
			}
		}
		if lanes[0].seeds[seed].Agreed && 2*have > len(lanes)-1 {
			out = append(out, seed)
		}
	}
	return out
}

func comparable(a, b Trial) bool { return a.Agreed && b.Agreed && len(a.Losses) == len(b.Losses) }

func (l lane) complete(baseline lane, seeds []int) bool {
	return !slices.ContainsFunc(seeds, func(s int) bool { return !comparable(baseline.seeds[s], l.seeds[s]) })
}

// compare sums the paired differences a-b over seeds and documents.
func compare(a, b lane, seeds []int, window uint32) paired {
	var p paired
	for _, s := range seeds {
		for d, loss := range a.seeds[s].Losses {
			p.add(loss, b.seeds[s].Losses[d], window)
		}
	}
	p.close()
	return p
}

// rank orders the contenders by mean loss over the same seeds and documents,
// ties by the recipe's hash: in what order they entered cannot matter. The
// first lane is the baseline's.
func rank(lanes []lane, seeds []int, window uint32) []lane {
	baseline := lanes[0]
	for i := range lanes {
		l := &lanes[i]
		l.total = 0
		for _, s := range seeds {
			for _, loss := range l.seeds[s].Losses {
				l.total += loss
			}
		}
	}
	out := slices.Clone(lanes)
	slices.SortFunc(out, func(a, b lane) int {
		return cmp.Or(cmp.Compare(a.total, b.total), bytes.Compare(a.id[:], b.id[:]))
	})
	for i := range out {
		l := &out[i]
		gain, gap := compare(baseline, *l, seeds, window), compare(*l, out[0], seeds, window)
		l.own = Standing{Recipe: l.id, Author: l.Author, N: gain.n, Baseline: l.Order == 0,
			Mean: gain.mean, Sigma: gain.sigma, Low: gain.low, High: gain.high, Gap: gap.mean, GapLow: gap.low, GapHigh: gap.high}
		if n := uint64(gain.n) * uint64(max(window, 1)); n > 0 {
			l.own.Loss = l.total / n
		}
	}
	return out
}
