// Package plan estimates what a programme's rungs cost on this machine: time,
// memory, tokens per parameter. The estimates are shown before anything is
// spent, and decide which rungs one machine plays; a rung that does not fit
// stays announced and waits for others. They promise nothing.
package plan

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/program"
)

// Machine is what the rungs have to fit.
type Machine struct {
	Cores  int
	Memory uint64  // bytes, for all processes together; 0: unknown
	FLOPS  float64 // training arithmetic one core does per second, measured
}

// Crew is how many of each seat the machine runs itself.
type Crew struct{ Trainers, Evaluators int }

// CrewOf tells who works in each rung of a programme played by so many
// trainers and evaluators: all in the first, as many as are kept later. A
// programme without a demo is estimated with the fewest it allows.
func CrewOf(spec program.Spec, trainers, evaluators int) func(rung int) Crew {
	return func(rung int) Crew {
		t := spec.Rungs[rung].Training
		c := Crew{Trainers: trainers, Evaluators: max(evaluators, int(spec.Evaluation.MinEvaluators))}
		if rung > 0 {
			c.Trainers = min(c.Trainers, int(spec.Rungs[rung-1].Training.Keep))
		}
		c.Trainers = max(c.Trainers, int(t.MinTrainers))
		return c
	}
}

// Patience is the longest rung a machine is asked to train alone.
const Patience = 24 * time.Hour

// Bytes a process needs per parameter: weights, gradients, two optimizer
// moments, carried state, error feedback, base, and a payload or two.
const (
	trainerBytes   = 36
	evaluatorBytes = 48
	processBytes   = 40 << 20 // of a process that trains nothing yet
	otherBytes     = 500 << 20
)

// Rung is the estimate for one rung.
type Rung struct {
	Rung               int           `json:"rung"`
	Name               string        `json:"name"`
	Parameters         uint64        `json:"parameters"`
	ActiveParameters   uint64        `json:"active_parameters,omitempty"` // that a token uses, of a mixture of experts only
	Tokens             uint64        `json:"tokens"`
	TokensPerParameter float64       `json:"tokens_per_parameter"`
	Time               time.Duration `json:"-"`
	Seconds            int64         `json:"seconds"`
	Memory             uint64        `json:"memory_bytes"`
	Fits               bool          `json:"fits"`
	Waiting            string        `json:"waiting,omitempty"` // why it does not fit
}

// Rungs estimates all rungs of a programme.
func Rungs(spec program.Spec, crew func(rung int) Crew, m Machine) []Rung {
	var out []Rung
	for i := range spec.Rungs {
		out = append(out, estimate(spec, i, crew(i), m))
	}
	return out
}

func estimate(spec program.Spec, i int, crew Crew, m Machine) Rung {
	rung := spec.Rungs[i]
	r := Rung{
		Rung: i + 1, Name: rung.Name,
		Parameters: spec.Parameters(i),
		Tokens:     rung.Tokens(uint32(crew.Trainers)),
	}
	if rung.Model.Mixture() {
		r.ActiveParameters = spec.ActiveParameters(i)
	}
	r.TokensPerParameter = float64(r.Tokens) / float64(r.Parameters)
	r.Memory = otherBytes + uint64(crew.Trainers+crew.Evaluators)*processBytes +
		r.Parameters*uint64(crew.Trainers*trainerBytes+crew.Evaluators*evaluatorBytes)
	if m.FLOPS > 0 {
		r.Time = time.Duration(arithmetic(spec, i, crew, r) / (m.FLOPS * float64(m.Cores)) * float64(time.Second))
	}
	r.Seconds = int64(r.Time / time.Second)
	switch {
	case m.Memory > 0 && r.Memory > m.Memory:
		r.Waiting = fmt.Sprintf("waiting for GPU islands: wants %s of memory, here are %s", bytesText(r.Memory), bytesText(m.Memory))
	case r.Time > Patience:
		r.Waiting = fmt.Sprintf("waiting for GPU islands: %s here", durationText(r.Time))
	default:
		r.Fits = true
	}
	return r
}

// arithmetic counts floating-point operations: six per parameter that a token
// uses and trained token, as much again for the share of windows that is
// replayed, two per parameter and scored token.
func arithmetic(spec program.Spec, i int, crew Crew, r Rung) float64 {
	t := spec.Rungs[i].Training
	replayed := float64(t.AuditPerMille) / 1000
	if t.Rounds > 0 {
		probation := float64(min(t.Probation, t.Rounds)) / float64(t.Rounds)
		replayed = probation + (1-probation)*replayed
	}
	perToken := float64(spec.ActiveParameters(i))
	trained := 6 * perToken * float64(r.Tokens) * (1 + replayed)
	scored := 2 * perToken * float64(spec.Evaluation.Sequences) * float64(spec.Rungs[i].Model.Context) *
		float64(t.Rounds) * float64(crew.Trainers+1) * float64(crew.Evaluators)
	return trained + scored
}

// Measure times training steps of a small model on one core.
func Measure(e engine.Engine, s engine.Shape) (float64, error) {
	m, err := e.New(s)
	if err != nil {
		return 0, fmt.Errorf("measure engine: %w", err)
	}
	e.Init(m, 1)
	const batch = 4
	seq := s.Context
	tokens := make([]int32, batch*(seq+1))
	for i := range tokens {
		tokens[i] = int32(i*7919) % int32(s.Vocab)
	}
	o := engine.DefaultOptimizer(100)
	best := time.Duration(1<<63 - 1)
	for step := range 3 {
		began := time.Now()
		if _, err := m.Step(tokens, batch, seq, o, step); err != nil {
			return 0, fmt.Errorf("measure engine: %w", err)
		}
		best = min(best, time.Since(began))
	}
	return 6 * float64(s.ActiveParameters()) * float64(batch*seq) / best.Seconds(), nil
}

// Write prints the estimates for people.
func Write(w io.Writer, rungs []Rung, m Machine) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "rung\tparameters\ttokens\tper parameter\ttime here\tmemory\t")
	for _, r := range rungs {
		state := "plays here"
		if !r.Fits {
			state = r.Waiting
		}
		parameters := countText(r.Parameters)
		if r.ActiveParameters > 0 {
			parameters += ", " + countText(r.ActiveParameters) + " a token"
		}
		fmt.Fprintf(tw, "%d %s\t%s\t%s\t%.1f\t%s\t%s\t%s\n", r.Rung, r.Name, parameters, countText(r.Tokens),
			r.TokensPerParameter, durationText(r.Time), bytesText(r.Memory), state)
	}
	tw.Flush()
	if m.FLOPS > 0 {
		fmt.Fprintf(w, "this machine: %d cores at %.0f GFLOP/s each, %s of memory\n", m.Cores, m.FLOPS/1e9, bytesText(m.Memory))
	}
}

func countText(n uint64) string {
	for _, u := range []struct {
		unit string
		size float64
	}{{"T", 1e12}, {"B", 1e9}, {"M", 1e6}, {"k", 1e3}} {
		if float64(n) >= u.size {
			return fmt.Sprintf("%.3g%s", float64(n)/u.size, u.unit)
		}
	}
	return fmt.Sprint(n)
}

func bytesText(n uint64) string {
	for _, u := range []struct {
		unit string
		size float64
	}{{"PiB", 1 << 50}, {"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}} {
		if float64(n) >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/u.size, u.unit)
		}
	}
	return fmt.Sprintf("%d B", n)
}

func durationText(d time.Duration) string {
	switch {
	case d == 0:
		return "?"
	case d < time.Minute:
		return "under a minute"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int((d+time.Minute/2)/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f hours", d.Hours())
	case d < 2*365*24*time.Hour:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
	return fmt.Sprintf("%.3g years", d.Hours()/24/365)
}
