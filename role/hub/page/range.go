package page

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
)

// Range is which closed rounds a chart and its tables show: from one to
// another, or the last ones. The zero value is all of them.
type Range struct {
	From crescendo.Round `json:"from,omitempty"` // zero: the first
	To   crescendo.Round `json:"to,omitempty"`   // zero: the newest
	Last uint32          `json:"last,omitempty"` // so many; zero: as From and To say
}

// All reports whether nothing is left out.
func (r Range) All() bool { return r == Range{} }

// Has reports whether a round is shown, of so many that are closed.
func (r Range) Has(n crescendo.Round, closed uint32) bool {
	from, to := r.bounds(closed)
	return n >= from && n <= to
}

// bounds are the first and the last round shown.
func (r Range) bounds(closed uint32) (from, to crescendo.Round) {
	from, to = max(1, r.From), r.To
	if to == 0 {
		to = max(from, crescendo.Round(closed))
	}
	if r.Last > 0 {
		to = crescendo.Round(max(1, closed))
		from = to - min(to, crescendo.Round(r.Last)) + 1
	}
	return from, to
}

// Query is the end of an address that shows the range.
func (r Range) Query() string {
	switch {
	case r.Last > 0:
		return fmt.Sprintf("?last=%d", r.Last)
	case r.From > 0 && r.To > 0:
		return fmt.Sprintf("?from=%d&to=%d", r.From, r.To)
	case r.From > 0:
		return fmt.Sprintf("?from=%d", r.From)
	case r.To > 0:
		return fmt.Sprintf("?to=%d", r.To)
	}
	return ""
}

// Topic names the live page of a rung that shows the range.
func (r Range) Topic(rung crescendo.RungID) string {
	switch {
	case r.All():
		return fmt.Sprintf("rung-%d", rung)
	case r.Last > 0:
		return fmt.Sprintf("last-%d-%d", rung, r.Last)
	}
	return fmt.Sprintf("rung-%d-%d-%d", rung, r.From, r.To)
}

// window is a choice of rounds that is offered.
type window struct {
	name    string
	at      Range
	current bool
}

// lasts are the numbers of newest rounds that are offered.
var lasts = []uint32{10, 20, 50, 100, 500, 2000}

// windows are the choices beside a chart of so many closed rounds: all, the
// last ones, and from a window the ones beside it, half and twice as wide.
func (r Range) windows(closed uint32) []window {
	out := []window{{"all", Range{}, r.All()}}
	for _, n := range lasts {
		if n < closed {
			out = append(out, window{fmt.Sprintf("last %d", n), Range{Last: n}, r == Range{Last: n}})
		}
	}
	if r.All() {
		return out
	}
	from, to := r.bounds(closed)
	wide, newest := to-min(to, from)+1, crescendo.Round(closed)
	if from > 1 {
		first := from - min(from-1, wide)
		out = append(out, window{name: "earlier", at: Range{From: first, To: first + wide - 1}})
	}
	if to < newest {
		last := min(newest, to+wide)
		out = append(out, window{name: "later", at: Range{From: last - min(last-1, wide-1), To: last}})
	}
	if wide > 3 {
		out = append(out, window{name: "closer", at: Range{From: from + wide/4, To: to - wide/4}})
	}
	if out = append(out, window{name: "wider", at: Range{From: from - min(from-1, wide/2+1), To: min(newest, to+wide/2+1)}}); from == 1 && to >= newest {
		out = out[:len(out)-1]
	}
	return out
}

// shown says in words what is left out; empty: nothing.
func (l Loss) shown() string {
	if l.Range.All() {
		return ""
	}
	from, to := l.bounds(l.Closed)
	return fmt.Sprintf("Only rounds %d to %d of %d are shown.", from, to, l.Closed)
}

// edge is the first or the last round shown, for a form.
func (l Loss) edge(first bool) string {
	from, to := l.bounds(l.Closed)
	if first {
		return Decimal(from)
	}
	return Decimal(to)
}

// roundsNote says which rounds a table has.
func roundsNote(r Rung) string {
	if shown := r.Loss.shown(); shown != "" {
		return shown
	}
	return "select one to see who did what"
}
