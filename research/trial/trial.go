// Package trial runs the trials of a rung's competition: a recipe trains a
// small model for a few steps, alone, and the losses it reaches on held-out
// documents are what it is ranked by.
//
// A trial is one function of its Task, in numeric profile R0: a runner, another
// runner and a stranger who checks the leaderboard get the same bits. All
// recipes of a competition get the same seed, the same tokens and the
// same documents, so that their losses can be compared document by document.
// The package ranks nothing, speaks to no ledger and does not average over
// trainers: what averaging adds to a recipe shows in the rung itself.
package trial

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/training/assign"
	"github.com/crescendo-network/crescendo/training/outer"
)

const (
	// worstLoss stands for a trial whose numbers left the finite range, in
	// micro-nats per target; it is above the loss of uniform guessing over any
	// vocabulary.
	worstLoss = 20_000_000

	// lossBatch bounds the sequences in one forward pass.
	lossBatch = 8

	// MaxDocuments bounds what a trial is scored on.
	MaxDocuments = 4096
)

// Task is a trial, complete: equal tasks have equal results.
type Task struct {
	Spec      program.Spec // the programme with the entry's recipe applied
	Rung      crescendo.RungID
	Tokens    uint64         // to train on, at most; the same for all recipes
	Seed      crescendo.Hash // of initial weights and batches: see SeedOf
	Draw      crescendo.Hash // decides the held-out documents
	Documents uint32
	Window    uint32 // tokens of a document: the programme's context, whatever the recipe's is

	Questions []research.EvaluationTask // contributed, asked beside the documents
	Initial   []float32                 // parameters it starts from; nil: drawn from the seed
}

// Result is what a trial comes to.
type Result struct {
	Weights crescendo.Hash // of the checkpoint it ends with
	Losses  []uint64       // micro-nats summed over the targets of each document, in ascending order of documents; then of each item of a task
}

// Text is where a trial reads: a corpus, of which plans choose what to train
// on, and whose held-out part is cut into windows of any size.
type Text interface {
	Train(ctx context.Context, p outer.Plan) (outer.Windows, error)
	HeldOut(context int) (outer.Windows, error)
}

// Progress is told how many of the steps are done, and the training loss of
// the last one in micro-nats per token.
type Progress func(done, steps int, loss int64)

// SeedOf is the seed of a trial's weights and batches: the same for every
// entry, and known to nobody before the draw.
func SeedOf(chainID string, at research.Contest, stage, index uint32, draw crescendo.Hash) crescendo.Hash {
	var b []byte
	for _, v := range []uint32{uint32(at), stage, index} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return digest.Sum("crescendo/research/trial/seed/v1", []byte(chainID), b, draw[:])
}

// Steps is how many inner steps the task's tokens allow; at least one.
func (t Task) Steps() int {
	r := t.Spec.Rungs[t.Rung-1]
	perStep := uint64(r.Training.Sequences) * uint64(r.Model.Context)
	return int(min(max(1, t.Tokens/max(1, perStep)), 1<<20))
}

// plan reads the arithmetic of the trial out of the programme; its schedule
// runs over the trial's own steps.
func (t Task) plan() (outer.Plan, error) {
	if int(t.Rung) < 1 || int(t.Rung) > len(t.Spec.Rungs) {
		return outer.Plan{}, fmt.Errorf("trial in rung %d: the programme has %d rungs", t.Rung, len(t.Spec.Rungs))
	}
	p, err := outer.PlanOf(t.Spec, t.Rung)
	if err != nil {
		return p, err
	}
	context := uint32(p.Shape.Context)
	if t.Documents == 0 || t.Documents > MaxDocuments || t.Window < context || t.Window%context != 0 {
		return p, fmt.Errorf("trial in rung %d: %d documents of %d tokens do not suit a context of %d", t.Rung, t.Documents, t.Window, context)
	}
	p.Optimizer = outer.OptimizerOf(t.Spec.Rungs[t.Rung-1].Training.Optimizer, t.Steps())
	return p, p.Optimizer.Validate()
}

// Run does a trial.
func Run(ctx context.Context, e engine.Engine, text Text, t Task, progress Progress) (Result, error) {
	p, err := t.plan()
	if err != nil {
		return Result{}, err
	}
	heldOut, err := text.HeldOut(int(t.Window))
	if err != nil {
		return Result{}, fmt.Errorf("trial in rung %d: %w", t.Rung, err)
	}
	documents := assign.HeldOut(t.Draw, int(t.Documents), heldOut.Windows())
	var train outer.Windows
	if text, err = t.inOwnTokens(ctx, text); err == nil {
		train, err = text.Train(ctx, p)
	}
	if errors.Is(err, corpus.ErrChoice) || errors.Is(err, errCut) {
		return t.diverged(0, len(documents)), nil // no text, the worst loss
	}
	if err != nil {
		return Result{}, fmt.Errorf("trial in rung %d: %w", t.Rung, err)
	}
	model, err := e.New(p.Shape)
	if err != nil {
		return Result{}, err
	}
	if err := t.begin(e, model); err != nil {
		return Result{}, err
	}
	done, err := t.train(ctx, model, p, train, progress)
	if errors.Is(err, engine.ErrNotFinite) {
		return t.diverged(done, len(documents)), nil
	}
	if err != nil {
		return Result{}, err
	}
	losses, err := score(ctx, model, p, asked(text, heldOut), documents, uint64(t.Window))
	if err == nil && len(t.Questions) > 0 {
		var answers []uint64
		answers, err = t.answer(ctx, model, p.Shape.Context, text)
		losses = append(losses, answers...)
	}
	if errors.Is(err, engine.ErrNotFinite) {
		return t.diverged(done, len(documents)), nil
	}
	if err != nil {
		return Result{}, err
	}
	checkpoint, err := outer.EncodeCheckpoint(p.Shape, outer.Vector{Rung: t.Rung, Values: model.Params()})
	if errors.Is(err, engine.ErrNotFinite) {
		return t.diverged(done, len(documents)), nil
	}
	return Result{blob.Sum(checkpoint), losses}, err
}

// train does the steps and returns how many were done.
func (t Task) train(ctx context.Context, model engine.Model, p outer.Plan, data outer.Windows, progress Progress) (int, error) {
	steps := t.Steps()
	var tokens []int32
	for i := range steps {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		var err error
		windows := assign.Batch(t.Seed, "", uint32(i), int(p.Sequences), data.Windows())
		if tokens, err = outer.Gather(ctx, tokens[:0], data, windows, p.Shape.Context); err != nil {
			return i, fmt.Errorf("trial step %d: %w", i+1, err)
		}
		loss, err := model.Step(tokens, len(windows), p.Shape.Context, p.Optimizer, i)
		if err != nil {
			return i, fmt.Errorf("trial step %d: %w", i+1, err)
		}
		if progress != nil {
			progress(i+1, steps, loss)
		}
	}
	return steps, nil
}

// score sums the loss of each document's targets. A document longer than the
// context is cut into as many sequences as it has contexts, so that all recipes
// are asked for the same targets.
func score(ctx context.Context, model engine.Model, p outer.Plan, data outer.Windows, documents []int, targets uint64) ([]uint64, error) {
	context := p.Shape.Context
	losses := make([]uint64, len(documents))
	var batch []int32
	var owner []int // of each sequence in the batch
	flush := func() error {
		if len(owner) == 0 {
			return nil
		}
		sums, err := model.Loss(batch, len(owner), context)
		if err != nil {
			return fmt.Errorf("score trial: %w", err)
		}
		for i, s := range sums {
			losses[owner[i]] += uint64(max(0, s))
		}
		batch, owner = batch[:0], owner[:0]
		return nil
	}
	for d, window := range documents {
		tokens, err := data.Window(ctx, window)
		if err != nil {
			return nil, fmt.Errorf("score trial: document %d: %w", window, err)
		}
		at := 0
		for ; at+context < len(tokens); at += context {
			batch, owner = append(batch, tokens[at:at+context+1]...), append(owner, d)
			if len(owner) == lossBatch {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
		if rest := len(tokens) - 1 - at; rest > 0 { // only where a recipe has its own tokenizer
			sums, err := model.Loss(tokens[at:], 1, rest)
			if err != nil {
				return nil, fmt.Errorf("score trial: %w", err)
			}
			losses[d] += uint64(max(0, sums[0]))
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	for d := range losses {
		losses[d] = min(losses[d], worstLoss*targets)
	}
	return losses, nil
}

// diverged is the result of a trial whose numbers are not finite after some
// steps. Its weights' name says which recipe and where, so that recipes that
// fail differently are not taken for copies.
func (t Task) diverged(step, documents int) Result {
	r := t.Spec.Rungs[t.Rung-1]
	r.Name = ""
	w := digest.Sum("crescendo/research/trial/diverged/v1", t.Seed[:], canon.Encode(r), binary.BigEndian.AppendUint32(nil, uint32(step)))
	losses := make([]uint64, documents)
	for i := range losses {
		losses[i] = worstLoss * uint64(t.Window)
	}
	for _, q := range t.Questions {
		for _, item := range q.Items {
			losses = append(losses, worstLoss*uint64(len(item.Continuation)))
		}
	}
	return Result{w, losses}
}
