// Package plan is the hub's page on what a ladder takes: the planner with
// sliders. It reckons on the server, within bounds, works without JavaScript,
// and shows the same figures as `crescendo program plan`.
//
// plan_templ.go is generated from plan.templ by `make templ`.
package plan

import (
	"slices"

	"github.com/crescendo-network/crescendo/planner"
	"github.com/crescendo-network/crescendo/program"
)

// Programme is a ladder that can be looked at.
type Programme struct {
	Key   string // in the address
	Title string
	Spec  program.Spec
}

// control is one input of the form.
type control struct {
	planner.Assumption
	Low, High, Step float64  // of a slider; Step 0: not a slider
	Options         []string // of a choice
}

// slider says how an assumption is slid: the usual values, not all allowed ones.
type slider struct {
	name            string
	low, high, step float64
}

var sliders = []slider{
	{"mfu", 0.10, 0.70, 0.01}, {"goodput", 0.50, 1, 0.01}, {"contributors", 0, 400, 1}, {"evaluator-size", 1, 64, 1},
	{"moe-active", 0.01, 0.5, 0.005}, {"latency", 0, 1000, 10}, {"tokens-per-parameter", 5, 200, 1},
}

// links are offered for the links, whose useful values are no even steps.
var links = []string{"100", "300", "1000", "2500", "10000", "25000", "100000", "400000"}

// controls splits the assumptions into those everybody wants to move and the
// rest.
func controls(all planner.Assumptions) (main, rest []control) {
	gpu := ""
	for _, a := range all {
		if a.Name == "gpu" {
			gpu = a.Text()
		}
	}
	for _, a := range all {
		c := control{Assumption: a, Options: a.Choices}
		switch {
		case a.Name == "gpu":
		case a.Name == "node-link", a.Name == "site-link", a.Name == "evaluator-link":
			if slices.Contains(links, a.Text()) {
				c.Options = links
			}
		case a.Name == "gpu-price-"+gpu:
			c.slide(slider{a.Name, 0.05, 10, 0.01})
		default:
			i := slices.IndexFunc(sliders, func(s slider) bool { return s.name == a.Name })
			if i < 0 {
				rest = append(rest, c)
				continue
			}
			c.slide(sliders[i])
		}
		main = append(main, c)
	}
	return main, rest
}

// slide makes the control a slider if its value can be kept: a browser moves
// a value that is no step to the nearest one.
func (c *control) slide(s slider) {
	steps := (c.Value - s.low) / s.step
	if c.Value < s.low || c.Value > s.high || steps-float64(int(steps+0.5)) > 1e-6 || float64(int(steps+0.5))-steps > 1e-6 {
		return
	}
	c.Low, c.High, c.Step = s.low, s.high, s.step
}

// bar is a rung in the picture, in thousandths of its width.
type bar struct {
	planner.Rung
	Cost, Raise float64
}

func bars(l planner.Ladder) []bar {
	most := 1.0
	for _, r := range l.Rungs {
		most = max(most, r.Dollars, r.RaiseDollars)
	}
	out := make([]bar, 0, len(l.Rungs))
	for _, r := range l.Rungs {
		out = append(out, bar{r, 1000 * r.Dollars / most, 1000 * r.RaiseDollars / most})
	}
	return out
}
