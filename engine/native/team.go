package native

import (
	"runtime"
	"sync/atomic"
)

const (
	// spins is how often a helper looks for work before it sleeps: about as long
	// as waking it would take.
	spins = 20_000

	// courtesy is how many looks pass between chances for others to run.
	courtesy = 500
)

// A team shares out work that comes in short pieces, many thousands of times a
// second, as decoding does. Its helpers stay awake for a while between pieces.
// Nobody waits for a helper that has not taken anything.
type team struct {
	members []*worker
	state   atomic.Uint64 // number of the job, then of the next task: 32 bits each
	job     atomic.Pointer[job]
	asleep  atomic.Int32
	wake    chan struct{}
}

type job struct {
	number uint32
	tasks  uint32
	f      func(task int, w *worker)
	done   atomic.Uint32
}

// newTeam starts helpers for n members in all; the caller of split is one.
func newTeam(n int) *team {
	n = max(1, min(n, runtime.GOMAXPROCS(0)))
	t := &team{wake: make(chan struct{}, n)}
	for range n {
		t.members = append(t.members, new(worker))
	}
	t.job.Store(new(job))
	for _, w := range t.members[1:] {
		go t.help(w)
	}
	return t
}

// split calls f once for every task, on all members. The division must be such
// that it cannot be seen in the result.
func (t *team) split(tasks int, f func(task int, w *worker)) {
	if len(t.members) == 1 || tasks <= 1 {
		for i := range tasks {
			f(i, t.members[0])
		}
		return
	}
	j := &job{number: t.job.Load().number + 1, tasks: uint32(tasks), f: f}
	t.publish(j)
	t.take(j, t.members[0])
	for n := 1; j.done.Load() < j.tasks; n++ {
		if n%courtesy == 0 {
			runtime.Gosched()
		}
	}
}

// publish shows a job to the helpers and wakes those who sleep.
func (t *team) publish(j *job) {
	t.job.Store(j)
	t.state.Store(uint64(j.number) << 32)
	for range t.asleep.Load() {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// take does tasks of a job until none is left. A task is taken by moving the
// state on, which fails once another job is there.
func (t *team) take(j *job, w *worker) {
	for {
		s := t.state.Load()
		if uint32(s>>32) != j.number || uint32(s) >= j.tasks {
			return
		}
		if t.state.CompareAndSwap(s, s+1) {
			j.f(int(uint32(s)), w)
			j.done.Add(1)
		}
	}
}

// help is the life of a helper. A job without a function ends it.
func (t *team) help(w *worker) {
	var last uint32
	for n := 1; ; n++ {
		j := t.job.Load()
		if j.number != last && uint32(t.state.Load()>>32) == j.number {
			if j.f == nil {
				return
			}
			t.take(j, w)
			last, n = j.number, 0
			continue
		}
		if n < spins {
			if n%courtesy == 0 {
				runtime.Gosched()
			}
			continue
		}
		t.asleep.Add(1)
		if t.job.Load().number == last {
			<-t.wake
		}
		t.asleep.Add(-1)
		n = 0
	}
}

// close ends the helpers. It may be called once, with no split under way.
func (t *team) close() {
	if len(t.members) > 1 {
		t.publish(&job{number: t.job.Load().number + 1})
	}
}
