package live

import (
	"sync/atomic"
	"time"
)

// lateBounds are the delays that are told apart.
var lateBounds = [...]time.Duration{0, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second}

// lateness counts updates by how long after they were made they had been
// handed to the network.
type lateness struct {
	over [len(lateBounds)]atomic.Uint64
}

func (l *lateness) note(d time.Duration) {
	for i, bound := range lateBounds {
		if i == 0 || d > bound {
			l.over[i].Add(1)
		}
	}
}

// Delivered is how many updates took longer than a time.
type Delivered struct {
	Over  time.Duration // zero: all of them
	Count uint64
}

// Deliveries tells how late viewers were given updates, from the moment a page
// was made anew to the moment the operating system had it. What the network
// and the viewers' own machines add is not in it.
func (s *Server) Deliveries() []Delivered {
	out := make([]Delivered, len(lateBounds))
	for i, bound := range lateBounds {
		out[i] = Delivered{bound, s.late.over[i].Load()}
	}
	return out
}
