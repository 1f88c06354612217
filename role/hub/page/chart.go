package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Sizes of the loss chart, in units of its own.
const (
	chartWidth  = 720
	chartHeight = 260
	chartLeft   = 44
	chartRight  = 92 // room for the names of lines
	chartTop    = 14
	chartBottom = 30
)

// plot is a loss curve laid out: positions in the chart's units.
type plot struct {
	line    string // points of the polyline
	area    string
	x, y    []float64
	ticks   []tick  // of the vertical axis
	columns []tick  // of the horizontal axis
	marks   []mark  // horizontal lines: baselines
	now     float64 // height of the newest value's name
	from    float64 // rounds at the edges
	to      float64
}

type tick struct {
	at   float64
	text string
}

type mark struct {
	y, label    float64
	text, class string
}

// plotLoss lays a loss curve out. Values are in bits per byte.
func plotLoss(l Loss) plot {
	var p plot
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range l.Points {
		low, high = min(low, v.Bits), max(high, v.Bits)
	}
	if l.All() {
		for _, v := range []float64{l.Bigram, l.Gzip} {
			if v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if low > high {
		return p
	}
	low, high, step, digits := l.scale(low, high)
	p.from, p.to = l.edges()
	atX := func(round float64) float64 {
		return chartLeft + (round-p.from)/(p.to-p.from)*(chartWidth-chartLeft-chartRight)
	}
	atY := func(v float64) float64 {
		return chartTop + (high-v)/(high-low)*(chartHeight-chartTop-chartBottom)
	}
	var points []string
	for _, v := range l.Points {
		x, y := atX(float64(v.Round)), atY(v.Bits)
		p.x, p.y = append(p.x, x), append(p.y, y)
		points = append(points, fmt.Sprintf("%.1f,%.1f", x, y))
	}
	p.line = strings.Join(points, " ")
	if len(p.x) > 1 {
		p.area = fmt.Sprintf("%.1f,%d %s %.1f,%d", p.x[0], chartHeight-chartBottom, p.line, p.x[len(p.x)-1], chartHeight-chartBottom)
	}
	for v := math.Ceil(low/step) * step; v <= high+1e-9; v += step {
		p.ticks = append(p.ticks, tick{atY(v), Fixed(v, digits)})
	}
	every := max(1, int(niceStep((p.to-p.from+1)/6)))
	for r := (int(p.from) + every - 1) / every * every; r <= int(p.to); r += every {
		p.columns = append(p.columns, tick{atX(float64(r)), Decimal(r)})
	}
	if l.Bigram > 0 && l.Bigram <= high && l.Bigram >= low {
		p.marks = append(p.marks, mark{y: atY(l.Bigram), text: "bigram " + Fixed(l.Bigram, 2), class: "mark-a"})
	}
	if l.Gzip > 0 && l.Gzip <= high && l.Gzip >= low {
		p.marks = append(p.marks, mark{y: atY(l.Gzip), text: "gzip " + Fixed(l.Gzip, 2), class: "mark-b"})
	}
	p.spread()
	return p
}

// scale rounds the vertical axis outwards: to halves for the whole course, to
// its own steps for a part of it, which may be flat.
func (l Loss) scale(low, high float64) (from, to, step float64, digits int) {
	if l.All() {
		low, high = math.Floor(low*2)/2, math.Ceil(high*2)/2
		if high == low {
			high += 0.5
		}
		return low, high, niceStep((high - low) / 4), 1
	}
	step = niceStep(max(high-low, 0.004) / 4)
	low, high = math.Floor(low/step-1e-9)*step, math.Ceil(high/step+1e-9)*step
	if digits = int(math.Ceil(-math.Log10(step) - 1e-9)); digits < 1 {
		digits = 1
	}
	return low, high, step, digits
}

// edges are the rounds at the left and right edges.
func (l Loss) edges() (from, to float64) {
	if l.All() {
		return 1, float64(max(2, int(l.Of), len(l.Points)))
	}
	first, last := l.bounds(l.Closed)
	return float64(first), float64(max(first+1, last))
}

// spread keeps the names of lines apart from one another and, at the right
// edge, from the newest value.
func (p *plot) spread() {
	const apart = 14
	for i := range p.marks {
		p.marks[i].label = p.marks[i].y + 4
	}
	order := make([]*float64, 0, len(p.marks)+1)
	for i := range p.marks {
		order = append(order, &p.marks[i].label)
	}
	if n := len(p.x); n > 0 && p.x[n-1] > chartWidth-chartRight-50 {
		p.now = p.y[n-1] + 5
		order = append(order, &p.now)
	} else if n > 0 {
		p.now = p.y[n-1] + 5
	}
	slices.SortStableFunc(order, func(a, b *float64) int { return cmp.Compare(*a, *b) })
	for i := 1; i < len(order); i++ {
		*order[i] = max(*order[i], *order[i-1]+apart)
	}
	// What was pushed below the picture goes up again, and pushes.
	for i, limit := len(order)-1, float64(chartHeight-chartBottom); i >= 0; i-- {
		*order[i] = min(*order[i], limit)
		limit = *order[i] - apart
	}
}

// niceStep rounds to 1, 2 or 5 times a power of ten.
func niceStep(x float64) float64 {
	if x <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if x <= m*power {
			return m * power
		}
	}
	return 10 * power
}

// summary says in words what a loss chart shows.
func (l Loss) summary() string {
	if len(l.Points) == 0 && !l.All() && l.Closed > 0 {
		return "No closed round is among those that were asked for."
	}
	if len(l.Points) == 0 {
		return "No round has closed yet. The curve begins with the first one."
	}
	if l.Newest().Bits == 0 {
		return ""
	}
	first, last := l.Points[0], l.Newest()
	s := fmt.Sprintf("Loss on held-out text of rung %d (%s): %s bits per byte before round %d, %s before round %d of %d.",
		l.Rung, l.Name, Fixed(first.Bits, 3), first.Round, Fixed(last.Bits, 3), last.Round, l.Of)
	if l.Bigram > 0 {
		s += " A byte-bigram model needs " + Fixed(l.Bigram, 2) + "."
	}
	if l.Gzip > 0 {
		s += " gzip needs " + Fixed(l.Gzip, 2) + "."
	}
	if shown := l.shown(); shown != "" {
		s += " " + shown
	}
	return s
}

// Sizes of the picture of the money.
const (
	flowWidth  = 860
	flowHeight = 250
	flowBar    = 14
	flowTop    = 34
	flowGap    = 3
)

// band is one part of a flow laid out: a bar at its outer end and a ribbon to
// the total in the middle.
type band struct {
	Part
	x, y, h float64 // of the bar
	text    float64 // height of its name
	ribbon  string  // path
	label   bool    // wide enough to be named
}

// layBands stacks parts beside a bar of their total; left or right of it.
func layBands(parts []Part, centre, outer float64, right bool) []band {
	var total float64
	n := 0
	for _, p := range parts {
		total += float64(p.Amount)
		if p.Amount > 0 {
			n++
		}
	}
	if total == 0 {
		return nil
	}
	room := float64(flowHeight - flowTop - 16)
	inner := float64(flowTop)
	spare := room - float64(max(0, n-1))*flowGap
	y := float64(flowTop)
	bands := make([]band, 0, n)
	last := -100.0
	for _, p := range parts {
		if p.Amount == 0 {
			continue
		}
		h := spare * float64(p.Amount) / total
		ih := room * float64(p.Amount) / total
		b := band{Part: p, x: outer, y: y, h: max(h, 1)}
		from, to := centre, outer+flowBar
		if right {
			from, to = centre+flowBar, outer
		}
		mid := (from + to) / 2
		b.ribbon = fmt.Sprintf("M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f L%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f Z",
			from, inner, mid, inner, mid, y, to, y, to, y+b.h, mid, y+b.h, mid, inner+ih, from, inner+ih)
		b.text = max(y+h/2+4, last+15)
		b.label = b.text < flowHeight-2
		last = b.text
		bands = append(bands, b)
		y, inner = y+h+flowGap, inner+ih
	}
	return bands
}

// at prints a position.
func at(x float64) string { return Fixed(x, 1) }
