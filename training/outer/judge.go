package outer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/r0"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/training/assign"
	"github.com/crescendo-network/crescendo/training/delta"
)

// Why a payload is refused in a vote.
const (
	FaultNonCanonical = "non-canonical payload"
	FaultTooLong      = "norm is not finite"
	FaultNotFinite    = "loss is not finite"
)

const (
	// ClipFactor times the median norm is the longest a delta may be; longer
	// ones are scaled down to it.
	ClipFactor = 4

	// worstLoss stands for a base whose loss is not finite, in micro-nats per
	// target; it is above the loss of uniform guessing over any vocabulary.
	worstLoss = 20_000_000

	// lossBatch bounds the sequences in one forward pass.
	lossBatch = 8
)

// Submission is one trainer's payload of the round.
type Submission struct {
	Trainer crescendo.Account
	Payload []byte
}

// Ballot is what Judge decides over.
type Ballot struct {
	Round       crescendo.Round
	Base        []float32 // parameters of the round's base
	Error       []float32 // the aggregator's, before this round
	Draw        crescendo.Hash
	HeldOut     Windows
	Submissions []Submission
}

// Verdict is a vote and the blobs that it names.
type Verdict struct {
	Vote            evaluation.Vote
	Update          []byte // what is added to the base, coded like a payload
	Checkpoint      []byte
	AggregatorError []byte
	Params          []float32 // of the checkpoint
	Error           []float32 // of the aggregator, after this round
}

// Judge scores every payload on held-out sequences, averages those that help,
// and codes the average; what the code loses is kept as the aggregator's
// error. A payload is scored at the weight it would have in the average of all:
// one delta of n at full length overshoots late in a run, so that honest work
// would be refused for what the average never does. The model's parameters are overwritten. Sum names a blob.
func Judge(ctx context.Context, model engine.Model, p Plan, b Ballot, sum func([]byte) crescendo.Hash) (Verdict, error) {
	j := judge{model: model, plan: p, base: b.Base, decoded: make([]float32, len(b.Base))}
	if len(b.Base) != p.Shape.Parameters() || len(b.Error) != len(b.Base) || model.Shape() != p.Shape {
		return Verdict{}, fmt.Errorf("judge round %d: %w: vectors of another model", b.Round, ErrTask)
	}
	windows := assign.HeldOut(b.Draw, int(p.HeldOut), b.HeldOut.Windows())
	var err error
	if j.tokens, err = Gather(ctx, nil, b.HeldOut, windows, p.Shape.Context); err != nil {
		return Verdict{}, fmt.Errorf("judge round %d: %w", b.Round, err)
	}
	targets := uint64(len(windows)) * uint64(p.Shape.Context)
	subs := slices.SortedFunc(slices.Values(b.Submissions), func(x, y Submission) int {
		return compareAccounts(x.Trainer, y.Trainer)
	})
	copy(model.Params(), b.Base)
	before, finite, err := j.loss()
	if err != nil {
		return Verdict{}, fmt.Errorf("judge round %d: %w", b.Round, err)
	}
	if !finite {
		before = crescendo.MicroNats(targets * worstLoss)
	}
	v := Verdict{Vote: evaluation.Vote{Before: before, Targets: targets}}
	weights := j.weigh(subs)
	j.share = 1 / float32(max(1, len(subs)))
	for i, s := range subs {
		score, err := j.score(s, weights[i])
		if err != nil {
			return Verdict{}, fmt.Errorf("judge round %d: %s: %w", b.Round, s.Trainer, err)
		}
		v.Vote.Scores = append(v.Vote.Scores, score)
	}
	evaluation.MarkIncluded(&v.Vote)
	if err := j.aggregate(&v, b, subs, weights); err != nil {
		return Verdict{}, fmt.Errorf("judge round %d: %w", b.Round, err)
	}
	v.Vote.Update, v.Vote.Checkpoint, v.Vote.Error = sum(v.Update), sum(v.Checkpoint), sum(v.AggregatorError)
	return v, nil
}

func compareAccounts(a, b crescendo.Account) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

type judge struct {
	model   engine.Model
	plan    Plan
	base    []float32
	decoded []float32
	tokens  []int32
	share   float32 // of one payload in the average of all
}

// loss sums over all sequences drawn, for the parameters the model has now.
func (j *judge) loss() (sum crescendo.MicroNats, finite bool, err error) {
	length := j.plan.Shape.Context + 1
	for at := 0; at < len(j.tokens); at += lossBatch * length {
		part := j.tokens[at:min(at+lossBatch*length, len(j.tokens))]
		losses, err := j.model.Loss(part, len(part)/length, j.plan.Shape.Context)
		if errors.Is(err, engine.ErrNotFinite) {
			return 0, false, nil
		} else if err != nil {
			return 0, false, err
		}
		for _, l := range losses {
			sum += crescendo.MicroNats(l)
		}
	}
	return sum, true, nil
}

// A weight is what a submission is multiplied by, or why it is refused.
type weight struct {
	factor float32
	fault  string
}

// weigh decodes every submission for its norm, and clips the long ones. The
// median is the lower one, over deltas that are not all zero.
func (j *judge) weigh(subs []Submission) []weight {
	weights := make([]weight, len(subs))
	norms := make([]float64, len(subs))
	var positive []float64
	for i, s := range subs {
		if delta.Decode(j.plan.Codec, j.plan.Layout, s.Payload, j.decoded) != nil {
			weights[i].fault = FaultNonCanonical
			continue
		}
		norms[i] = r0.Norm(j.decoded)
		switch {
		case norms[i] > math.MaxFloat64:
			weights[i].fault = FaultTooLong
		case norms[i] > 0:
			positive = append(positive, norms[i])
		}
	}
	slices.Sort(positive)
	for i := range subs {
		weights[i].factor = 1
		if len(positive) == 0 {
			continue
		}
		if limit := float64(ClipFactor * positive[(len(positive)-1)/2]); norms[i] > limit {
			weights[i].factor = float32(limit / norms[i])
		}
	}
	return weights
}

// load decodes a sound submission, clipped.
func (j *judge) load(s Submission, w weight) error {
	if err := delta.Decode(j.plan.Codec, j.plan.Layout, s.Payload, j.decoded); err != nil {
		return err
	}
	if w.factor != 1 {
		r0.Scale(j.decoded, w.factor)
	}
	return nil
}

func (j *judge) score(s Submission, w weight) (evaluation.Score, error) {
	score := evaluation.Score{Trainer: s.Trainer, Fault: w.fault}
	if w.fault != "" {
		return score, nil
	}
	if err := j.load(s, w); err != nil {
		return score, err
	}
	r0.Combine(j.model.Params(), 1, j.base, j.share, j.decoded)
	after, finite, err := j.loss()
	if err != nil {
		return score, err
	}
	if score.After = after; !finite {
		score.Fault = FaultNotFinite
	}
	return score, nil
}

// aggregate adds the mean of the included deltas to the aggregator's error,
// codes the sum, and moves base and error by what the code says.
func (j *judge) aggregate(v *Verdict, b Ballot, subs []Submission, weights []weight) error {
	mean := make([]float32, len(b.Base))
	n := 0
	for i, s := range subs {
		if !v.Vote.Scores[i].Include {
			continue
		}
		if err := j.load(s, weights[i]); err != nil {
			return err
		}
		r0.Axpy(mean, 1, j.decoded)
		n++
	}
	if n > 0 {
		r0.Scale(mean, 1/float32(n))
	}
	v.Error = slices.Clone(b.Error)
	r0.Axpy(v.Error, 1, mean)
	var err error
	if v.Update, err = delta.Encode(j.plan.Codec, j.plan.Layout, v.Error); err != nil {
		return err
	}
	if err := delta.Decode(j.plan.Codec, j.plan.Layout, v.Update, j.decoded); err != nil {
		return err
	}
	r0.Combine(v.Error, 1, v.Error, -1, j.decoded)
	v.Params = slices.Clone(b.Base)
	r0.Combine(v.Params, 1, v.Params, 1, j.decoded)
	if v.Checkpoint, err = EncodeCheckpoint(j.plan.Shape, Vector{j.plan.Rung, b.Round, v.Params}); err != nil {
		return err
	}
	v.AggregatorError, err = EncodeError(j.plan.Shape, Vector{j.plan.Rung, b.Round, v.Error})
	return err
}

// Advance returns the checkpoint that an update makes of the base before it:
// what a trainer does instead of fetching a whole checkpoint.
func Advance(p Plan, round crescendo.Round, base []float32, update []byte) (params []float32, checkpoint []byte, err error) {
	params = make([]float32, len(base))
	if err := delta.Decode(p.Codec, p.Layout, update, params); err != nil {
		return nil, nil, fmt.Errorf("advance to the base after round %d: %w", round, err)
	}
	r0.Combine(params, 1, base, 1, params)
	checkpoint, err = EncodeCheckpoint(p.Shape, Vector{p.Rung, round, params})
	return params, checkpoint, err
}
