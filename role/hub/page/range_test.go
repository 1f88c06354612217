package page

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
)

func TestRange(t *testing.T) {
	for _, c := range []struct {
		r        Range
		closed   uint32
		from, to crescendo.Round
		query    string
		topic    string
	}{
		{Range{}, 40, 1, 40, "", "rung-7"},
		{Range{}, 0, 1, 1, "", "rung-7"},
		{Range{From: 5, To: 9}, 40, 5, 9, "?from=5&to=9", "rung-7-5-9"},
		{Range{From: 5}, 40, 5, 40, "?from=5", "rung-7-5-0"},
		{Range{To: 9}, 40, 1, 9, "?to=9", "rung-7-0-9"},
		{Range{From: 50}, 40, 50, 50, "?from=50", "rung-7-50-0"},
		{Range{Last: 10}, 40, 31, 40, "?last=10", "last-7-10"},
		{Range{Last: 100}, 40, 1, 40, "?last=100", "last-7-100"},
		{Range{Last: 1 << 31}, 40, 1, 40, "?last=2147483648", "last-7-2147483648"},
	} {
		from, to := c.r.bounds(c.closed)
		if from != c.from || to != c.to || c.r.Query() != c.query || c.r.Topic(7) != c.topic {
			t.Errorf("%+v of %d: %d to %d, %q, %q; want %+v", c.r, c.closed, from, to, c.r.Query(), c.r.Topic(7), c)
		}
		for _, n := range []crescendo.Round{1, from - 1, from, to, to + 1} {
			if c.r.Has(n, c.closed) != (n >= from && n <= to) {
				t.Errorf("%+v of %d: round %d", c.r, c.closed, n)
			}
		}
	}
}

func TestWindows(t *testing.T) {
	names := func(r Range, closed uint32) []string {
		var out []string
		for _, w := range r.windows(closed) {
			name := w.name + " " + w.at.Query()
			if w.current {
				name += " *"
			}
			out = append(out, name)
		}
		return out
	}
	for _, c := range []struct {
		r      Range
		closed uint32
		want   []string
	}{
		{Range{}, 8, []string{"all  *"}},
		{Range{}, 25, []string{"all  *", "last 10 ?last=10", "last 20 ?last=20"}},
		{Range{Last: 10}, 15, []string{"all ", "last 10 ?last=10 *", "earlier ?from=1&to=10", "closer ?from=8&to=13", "wider ?from=1&to=15"}},
		{Range{From: 1, To: 4}, 9, []string{"all ", "later ?from=5&to=8", "closer ?from=2&to=3", "wider ?from=1&to=7"}},
		{Range{From: 1, To: 9}, 9, []string{"all ", "closer ?from=3&to=7"}},
	} {
		if d := cmp.Diff(c.want, names(c.r, c.closed)); d != "" {
			t.Errorf("%+v of %d (-want +got):\n%s", c.r, c.closed, d)
		}
	}
}

// Whatever is looked at, every choice that is offered shows closed rounds, and
// the picture has a width and a height.
func TestEveryWindowShowsSomething(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		closed := rapid.Uint32Range(1, 3000).Draw(t, "closed")
		from := rapid.Uint32Range(1, closed).Draw(t, "from")
		at := Range{From: crescendo.Round(from), To: crescendo.Round(rapid.Uint32Range(from, closed).Draw(t, "to"))}
		if rapid.Bool().Draw(t, "newest") {
			at = Range{Last: rapid.Uint32Range(1, 4000).Draw(t, "last")}
		}
		for _, w := range at.windows(closed) {
			from, to := w.at.bounds(closed)
			if from < 1 || from > to || to > crescendo.Round(closed) {
				t.Fatalf("at %+v of %d, %q is %d to %d", at, closed, w.name, from, to)
			}
			l := Loss{Of: closed, Closed: closed, Range: w.at, Bigram: 4, Gzip: 2.2}
			for n := from; n <= to; n++ {
				l.Points = append(l.Points, LossPoint{Round: n, Bits: 3 + rapid.Float64Range(0, 0.001).Draw(t, "bits")})
				if len(l.Points) > 4 {
					break
				}
			}
			p := plotLoss(l)
			for i := range p.x {
				if !(p.x[i] >= chartLeft && p.x[i] <= chartWidth-chartRight && p.y[i] >= chartTop-0.01 && p.y[i] <= chartHeight-chartBottom+0.01) {
					t.Fatalf("at %+v of %d, %q: point %d lies at %v, %v", at, closed, w.name, i, p.x[i], p.y[i])
				}
			}
			if len(p.ticks) < 2 || p.ticks[0].text == p.ticks[1].text {
				t.Fatalf("at %+v of %d, %q: the vertical axis says %v", at, closed, w.name, p.ticks)
			}
		}
	})
}
