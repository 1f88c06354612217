package native

import (
	"sync/atomic"
	"testing"
)

// TestSplitGivesEveryItemOnce takes any number of items in any multiples among any
// number of workers: each item once, runs begin at multiples, a worker is never in
// two runs at a time.
func TestSplitGivesEveryItemOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		w := newWorkers(threads)
		busy := map[*worker]*atomic.Bool{}
		for _, k := range w.list {
			busy[k] = new(atomic.Bool)
		}
		for _, n := range []int{0, 1, 11, 12, 13, 100, 2048} {
			for _, align := range []int{1, 12, 64, 4096} {
				seen := make([]atomic.Int32, n)
				w.split(n, align, func(from, to int, k *worker) {
					if !busy[k].CompareAndSwap(false, true) {
						t.Errorf("%d threads, %d by %d: a worker is in two runs", threads, n, align)
					}
					if from%align != 0 || from >= to || to > n || to%align != 0 && to != n {
						t.Errorf("%d threads, %d by %d: run from %d to %d", threads, n, align, from, to)
					}
					for i := from; i < to; i++ {
						seen[i].Add(1)
					}
					busy[k].Store(false)
				})
				for i := range seen {
					if c := seen[i].Load(); c != 1 {
						t.Fatalf("%d threads, %d by %d: item %d came %d times", threads, n, align, i, c)
					}
				}
			}
		}
	}
}
