package native

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/enginetest"
)

// threadTime is the processor time of this thread: what else the machine does
// counts less than in wall time.
func threadTime() time.Duration {
	const thread = 1
	var r syscall.Rusage
	_ = syscall.Getrusage(thread, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkParts times the parts of a training step of the 12-million model on one
// thread, with the arithmetic of each, or for the update the memory it moves: the
// figures of the roofline table in docs/experiments.md. The copy is the floor for
// what moves memory.
func BenchmarkParts(b *testing.B) {
	const batch, seq = 8, 256
	shape := engine.Shape{Vocab: 4096, Dim: 384, Layers: 6, Heads: 6, KVHeads: 6, FFN: 1024, Context: 1024, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	o := engine.DefaultOptimizer(1220)
	o.Kind = engine.AdamW
	layer := float64(4*shape.Dim*shape.Dim + 3*shape.Dim*shape.FFN)
	rows, layers := float64(batch*seq), float64(shape.Layers)
	attention := layers * 2 * rows * seq * float64(shape.Dim) // two products over half a square each
	matrices := 2 * rows * layer * layers
	from, to := make([]float32, 1<<25), make([]float32, 1<<25)
	for _, profile := range []string{R0, BF16} {
		e, err := WithProfile(New(1), profile)
		if err != nil {
			b.Fatal(err)
		}
		made, err := e.New(shape)
		if err != nil {
			b.Fatal(err)
		}
		e.Init(made, 1)
		m := made.(*model)
		if _, err := m.Step(enginetest.Tokens(1, shape.Vocab, batch*(seq+1)), batch, seq, o, 0); err != nil {
			b.Fatal(err)
		}
		a := m.acts
		for _, c := range []struct {
			name        string
			flop, bytes float64
			f           func()
		}{
			{"copy", 0, 8 * float64(len(to)), func() { copy(to, from) }},
			{"forward", matrices + attention, 0, func() { m.forward(a) }},
			{"attention", attention, 0, func() {
				for i := range a.layers {
					m.attend(a, &a.layers[i])
				}
			}},
			{"head", 6 * rows * float64(shape.Vocab*shape.Dim), 0, func() { m.head(a, true) }},
			{"backward", 2*matrices + 2.5*attention, 0, func() { m.backward(a) }},
			{"attention back", 2.5 * attention, 0, func() {
				for i := range a.layers {
					m.attendBack(a, &a.layers[i])
				}
			}},
			{"update", 0, 7 * 4 * float64(len(m.params)), func() { _ = m.update(o, 1) }},
		} {
			b.Run(profile+"/"+c.name, func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				best := time.Hour
				for b.Loop() {
					start := threadTime()
					c.f()
					best = min(best, threadTime()-start)
				}
				b.ReportMetric(1e3*best.Seconds(), "best-ms")
				if c.flop > 0 {
					b.ReportMetric(c.flop/best.Seconds()/1e9, "GFLOP/s")
				} else {
					b.ReportMetric(c.bytes/best.Seconds()/1e9, "GB/s")
				}
			})
		}
	}
}
