// Package pipeline simulates how long sites that train one model together wait
// for the links between them.
//
// It is a discrete-event simulation of one site (all are alike): a worker that
// runs the layers of each step forward and backward, one at a time, and a
// first-come-first-served link that carries what the method synchronises.
// Nothing in it is fitted: bytes, step times and schedules go in, utilisation
// comes out. It knows nothing of losses: whether a method still learns as well
// is another question. Times are whole nanoseconds, so that the same input
// gives the same output on every machine.
package pipeline

import (
	"fmt"
	"time"
)

// Model is what a site trains.
type Model struct {
	Layers     int
	Parameters uint64
	Step       time.Duration // forward and backward of one step, without waiting
}

// Method is what is exchanged, and when.
type Method struct {
	Name     string
	Every    int     // steps between two synchronisations of a parameter; 1: every step
	Fragment int     // layers synchronised together, in strides; 0: all at once
	Overlap  int     // whole steps a site goes on before it needs what it waits for
	Bits     float64 // per parameter that a site sends
	BitsDown float64 // per parameter that a site receives after Pause; 0: sending is receiving, as in an all-reduce
	Whole    bool    // send only after the step has ended: the payload is coded as a whole
	Pause    time.Duration
}

// Link is a site's connection to the others.
type Link struct {
	Up, Down int64 // bits per second
	Latency  time.Duration
}

// Symmetric is a link as fast up as down.
func Symmetric(bitsPerSecond int64) Link { return Link{Up: bitsPerSecond, Down: bitsPerSecond} }

// Limits of what is simulated.
const (
	MaxLayers = 1 << 10
	MaxEvery  = 1 << 12
	maxTime   = 1 << 57 // nanoseconds, four years: a round's steps, one message, a pause
)

// Result is what a site's time went into.
type Result struct {
	Busy, Total time.Duration // computing, and all
	Bits        float64       // sent by one site
}

// Utilisation is the share of the time spent computing.
func (r Result) Utilisation() float64 {
	if r.Total == 0 {
		return 0
	}
	return float64(r.Busy) / float64(r.Total)
}

func check(m Model, how Method, l Link) error {
	switch {
	case m.Layers < 1 || m.Layers > MaxLayers:
		return fmt.Errorf("simulate %s: %d layers, want 1 to %d", how.Name, m.Layers, MaxLayers)
	case how.Every < 1 || how.Every > MaxEvery:
		return fmt.Errorf("simulate %s: synchronisation every %d steps, want 1 to %d", how.Name, how.Every, MaxEvery)
	case how.Overlap < 0 || how.Overlap >= how.Every && how.Overlap > 0:
		return fmt.Errorf("simulate %s: overlap of %d steps, want less than the %d between synchronisations", how.Name, how.Overlap, how.Every)
	case how.Fragment < 0 || how.Fragment > m.Layers:
		return fmt.Errorf("simulate %s: fragments of %d layers in a model of %d", how.Name, how.Fragment, m.Layers)
	case m.Step < time.Duration(3*m.Layers) || m.Step > maxTime/time.Duration(how.Every):
		return fmt.Errorf("simulate %s: a step of %v", how.Name, m.Step)
	case l.Up <= 0 || l.Down <= 0 || l.Latency < 0 || l.Latency > maxTime || how.Pause < 0 || how.Pause > maxTime:
		return fmt.Errorf("simulate %s: link of %d and %d bit/s, latency %v, pause %v", how.Name, l.Up, l.Down, l.Latency, how.Pause)
	case !(how.Bits >= 0 && how.Bits <= 1024) || !(how.BitsDown >= 0 && how.BitsDown <= 1<<20):
		return fmt.Errorf("simulate %s: %g bits up, %g down per parameter", how.Name, how.Bits, how.BitsDown)
	case float64(m.Parameters)*how.Bits/float64(l.Up) > maxTime/1e9, float64(m.Parameters)*how.BitsDown/float64(l.Down) > maxTime/1e9:
		return fmt.Errorf("simulate %s: one synchronisation takes more than %v", how.Name, time.Duration(maxTime))
	}
	return nil
}
