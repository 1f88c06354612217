package program_test

import (
	"fmt"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/bank"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
)

// BenchmarkRound plays rounds of a full rung: 256 trainers, 7 evaluators. The
// longest block is the one that bounds a validator.
func BenchmarkRound(b *testing.B) {
	const seats = 256
	spec := testSpec()
	spec.Rungs = spec.Rungs[:1]
	t := &spec.Rungs[0].Training
	t.Seats, t.Rounds, t.Probation, t.AuditPerMille = seats, program.MaxRounds, 0, 0
	p := newPlayer(b, spec)
	var trainers []crescendo.Account
	purses := map[crescendo.Account]crescendo.Amount{}
	for _, a := range people {
		purses[a] = 1_000_000
	}
	for i := range seats {
		trainers = append(trainers, crescendo.Account(fmt.Sprintf("trainer%03d", i)))
		purses[trainers[i]] = 1_000_000
	}
	panel := []crescendo.Account{"val", "wes", "xia", "fay", "gus", "eve", "dan"}
	p.Bank, _ = bank.New(purses)
	for _, e := range panel {
		p.must(&evaluation.MsgRegister{Sender: e})
	}
	p.raise(1, "fred", "gina")
	p.start(1, trainers...)
	b.ResetTimer()
	for b.Loop() {
		for _, a := range trainers {
			p.must(p.commit(1, a))
		}
		p.end()
		round := p.run(1).Round
		for _, a := range trainers {
			r := p.reveals[a]
			p.must(&r)
		}
		for _, e := range panel {
			p.must(&training.MsgAttest{Sender: e, Rung: 1, Round: round, Attempt: p.run(1).Attempt, Trainers: trainers})
		}
		p.end()
		for _, e := range panel {
			p.must(p.commitVote(1, e, p.vote(1, nil)))
		}
		p.end()
		for _, e := range panel {
			m := p.votes[e]
			p.must(&m)
		}
		p.end()
		p.events = nil
	}
}

// BenchmarkQuietBlock is the end of a block in which nothing happens in a full
// rung.
func BenchmarkQuietBlock(b *testing.B) {
	p := newPlayer(b, testSpec())
	for _, e := range evaluators {
		p.must(&evaluation.MsgRegister{Sender: e})
	}
	p.raise(1, "fred", "gina")
	p.start(1, honest...)
	for b.Loop() {
		if _, err := p.rules.EndBlock(p.Env, p.Store); err != nil {
			b.Fatal(err)
		}
	}
}
