// Package outer holds the arithmetic of a training round that must come out
// equal everywhere: what a trainer does with its windows (Worker, Work), how
// payloads are judged and averaged (Judge), and the blobs that carry
// checkpoints, aggregator error and trainer state from round to round.
//
// A trainer's round, its replay by an evaluator and its audit by a stranger
// are the same function over the same inputs. The package fetches nothing and
// speaks to no ledger: role/trainer and role/evaluator do. Everything is
// numeric profile R0.
package outer

import (
	"encoding/binary"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training/delta"
)

// What programmes do not choose.
const (
	adamEps           = 1e-8
	newtonSchulzSteps = 5

	// ErrorDecay multiplies a trainer's error feedback before each payload.
	ErrorDecay = 0.95
)

// Plan is everything about a rung's rounds that the programme fixes.
type Plan struct {
	Rung      crescendo.RungID
	Shape     engine.Shape
	Optimizer engine.Optimizer
	Codec     delta.Codec
	Layout    delta.Layout
	Rounds    uint32
	Steps     uint32 // inner steps per round
	Sequences uint32 // per step
	Eager     uint32 // at most so many steps before the base is known
	HeldOut   uint32 // sequences a round is scored on
	Choice    corpus.Choice
}

// PlanOf reads a rung's plan out of a programme.
func PlanOf(spec program.Spec, rung crescendo.RungID) (Plan, error) {
	if rung < 1 || int(rung) > len(spec.Rungs) {
		return Plan{}, fmt.Errorf("plan rung %d: the programme has %d rungs", rung, len(spec.Rungs))
	}
	r := spec.Rungs[rung-1]
	t := r.Training
	p := Plan{
		Rung: rung, Shape: ShapeOf(r.Model, spec.Corpus.Vocabulary), Rounds: t.Rounds,
		Steps: t.Steps, Sequences: t.Sequences, Eager: t.Eager, HeldOut: spec.Evaluation.Sequences,
		Choice: corpus.Choice{Mix: t.Mix, Filter: t.Filter, Shard: t.Shard},
	}
	if err := p.Shape.Validate(); err != nil {
		return Plan{}, fmt.Errorf("plan rung %d: %w", rung, err)
	}
	if p.Steps == 0 || p.Sequences == 0 || p.Rounds == 0 || p.HeldOut == 0 || p.Eager > p.Steps {
		return Plan{}, fmt.Errorf("plan rung %d: rounds, steps, sequences and scored sequences must be above zero, eager steps at most steps", rung)
	}
	p.Optimizer = OptimizerOf(t.Optimizer, int(t.Rounds)*int(t.Steps)+int(r.Sealing.FinalSteps))
	if err := p.Optimizer.Validate(); err != nil {
		return Plan{}, fmt.Errorf("plan rung %d: %w", rung, err)
	}
	var err error
	if p.Codec, err = delta.Parse(t.Codec); err != nil {
		return Plan{}, fmt.Errorf("plan rung %d: %w", rung, err)
	}
	if p.Layout, err = LayoutOf(p.Shape); err != nil {
		return Plan{}, fmt.Errorf("plan rung %d: %w", rung, err)
	}
	return p, nil
}

// OptimizerOf is the engine's optimizer of a programme's. The schedule runs
// over all inner steps of the rung, the sealing vault's last ones included.
func OptimizerOf(o program.Optimizer, totalSteps int) engine.Optimizer {
	if o == (program.Optimizer{}) {
		return engine.DefaultOptimizer(totalSteps)
	}
	millionths := func(n uint32) float32 { return float32(float64(n) / 1e6) }
	return engine.Optimizer{
		Kind: o.Kind, LR: millionths(o.LRMillionths), MatrixLR: millionths(o.MatrixLRMillionths),
		Beta1: millionths(o.Beta1Millionths), Beta2: millionths(o.Beta2Millionths), Eps: adamEps,
		WeightDecay: millionths(o.WeightDecayMillionths), Momentum: millionths(o.MomentumMillionths),
		Clip: millionths(o.ClipMillionths), WarmupSteps: int(uint64(totalSteps) * uint64(o.WarmupBP) / 10000),
		TotalSteps: totalSteps, FinalFraction: float32(float64(o.FinalBP) / 1e4), NewtonSchulzSteps: newtonSchulzSteps,
		Schedule: o.Schedule,
	}
}

// LayoutOf is the layout of a shape's payloads.
func LayoutOf(s engine.Shape) (delta.Layout, error) {
	var lengths []int
	for _, t := range s.Tensors() {
		lengths = append(lengths, t.Len)
	}
	return delta.NewLayout(lengths)
}

// Tokens is how many targets a trainer's round works through.
func (p Plan) Tokens() uint64 {
	return uint64(p.Steps) * uint64(p.Sequences) * uint64(p.Shape.Context)
}

// stepIndex counts a round's inner steps over the whole rung, for the schedule.
func (p Plan) stepIndex(round crescendo.Round, step uint32) int {
	return (int(round)-1)*int(p.Steps) + int(step)
}

// InitialSeed draws a rung's initial weights. It is fixed by the chain, so that
// an organiser has nothing to choose.
func InitialSeed(chainID string, rung crescendo.RungID) uint64 {
	h := digest.Sum("crescendo/training/outer/initial/v1", []byte(chainID), binary.BigEndian.AppendUint32(nil, uint32(rung)))
	return binary.LittleEndian.Uint64(h[:8])
}

// Initial makes the two blobs that training starts from if it starts from the
// rung's seed.
func Initial(chainID string, p Plan) (checkpoint, aggregatorError []byte, err error) {
	v := make([]float32, p.Shape.Parameters())
	engine.InitParams(p.Shape, v, InitialSeed(chainID, p.Rung))
	return EncodeInitial(p, v)
}

// EncodeInitial makes the two blobs that training starts from: the checkpoint of
// round zero with the given parameters, and the aggregator's empty error.
func EncodeInitial(p Plan, params []float32) (checkpoint, aggregatorError []byte, err error) {
	if checkpoint, err = EncodeCheckpoint(p.Shape, Vector{p.Rung, 0, params}); err != nil {
		return nil, nil, err
	}
	aggregatorError, err = EncodeError(p.Shape, Vector{p.Rung, 0, make([]float32, len(params))})
	return checkpoint, aggregatorError, err
}
