package pipeline

import (
	"container/heap"
	"time"
)

// Simulate runs enough rounds for the start not to matter and measures the
// rest.
func Simulate(m Model, how Method, l Link) (Result, error) {
	if err := check(m, how, l); err != nil {
		return Result{}, err
	}
	warm, measured := 1, 3
	if how.Every == 1 {
		warm, measured = 2, 10
	}
	s := newSimulation(m, how, l)
	s.run((warm) * how.Every)
	began, bits := s.now, s.bits
	s.run((warm + measured) * how.Every)
	steps := int64(measured * how.Every)
	return Result{
		Busy:  time.Duration(steps * s.stepTime()),
		Total: time.Duration(s.now - began),
		Bits:  s.bits - bits,
	}, nil
}

// simulation is one site. Its worker does layer after layer; a layer whose
// synchronised parameters have not arrived stops it.
type simulation struct {
	model  Model
	how    Method
	link   Link
	events events
	seq    int64

	forward, backward int64 // nanoseconds of one layer
	stride            int   // fragments there are
	spacing           int   // steps between two fragments

	now        int64
	step       int // being computed
	task       int // 0 to layers-1 forward, then backward
	upFree     int64
	downFree   int64
	bits       float64
	needs      []awaited // of each layer
	perLayer   float64   // parameters
	fragmented bool
}

// awaited is what a layer's forward pass of a step has to wait for.
type awaited struct {
	step    int // first step that needs it
	arrived bool
	waiting bool // something is on its way
}

func newSimulation(m Model, how Method, l Link) *simulation {
	s := &simulation{model: m, how: how, link: l, needs: make([]awaited, m.Layers)}
	layers := int64(m.Layers)
	s.forward = int64(m.Step) / (3 * layers)
	s.backward = 2 * s.forward
	s.perLayer = float64(m.Parameters) / float64(m.Layers)
	s.stride, s.spacing = 1, how.Every
	if how.Fragment > 0 {
		s.fragmented = true
		s.stride = (m.Layers + how.Fragment - 1) / how.Fragment
		s.spacing = max(1, how.Every/s.stride)
	}
	return s
}

func (s *simulation) stepTime() int64 { return int64(s.model.Layers) * (s.forward + s.backward) }

// due reports whether a layer is synchronised after a step. Fragment p goes
// out every Every steps, spacing after the fragment before it.
func (s *simulation) due(layer, step int) bool {
	if !s.fragmented {
		return (step+1)%s.how.Every == 0
	}
	return (step+1)%s.how.Every == (layer%s.stride)*s.spacing%s.how.Every
}

// run computes until so many steps are done.
func (s *simulation) run(steps int) {
	for s.step < steps {
		if s.blocked() || len(s.events) > 0 && s.events[0].at <= s.now {
			s.next()
			continue
		}
		s.compute()
	}
}

// blocked reports whether the worker waits for its next layer's parameters.
func (s *simulation) blocked() bool {
	if s.task >= s.model.Layers {
		return false
	}
	n := &s.needs[s.task]
	return n.waiting && !n.arrived && s.step >= n.step
}

// compute does one layer of the current step.
func (s *simulation) compute() {
	layers := s.model.Layers
	if s.task < layers {
		s.now += s.forward
		s.task++
		return
	}
	layer := 2*layers - 1 - s.task
	s.now += s.backward
	if !s.how.Whole && s.due(layer, s.step) {
		s.send(layer, 1)
	}
	s.task++
	if s.task < 2*layers {
		return
	}
	if s.how.Whole && s.due(0, s.step) {
		s.send(0, layers)
	}
	s.step, s.task = s.step+1, 0
}

// send puts layers on the link up; they are needed Overlap steps after the
// next step begins.
func (s *simulation) send(first, n int) {
	for l := first; l < first+n; l++ {
		s.needs[l] = awaited{step: s.step + 1 + s.how.Overlap, waiting: true}
	}
	bits := s.perLayer * float64(n) * s.how.Bits
	s.bits += bits
	s.upFree = max(s.upFree, s.now) + transfer(bits, s.link.Up)
	at := s.upFree + int64(s.link.Latency)
	if s.how.BitsDown == 0 {
		s.push(event{at: at, kind: arrived, first: first, n: n})
		return
	}
	s.push(event{at: at + int64(s.how.Pause), kind: ready, first: first, n: n})
}

// next handles the earliest event; the worker's clock moves only if it waited.
func (s *simulation) next() {
	e := heap.Pop(&s.events).(event)
	s.now = max(s.now, e.at)
	if e.kind == ready {
		s.downFree = max(s.downFree, e.at) + transfer(s.perLayer*float64(e.n)*s.how.BitsDown, s.link.Down)
		s.push(event{at: s.downFree + int64(s.link.Latency), kind: arrived, first: e.first, n: e.n})
		return
	}
	for l := e.first; l < e.first+e.n; l++ {
		s.needs[l].arrived = true
	}
}

// transfer is how long bits occupy a link, rounded up.
func transfer(bits float64, perSecond int64) int64 {
	return int64(bits/float64(perSecond)*1e9) + 1
}

const (
	ready   = iota // the update can be fetched
	arrived        // the layers' parameters are there
)

type event struct {
	at, seq  int64
	kind     int
	first, n int // layers
}

func (s *simulation) push(e event) {
	s.seq++
	e.seq = s.seq
	heap.Push(&s.events, e)
}

// events is a heap by time, then by when they were caused.
type events []event

func (h events) Len() int { return len(h) }
func (h events) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h events) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *events) Push(x any)   { *h = append(*h, x.(event)) }
func (h *events) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
