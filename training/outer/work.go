package outer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/r0"
	"github.com/crescendo-network/crescendo/training/assign"
	"github.com/crescendo-network/crescendo/training/delta"
)

// ErrTask means that a round cannot be worked as asked: a bug in the caller or
// a claim that no honest trainer could make.
var ErrTask = errors.New("impossible task")

// Windows is one split of a corpus, cut into sequences of context+1 tokens:
// a *corpus.Sequence.
type Windows interface {
	Windows() int
	Window(ctx context.Context, i int) ([]int32, error)
}

// Task is one trainer's round, complete: equal tasks have equal outcomes.
type Task struct {
	Round    crescendo.Round
	Trainer  crescendo.Account
	Start    *State         // nil: fresh
	Base     []float32      // parameters of the round's base
	Seed     crescendo.Hash // of the round
	Previous crescendo.Hash // seed of the round before, which eager steps draw from
	Eager    uint32         // steps done before the base was known
}

// Work does a round: eager steps from where the last round ended, the shift
// onto the new base, the remaining steps, the payload. Trainers whose steps
// come one by one use a Worker; the outcome is the same.
func Work(ctx context.Context, w *Worker, task Task) (payload []byte, end *State, err error) {
	if err := w.Load(task.Trainer, task.Start); err != nil {
		return nil, nil, err
	}
	for range task.Eager {
		if err := w.EagerStep(ctx, task.Round, task.Previous); err != nil {
			return nil, nil, err
		}
	}
	if err := w.Begin(task.Round, task.Base, task.Seed); err != nil {
		return nil, nil, err
	}
	for !w.Done() {
		if err := w.Step(ctx); err != nil {
			return nil, nil, err
		}
	}
	return w.Finish()
}

// Worker is a model in training with what surrounds it. It is not safe for
// concurrent use. After Finish it stands at the state that Finish returned, so
// that the next round's eager steps may follow at once.
type Worker struct {
	plan  Plan
	model engine.Model
	data  Windows

	trainer  crescendo.Account
	fresh    bool
	round    crescendo.Round // of the steps being done
	end      []float32       // parameters the last round ended with; meaningless if fresh
	feedback []float32
	base     []float32 // nil before Begin
	seed     crescendo.Hash
	eager    uint32
	steps    uint32 // done in this round, eager ones included
	loss     int64  // sum over steps
	scratch  []float32
	tokens   []int32
}

// NewWorker wraps a model that nobody else uses. Data is the training split.
func NewWorker(model engine.Model, plan Plan, data Windows) (*Worker, error) {
	if model.Shape() != plan.Shape {
		return nil, fmt.Errorf("new worker: %w: the model has another shape than the plan", ErrTask)
	}
	if data.Windows() == 0 {
		return nil, fmt.Errorf("new worker: %w: no training data", ErrTask)
	}
	n := plan.Shape.Parameters()
	return &Worker{
		plan: plan, model: model, data: data, fresh: true,
		end: make([]float32, n), feedback: make([]float32, n), scratch: make([]float32, n),
	}, nil
}

// OptimizerLen is the length of the model's optimizer state.
func (w *Worker) OptimizerLen() int { return len(w.model.OptimizerState()) }

// Load puts the worker at the start of a trainer's round.
func (w *Worker) Load(trainer crescendo.Account, start *State) error {
	w.trainer, w.base, w.eager, w.steps, w.loss, w.round = trainer, nil, 0, 0, 0, 0
	w.fresh = start == nil
	if w.fresh {
		w.model.ResetOptimizer()
		clear(w.feedback)
		return nil
	}
	optimizer := w.model.OptimizerState()
	if len(start.End) != len(w.end) || len(start.Feedback) != len(w.feedback) || len(start.Optimizer) != len(optimizer) {
		return fmt.Errorf("load state: %w: state of another model", ErrTask)
	}
	copy(w.end, start.End)
	copy(w.model.Params(), start.End)
	copy(w.feedback, start.Feedback)
	copy(optimizer, start.Optimizer)
	return nil
}

// Eager is how many eager steps have been done since Load or Finish.
func (w *Worker) Eager() uint32 { return w.eager }

// EagerStep does one step of a round whose base is not known yet; previous is
// the seed of the round before it.
func (w *Worker) EagerStep(ctx context.Context, round crescendo.Round, previous crescendo.Hash) error {
	if w.fresh || w.base != nil || w.eager >= w.plan.Eager || w.eager > 0 && round != w.round {
		return fmt.Errorf("eager step %d of round %d: %w", w.eager+1, round, ErrTask)
	}
	w.round = round
	err := w.step(ctx, assign.Eager(previous, w.trainer, w.eager, int(w.plan.Sequences), w.data.Windows()))
	w.eager++
	return err
}

// Begin moves onto the base of the round: what eager steps changed is added to
// it, everything else of the old parameters is dropped. The worker reads base
// until Finish and does not change it.
func (w *Worker) Begin(round crescendo.Round, base []float32, seed crescendo.Hash) error {
	if len(base) != len(w.end) || round == 0 || w.base != nil || w.eager > 0 && round != w.round {
		return fmt.Errorf("begin round %d: %w", round, ErrTask)
	}
	w.round, w.base, w.seed = round, base, seed
	theta := w.model.Params()
	if w.eager == 0 {
		copy(theta, base)
		return nil
	}
	r0.Combine(theta, 1, theta, -1, w.end)
	r0.Combine(theta, 1, base, 1, theta)
	return nil
}

// Done reports whether all steps of the round have been done.
func (w *Worker) Done() bool { return w.steps >= w.plan.Steps }

// Step does the next step of the round that Begin named.
func (w *Worker) Step(ctx context.Context) error {
	if w.base == nil || w.Done() {
		return fmt.Errorf("step %d of round %d: %w", w.steps+1, w.round, ErrTask)
	}
	return w.step(ctx, assign.Batch(w.seed, w.trainer, w.steps, int(w.plan.Sequences), w.data.Windows()))
}

func (w *Worker) step(ctx context.Context, windows []int) error {
	err := ctx.Err()
	if err != nil {
		return err
	}
	if w.tokens, err = Gather(ctx, w.tokens[:0], w.data, windows, w.plan.Shape.Context); err != nil {
		return err
	}
	loss, err := w.model.Step(w.tokens, len(windows), w.plan.Shape.Context, w.plan.Optimizer, w.plan.stepIndex(w.round, w.steps))
	if err != nil {
		return fmt.Errorf("step %d of round %d: %w", w.steps+1, w.round, err)
	}
	w.loss += loss
	w.steps++
	return nil
}

// MeanLoss is the mean training loss over the steps done in this round, in
// micro-nats per token.
func (w *Worker) MeanLoss() int64 { return w.loss / int64(max(1, w.steps)) }

// Finish encodes what the round has learned and returns the state it ends in.
func (w *Worker) Finish() (payload []byte, end *State, err error) {
	if !w.Done() {
		return nil, nil, fmt.Errorf("finish round %d after %d steps: %w", w.round, w.steps, ErrTask)
	}
	return w.FinishEarly()
}

// FinishEarly is Finish whether or not all steps are done: what a demo actor
// does that hopes nobody replays its round.
func (w *Worker) FinishEarly() (payload []byte, end *State, err error) {
	if w.base == nil {
		return nil, nil, fmt.Errorf("finish round %d before it has begun: %w", w.round, ErrTask)
	}
	theta := w.model.Params()
	r0.Combine(w.scratch, 1, theta, -1, w.base)
	r0.Combine(w.feedback, ErrorDecay, w.feedback, 1, w.scratch)
	if payload, err = delta.Encode(w.plan.Codec, w.plan.Layout, w.feedback); err != nil {
		return nil, nil, fmt.Errorf("finish round %d: %w", w.round, err)
	}
	if err := delta.Decode(w.plan.Codec, w.plan.Layout, payload, w.scratch); err != nil {
		return nil, nil, fmt.Errorf("finish round %d: %w", w.round, err)
	}
	r0.Combine(w.feedback, 1, w.feedback, -1, w.scratch)
	copy(w.end, theta)
	end = &State{w.plan.Rung, w.round, slices.Clone(w.end), slices.Clone(w.model.OptimizerState()), slices.Clone(w.feedback)}
	w.base, w.eager, w.steps, w.loss, w.fresh = nil, 0, 0, 0, false
	return payload, end, nil
}

// Gather appends the tokens of windows, each of which must have context+1.
func Gather(ctx context.Context, tokens []int32, data Windows, windows []int, context int) ([]int32, error) {
	for _, i := range windows {
		t, err := data.Window(ctx, i)
		if err != nil {
			return nil, fmt.Errorf("read window %d: %w", i, err)
		}
		if len(t) != context+1 {
			return nil, fmt.Errorf("read window %d: %d tokens, the model wants %d", i, len(t), context+1)
		}
		tokens = append(tokens, t...)
	}
	return tokens, nil
}
