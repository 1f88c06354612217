package outer

import (
	"context"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
)

// halfMillion is the default programme's first rung.
func halfMillion(b *testing.B) Plan {
	s := spec("q2")
	s.Corpus.Vocabulary = 4096
	s.Evaluation.Sequences = 16
	s.Rungs[0].Model = program.Model{Dim: 64, Layers: 5, Heads: 2, KVHeads: 2, FFN: 176, Context: 128, Tied: true}
	s.Rungs[0].Training.Steps, s.Rungs[0].Training.Rounds, s.Rungs[0].Training.Eager = 20, 61, 5
	p, err := PlanOf(s, 1)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkRound works one trainer's round at half a million parameters, from a
// carried state.
func BenchmarkRound(b *testing.B) {
	p := halfMillion(b)
	w := worker(b, p)
	base, _ := initial(b, p)
	task := Task{Round: 1, Trainer: "a", Base: base}
	payload, end, err := Work(context.Background(), w, task)
	must(b, err)
	task.Round, task.Start, task.Eager = 2, end, 5
	for b.Loop() {
		_, end, err = Work(context.Background(), w, task)
		must(b, err)
	}
	b.ReportMetric(float64(p.Tokens())*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
	b.ReportMetric(float64(len(payload)), "payload-bytes")
	b.ReportMetric(float64(len(mustState(b, p, end))), "state-bytes")
}

// BenchmarkJudge judges five payloads on 16 sequences.
func BenchmarkJudge(b *testing.B) {
	p := halfMillion(b)
	w := worker(b, p)
	base, aggregatorError := initial(b, p)
	payload, _, err := Work(context.Background(), w, Task{Round: 1, Trainer: "a", Base: base})
	must(b, err)
	ballot := Ballot{Round: 1, Base: base, Error: aggregatorError, HeldOut: heldOut(p)}
	for _, a := range []crescendo.Account{"a", "b", "c", "d", "e"} {
		ballot.Submissions = append(ballot.Submissions, Submission{a, payload})
	}
	m := model(b, p)
	for b.Loop() {
		if _, err := Judge(context.Background(), m, p, ballot, sum); err != nil {
			b.Fatal(err)
		}
	}
}
