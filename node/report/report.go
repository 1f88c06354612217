// Package report sums up what a programme's rungs have done, from the
// ledger's state and the blobs it names: the JSON object of `crescendo up
// --exit`, the table of `crescendo program show`. Whoever runs it on the same
// height gets the same numbers.
package report

import (
	"context"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/training"
)

// Programme is the summary of a whole run.
type Programme struct {
	ChainID         string  `json:"chain_id"`
	Seconds         float64 `json:"seconds"`
	SupplyConserved bool    `json:"supply_conserved"`
	Rungs           []Rung  `json:"rungs"`
}

// Rung is the summary of one rung. Losses are in nats per held-out token.
type Rung struct {
	Rung              crescendo.RungID    `json:"rung"`
	Name              string              `json:"name"`
	Stage             string              `json:"stage"`
	Parameters        uint64              `json:"parameters"`
	Raised            crescendo.Amount    `json:"raised"`
	Reinvested        crescendo.Amount    `json:"reinvested"`
	Trainers          int                 `json:"trainers"`
	Rounds            int                 `json:"rounds"`
	VoidRounds        uint32              `json:"void_rounds"`
	Tokens            uint64              `json:"tokens"`
	LossFirst         float64             `json:"loss_first"`
	LossLast          float64             `json:"loss_last"`
	BitsPerByte       float64             `json:"bits_per_byte"`
	BitsPerByteBigram float64             `json:"bits_per_byte_bigram"`
	Kept              []crescendo.Account `json:"kept"`
	Dropped           []crescendo.Account `json:"dropped"`
	Checkpoint        crescendo.Hash      `json:"checkpoint"`
	Weights           string              `json:"weights"`
	Requests          uint64              `json:"requests"`
	TokensServed      uint64              `json:"tokens_served"`
	Revenue           crescendo.Amount    `json:"revenue"`
	Paid              Paid                `json:"paid"`
}

// Paid is where a rung's revenue went. The five parts add up to it.
type Paid struct {
	Operators    crescendo.Amount `json:"operators"`
	Holders      crescendo.Amount `json:"holders"`
	Contributors crescendo.Amount `json:"contributors"`
	NextRung     crescendo.Amount `json:"next_rung"`
	Remainder    crescendo.Amount `json:"remainder"`
}

// Losses measures checkpoints; nil leaves the losses out.
type Losses interface {
	// Measure returns the held-out loss of a checkpoint of a rung in nats per
	// token and bits per byte, and the bits per byte of the corpus's baseline.
	Measure(ctx context.Context, spec program.Spec, rung crescendo.RungID, corpus, checkpoint crescendo.Hash) (nats, bitsPerByte, bigram float64, err error)
}

// RungOf sums up one rung.
func RungOf(ctx context.Context, r kv.Reader, spec program.Spec, rung crescendo.RungID, losses Losses) (Rung, error) {
	spec, err := spec.Planned(r, rung)
	if err != nil {
		return Rung{}, fmt.Errorf("sum up rung %d: %w", rung, err)
	}
	out, err := fromState(r, spec, rung)
	if err != nil {
		return Rung{}, fmt.Errorf("sum up rung %d: %w", rung, err)
	}
	if losses == nil {
		return out, nil
	}
	run, err := training.Runs.Get(r, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) || (err == nil && run.Start.IsZero()) {
		return out, nil
	}
	if err != nil {
		return Rung{}, fmt.Errorf("sum up rung %d: %w", rung, err)
	}
	if out.LossFirst, _, _, err = losses.Measure(ctx, spec, rung, run.Corpus, run.Start); err != nil {
		return Rung{}, fmt.Errorf("sum up rung %d: %w", rung, err)
	}
	out.LossLast, out.BitsPerByte, out.BitsPerByteBigram, err = losses.Measure(ctx, spec, rung, run.Corpus, out.Checkpoint)
	if err != nil {
		return Rung{}, fmt.Errorf("sum up rung %d: %w", rung, err)
	}
	return out, nil
}

func fromState(r kv.Reader, spec program.Spec, rung crescendo.RungID) (Rung, error) {
	if rung < 1 || int(rung) > len(spec.Rungs) {
		return Rung{}, crescendo.Errorf(crescendo.CodeNotFound, "the programme has %d rungs", len(spec.Rungs))
	}
	s := spec.Rungs[rung-1]
	out := Rung{
		Rung: rung, Name: s.Name, Parameters: spec.Parameters(int(rung - 1)), Weights: s.Sealing.Policy,
		Kept: []crescendo.Account{}, Dropped: []crescendo.Account{},
	}
	at, err := kv.Optional(program.Rungs.Get(r, uint32(rung)))
	if err != nil {
		return out, err
	}
	out.Stage = at.Stage.String()
	out.Kept, out.Dropped = append(out.Kept, at.Kept...), append(out.Dropped, at.Dropped...)
	raise, err := kv.Optional(funding.Raises.Get(r, uint32(rung)))
	if err != nil {
		return out, err
	}
	out.Raised, out.Reinvested = raise.Raised, raise.Reinvested
	if err := out.addTraining(r); err != nil {
		return out, err
	}
	return out, out.addServing(r)
}

func (out *Rung) addTraining(r kv.Reader) error {
	run, err := kv.Optional(training.Runs.Get(r, uint32(out.Rung)))
	if err != nil {
		return err
	}
	out.VoidRounds = run.Voids
	out.Checkpoint = run.Final
	if run.Final.IsZero() {
		out.Checkpoint = run.Base
	}
	members, err := training.Members.All(r, uint32(out.Rung))
	if err != nil {
		return err
	}
	out.Trainers = len(members)
	rounds, err := training.Rounds.All(r, uint32(out.Rung))
	if err != nil {
		return err
	}
	out.Rounds = len(rounds)
	for _, round := range rounds {
		out.Tokens += round.Value.Tokens
	}
	return nil
}

func (out *Rung) addServing(r kv.Reader) error {
	usage, err := kv.Optional(inference.Usages.Get(r, uint32(out.Rung)))
	if err != nil {
		return err
	}
	out.Requests, out.TokensServed = usage.Requests, usage.Input+usage.Output
	book, err := kv.Optional(revenue.Books.Get(r, uint32(out.Rung)))
	if err != nil {
		return err
	}
	out.Revenue = book.Received
	out.Paid = Paid{book.Operators, book.Holders, book.Contributors, book.NextRung, book.Remainder}
	return nil
}

// Burned is the money that faults have burned: trainers' and evaluators', and in
// competitions.
func Burned(r kv.Reader, rungs int) (crescendo.Amount, error) {
	var sum crescendo.Amount
	spec, err := kv.Optional(program.Specs.Get(r))
	if err != nil {
		return 0, err
	}
	for i := range spec.Rungs {
		id := crescendo.RungID(i + 1)
		for _, at := range []research.Contest{research.Contest(id), research.SeasonOf(id)} {
			terms, _, err := spec.TermsOf(at)
			if err != nil {
				return 0, err
			}
			lost, err := burnedIn(r, at, terms)
			if err != nil {
				return 0, err
			}
			sum += lost
		}
	}
	for rung := range rungs {
		members, err := training.Members.All(r, uint32(rung+1))
		if err != nil {
			return 0, err
		}
		for _, m := range members {
			sum += m.Value.Burned
		}
	}
	evaluators, err := evaluation.Evaluators.All(r)
	if err != nil {
		return 0, err
	}
	for _, e := range evaluators {
		sum += e.Value.Burned
	}
	return sum, nil
}
