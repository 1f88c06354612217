package planner

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/planner/pipeline"
	"github.com/crescendo-network/crescendo/program"
)

// MethodPlan is the link both ways, in Gbit/s, from which a way of training a
// rung together reaches a utilisation; 0: none does.
type MethodPlan struct {
	Method string     `json:"method"`
	Bits   float64    `json:"bits_per_parameter"` // that a site sends each time
	Every  int        `json:"every_steps"`
	Gbps   [3]float64 `json:"gbps_for_50_80_95_percent"`
}

var methodTargets = [3]float64{0.50, 0.80, 0.95}

// Methods compares ways of training one rung, counted from 1, with the sites
// and the latency that are assumed. All but the programme's own exchange by a
// ring all-reduce, in which each of M sites sends 2(M-1)/M times the data, in
// bfloat16 or four bits; whether a method learns as well is not its subject.
func Methods(spec program.Spec, rung int, assumed Assumptions) ([]MethodPlan, error) {
	if rung < 1 || rung > len(spec.Rungs) {
		return nil, crescendo.Errorf(crescendo.CodeNotFound, "compare methods: there is no rung %d", rung)
	}
	if err := assumed.check(); err != nil {
		return nil, err
	}
	w := newWork(spec, rung-1, assumed)
	_, own, err := w.pipeline()
	if err != nil {
		return nil, err
	}
	unjudged := own
	unjudged.Name, unjudged.Pause = "this programme, links alone", 0
	own.Name = "this programme, judging included"
	ring := 2 * (w.sites - 1) / w.sites
	every := own.Every
	model := pipeline.Model{Layers: int(w.rung.Model.Layers), Parameters: uint64(w.n), Step: max(duration(w.computing()/float64(every)), 3*duration(1e-6))}
	four := pipeline.Streaming(every, 1, 4*ring)
	four.Name += ", 4 bits"
	ways := []pipeline.Method{
		pipeline.DataParallel(16 * ring), pipeline.DiLoCo(every, 16*ring), pipeline.Streaming(every, 0, 16*ring),
		pipeline.Streaming(every, 1, 16*ring), four, unjudged, own,
	}
	var out []MethodPlan
	for _, how := range ways {
		m := model
		if how.Whole {
			m.Layers = 1
		} else {
			how.Fragment = min(how.Fragment, m.Layers)
		}
		p := MethodPlan{Method: how.Name, Bits: figures(how.Bits), Every: how.Every}
		for i, target := range methodTargets {
			if bits, err := pipeline.Required(m, how, w.pipe(1), target); err == nil {
				p.Gbps[i] = figures(float64(bits) / 1e9)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// WriteMethods prints the comparison for people.
func WriteMethods(w io.Writer, rung int, methods []MethodPlan) {
	fmt.Fprintf(w, "rung %d: link both ways from which sites compute 50, 80, 95 %% of the time\n\n", rung)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, m := range methods {
		fmt.Fprintf(tw, "%.2f bits\tevery %d\t", m.Bits, m.Every)
		for _, g := range m.Gbps {
			text := "-"
			if g > 0 {
				text = LinkText(g * 1000)
			}
			fmt.Fprintf(tw, "%s\t", text)
		}
		fmt.Fprintf(tw, "  %s\n", m.Method)
	}
	tw.Flush()
}
