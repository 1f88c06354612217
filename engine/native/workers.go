package native

import (
	"sync"

	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

// A worker is what one goroutine of a call owns.
type worker struct {
	kernel.Scratch
	packed                []float32 // one head's keys or values, transposed
	keys, values, queries []float32 // one head's, together
	probs, scores         []float32 // some rows of one head's attention, and their gradients
	muon                  [5][]float32
}

// grow makes *s hold n elements, of any value.
func grow(s *[]float32, n int) []float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	*s = (*s)[:n]
	return *s
}

type workers struct{ list []*worker }

func newWorkers(n int) *workers {
	w := &workers{list: make([]*worker, n)}
	for i := range w.list {
		w.list[i] = new(worker)
	}
	return w
}

// split divides n items into one run for each worker, in multiples of align. The
// work must be such that the division cannot be seen in the result.
func (w *workers) split(n, align int, f func(from, to int, w *worker)) {
	blocks := (n + align - 1) / align
	count := min(len(w.list), blocks)
	if count <= 1 {
		if n > 0 {
			f(0, n, w.list[0])
		}
		return
	}
	var wg sync.WaitGroup
	for i := 1; i < count; i++ {
		wg.Go(func() { f(blocks*i/count*align, min(n, blocks*(i+1)/count*align), w.list[i]) })
	}
	f(0, min(n, blocks/count*align), w.list[0])
	wg.Wait()
}
