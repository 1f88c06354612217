package native

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

// A worker is what one goroutine of a call owns.
type worker struct {
	kernel.Scratch
	packed                []float32 // one head's keys or values, transposed
	keys, values, queries []float32 // one head's, together
	probs, scores         []float32 // some rows of one head's attention, and their gradients
	muon                  [5][]float32
	at, next              []int     // where groups of columns begin
	half                  []float32 // rows or a panel in pairs
}

// grow makes *s hold n elements, of any value.
func grow(s *[]float32, n int) []float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	*s = (*s)[:n]
	return *s
}

type workers struct {
	list  []*worker
	spins int
}

// waitSpins is how often a worker that is done looks whether the others are,
// some tens of microseconds, before it sleeps: sleeping and waking take longer
// than most waits here.
const waitSpins = 20_000

func newWorkers(n int) *workers {
	w := &workers{list: make([]*worker, n)}
	for i := range w.list {
		w.list[i] = new(worker)
	}
	if n <= runtime.GOMAXPROCS(0) { // else who looks keeps another from working
		w.spins = waitSpins
	}
	return w
}

// split divides n items among the workers, in multiples of align. Each takes a
// part of what is left when it has nothing to do, so that one that is held up
// holds up none; with an align of 1 items are dear and taken one by one. The work
// must be such that the division cannot be seen in the result.
func (w *workers) split(n, align int, f func(from, to int, w *worker)) {
	blocks := (n + align - 1) / align
	count := min(len(w.list), blocks)
	if count <= 1 {
		if n > 0 {
			f(0, n, w.list[0])
		}
		return
	}
	queue := &queue{blocks: int64(blocks), share: int64(2 * count)}
	if align == 1 {
		queue.share = int64(blocks)
	}
	var wg sync.WaitGroup
	var running atomic.Int32
	running.Store(int32(count - 1))
	for _, k := range w.list[1:count] {
		wg.Go(func() {
			queue.run(n, align, f, k)
			running.Add(-1)
		})
	}
	queue.run(n, align, f, w.list[0])
	for i := 0; i < w.spins && running.Load() > 0; i++ {
	}
	wg.Wait()
}

// A queue is the blocks of one split that nobody has taken.
type queue struct {
	next          atomic.Int64
	blocks, share int64 // each takes what is left divided by share
}

func (q *queue) run(n, align int, f func(from, to int, w *worker), k *worker) {
	for {
		at := q.next.Load()
		left := q.blocks - at
		if left <= 0 {
			return
		}
		size := max(1, left/q.share)
		if q.next.CompareAndSwap(at, at+size) {
			f(int(at)*align, min(n, int(at+size)*align), k)
		}
	}
}
