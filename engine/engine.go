// Package engine defines what trains and serves a model: the shape of a
// Llama-family network, the inner optimizer of a recipe, and the interfaces that
// an engine implements. It holds the parts that every engine must agree on to
// the bit: tensor order, initial weights, the learning rate schedule and
// sampling. It links nothing but the standard library and computes no layer
// itself; engine/native does.
package engine

import "errors"

var (
	// ErrNotFinite means that a loss, a gradient or a logit was NaN or infinite.
	// The parameters of the model may have been changed and should be reloaded.
	ErrNotFinite = errors.New("number is not finite")

	// ErrContextFull means that a session has no room for the tokens; Reset it or
	// open one with a larger capacity.
	ErrContextFull = errors.New("context is full")

	// ErrBadTokens means that the tokens given do not fit the shape asked for or
	// the vocabulary.
	ErrBadTokens = errors.New("tokens do not fit")
)

// An Engine makes models. Engines that claim numeric profile R0 give the same
// bits for the same calls on every machine.
type Engine interface {
	// Name identifies the implementation, such as "native".
	Name() string

	// Kernel names the code path in use, such as "avx512" or "portable".
	Kernel() string

	// New returns a model with zero parameters and a fresh optimizer.
	New(Shape) (Model, error)

	// Init fills the parameters from the seed, see InitParams.
	Init(m Model, seed uint64)
}

// A Model is one replica: parameters, and the state of the inner optimizer.
// It is not safe for concurrent use.
type Model interface {
	Shape() Shape

	// Params is the live flat vector in the order of Shape.Tensors. Callers may
	// read and write it between steps.
	Params() []float32

	// Step trains on one batch: tokens holds batch sequences of seq+1 tokens, of
	// which the first seq are inputs and the last seq are targets. Step counts
	// from zero and drives the schedule. It returns the mean loss before the
	// update, in micro-nats per token.
	Step(tokens []int32, batch, seq int, o Optimizer, step int) (lossMicroNats int64, err error)

	// Loss returns, for each sequence, the sum over its seq targets of the loss
	// in nats, rounded to micro-nats. A sequence's loss does not depend on the
	// others in the batch.
	Loss(tokens []int32, batch, seq int) (perSequenceMicroNats []int64, err error)

	// LossOf is Loss over the targets of a batch that count.
	LossOf(b MicroBatch) (perSequenceMicroNats []int64, err error)

	// Accumulate adds the gradient of the summed loss of a batch to what waits for
	// Update, and returns that sum and how many targets counted. The order of
	// batches is part of the result. Step forgets what waits.
	Accumulate(b MicroBatch) (lossMicroNats int64, targets int, err error)

	// Update is the second half of Step, with the mean over all targets that were
	// accumulated since the last update.
	Update(o Optimizer, step int) error

	// OptimizerState is a live flat view of fixed length. All zero means fresh.
	OptimizerState() []float32

	// ResetOptimizer makes the optimizer fresh.
	ResetOptimizer()

	// Session opens a decoding session over the parameters as they are now; later
	// changes to them do not reach it. Sessions of one model may be used from
	// different goroutines, one goroutine each.
	Session(capacity int) (Session, error)
}

// A MicroBatch is one of several batches that make up a step, or one in which
// not every target counts.
type MicroBatch struct {
	Tokens            []int32 // Sequences of Length+1, as for Step
	Sequences, Length int
	Mask              []bool // for each target whether it counts; nil: all do
}

// A Session decodes one text with a cache of keys and values.
type Session interface {
	// Feed appends tokens and returns the logits that follow the last of them,
	// valid until the next call. It returns ErrContextFull, and changes nothing,
	// if the tokens do not fit.
	Feed(tokens []int32) (logits []float32, err error)

	// Len is the number of tokens fed so far.
	Len() int

	// Reset forgets all tokens.
	Reset()

	// Close frees the cache and overwrites it.
	Close()
}
