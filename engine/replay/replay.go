// Package replay does training steps again and checks them: from the job and the
// state before the first step follow all states after it, to the bit, under
// numeric profile R0. Each state has a root, all roots together are the trace's
// root, to which whoever did the work can commit; then any single step can be
// opened by the state before it. It knows nothing of rounds or payment: those
// windows are audited by role/auditor.
package replay

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/digest"
)

// MaxSteps bounds a job.
const MaxSteps = 1 << 20

var (
	// ErrBadJob means that a job cannot be done as described.
	ErrBadJob = errors.New("bad job")

	// ErrBadState means that bytes are no state of a job's model.
	ErrBadState = errors.New("bad state")
)

// A Job is everything that steps follow from, but for the text and the state
// before the first of them.
type Job struct {
	Shape     engine.Shape     `json:"shape"`
	Optimizer engine.Optimizer `json:"optimizer"`
	Batch     int              `json:"batch"`
	Sequence  int              `json:"sequence"`
	Seed      uint64           `json:"seed"` // of the batches, and of fresh weights
	Steps     int              `json:"steps"`
}

// Validate reports the first setting that is out of range.
func (j Job) Validate() error {
	if err := j.Shape.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrBadJob, err)
	}
	if err := j.Optimizer.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrBadJob, err)
	}
	switch {
	case j.Steps < 1 || j.Steps > MaxSteps:
		return fmt.Errorf("%w: steps is %d, want 1 to %d", ErrBadJob, j.Steps, MaxSteps)
	case j.Batch < 1 || j.Sequence < 1 || j.Sequence > j.Shape.Context || j.Batch > MaxSteps/j.Sequence:
		return fmt.Errorf("%w: a batch of %d sequences of %d in a context of %d", ErrBadJob, j.Batch, j.Sequence, j.Shape.Context)
	}
	return nil
}

// Tokens draws the batch of a step: sequences from places of the text that
// follow from the seed and the number of the step only.
func (j Job) Tokens(text []int32, step int) ([]int32, error) {
	places := len(text) - j.Sequence
	if places < 1 {
		return nil, fmt.Errorf("%w: a text of %d tokens for sequences of %d", ErrBadJob, len(text), j.Sequence+1)
	}
	rng := engine.NewSplitMix(engine.NewSplitMix(j.Seed).Uint64() ^ engine.NewSplitMix(uint64(step)).Uint64())
	tokens := make([]int32, 0, j.Batch*(j.Sequence+1))
	for range j.Batch {
		at := rng.Intn(places)
		tokens = append(tokens, text[at:at+j.Sequence+1]...)
	}
	return tokens, nil
}

// A Trace is what a replay came to: the roots before the first step and after
// each, and the losses.
type Trace struct {
	First  int              `json:"first"`
	Roots  []crescendo.Hash `json:"roots"`
	Losses []int64          `json:"losses_micro_nats"`
}

// Root commits to all roots of the trace.
func (t Trace) Root() crescendo.Hash {
	b := binary.LittleEndian.AppendUint64(nil, uint64(t.First))
	for _, r := range t.Roots {
		b = append(b, r[:]...)
	}
	return digest.Sum("crescendo/engine/replay/trace/v1", b)
}

// Run does the job's steps, from a state or, if it is nil, from fresh weights.
// visit, unless nil, sees the state before each step and after the last.
func Run(ctx context.Context, e engine.Engine, j Job, state []byte, text []int32, visit func(step int, state []byte) error) (Trace, error) {
	if err := j.Validate(); err != nil {
		return Trace{}, fmt.Errorf("replay: %w", err)
	}
	m, err := e.New(j.Shape)
	if err != nil {
		return Trace{}, fmt.Errorf("replay: %w", err)
	}
	first := 0
	if state == nil {
		e.Init(m, j.Seed)
	} else if first, err = load(m, state); err != nil {
		return Trace{}, fmt.Errorf("replay: %w", err)
	}
	t := Trace{First: first}
	var buffer []byte
	for step := first; ; step++ {
		buffer = encode(buffer[:0], m, step)
		t.Roots = append(t.Roots, Root(buffer))
		if visit != nil {
			if err := visit(step, buffer); err != nil {
				return t, fmt.Errorf("replay step %d: %w", step, err)
			}
		}
		if step == first+j.Steps {
			return t, nil
		}
		if err := ctx.Err(); err != nil {
			return t, err
		}
		tokens, err := j.Tokens(text, step)
		if err != nil {
			return t, fmt.Errorf("replay step %d: %w", step, err)
		}
		loss, err := m.Step(tokens, j.Batch, j.Sequence, j.Optimizer, step)
		if err != nil {
			return t, fmt.Errorf("replay: %w", err)
		}
		t.Losses = append(t.Losses, loss)
	}
}

// Root is the root of an encoded state.
func Root(state []byte) crescendo.Hash { return digest.Sum("crescendo/engine/replay/state/v1", state) }

// A state is a magic, three little-endian numbers of 8 bytes (the next step,
// the number of parameters, that of optimizer values), then both as binary32.
const (
	magic      = "CRSSTEP\x00"
	headerSize = len(magic) + 3*8
)

func encode(b []byte, m engine.Model, step int) []byte {
	params, optimizer := m.Params(), m.OptimizerState()
	b = append(b, magic...)
	for _, n := range []int{step, len(params), len(optimizer)} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	for _, part := range [][]float32{params, optimizer} {
		for _, v := range part {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return b
}

// load puts a model into an encoded state and returns the next step.
func load(m engine.Model, b []byte) (int, error) {
	params, optimizer := m.Params(), m.OptimizerState()
	want := headerSize + 4*(len(params)+len(optimizer))
	if len(b) != want || string(b[:len(magic)]) != magic {
		return 0, fmt.Errorf("%w: %d bytes, want %d that begin with %q", ErrBadState, len(b), want, magic)
	}
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(b[len(magic)+8*i:]) }
	if number(0) > MaxSteps || number(1) != uint64(len(params)) || number(2) != uint64(len(optimizer)) {
		return 0, fmt.Errorf("%w: step %d, %d parameters, %d optimizer values", ErrBadState, number(0), number(1), number(2))
	}
	step, rest := int(number(0)), b[headerSize:]
	for _, part := range [][]float32{params, optimizer} {
		for i := range part {
			v := math.Float32frombits(binary.LittleEndian.Uint32(rest[4*i:]))
			if v-v != 0 {
				return 0, fmt.Errorf("%w: element %d is %v", ErrBadState, i, v)
			}
			part[i] = v
		}
		rest = rest[4*len(part):]
	}
	return step, nil
}
