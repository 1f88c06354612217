package native

import (
	"fmt"

	"github.com/crescendo-network/crescendo/engine"
)

// Step trains on one batch.
func (m *model) Step(tokens []int32, batch, seq int, o engine.Optimizer, step int) (int64, error) {
	if err := o.Validate(); err != nil {
		return 0, fmt.Errorf("train step %d: %w", step, err)
	}
	if err := m.check(tokens, batch, seq); err != nil {
		return 0, fmt.Errorf("train step %d: %w", step, err)
	}
	loss, err := m.gradient(tokens, batch, seq)
	if err == nil {
		err = m.update(o, step)
	}
	if err != nil {
		return 0, fmt.Errorf("train step %d: %w", step, err)
	}
	return loss, nil
}

// gradient fills m.grads with the gradient of the mean loss, which it returns.
// What was accumulated is forgotten.
func (m *model) gradient(tokens []int32, batch, seq int) (int64, error) {
	m.pending = 0
	a := m.prepare(batch, seq, true)
	a.load(tokens, nil)
	a.share, a.pull = 1/float32(a.rows), 1
	m.propagate(a)
	return microNats(a.sum(0, a.rows) / float64(a.rows))
}

// propagate adds the gradients of a batch to m.grads, or sets them if nothing is
// pending.
func (m *model) propagate(a *activations) {
	if m.grads == nil {
		m.grads = make([]float32, len(m.params))
	}
	m.fresh = m.pending == 0
	if m.fresh && !m.shape.Tied {
		clear(m.layout.embed.of(m.grads)) // all others are set before they are added to
	}
	m.forward(a)
	m.head(a, true)
	m.backward(a)
}

// sum is that of the losses of some rows, in order.
func (a *activations) sum(from, to int) float64 {
	var sum float64
	for _, l := range a.losses[from:to] {
		sum += l
	}
	return sum
}

// checkBatch reports whether a batch fits, and how many of its targets count.
func (m *model) checkBatch(b engine.MicroBatch) (targets int, err error) {
	if err := m.check(b.Tokens, b.Sequences, b.Length); err != nil {
		return 0, err
	}
	n := b.Sequences * b.Length
	if b.Mask == nil {
		return n, nil
	}
	if len(b.Mask) != n {
		return 0, fmt.Errorf("%w: a mask of %d for %d targets", engine.ErrBadTokens, len(b.Mask), n)
	}
	for _, counts := range b.Mask {
		if counts {
			targets++
		}
	}
	return targets, nil
}

// maxPending bounds what is summed in float32 before an update.
const maxPending = 1 << 24

// Accumulate adds the gradient of a batch's summed loss to what waits for Update.
func (m *model) Accumulate(b engine.MicroBatch) (int64, int, error) {
	targets, err := m.checkBatch(b)
	if err == nil && targets > maxPending-m.pending {
		err = fmt.Errorf("%w: more than %d targets before an update", engine.ErrBadTokens, maxPending)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("accumulate: %w", err)
	}
	if targets == 0 {
		return 0, 0, nil
	}
	a := m.prepare(b.Sequences, b.Length, true)
	a.load(b.Tokens, b.Mask)
	a.share, a.pull = 1, float32(targets)
	m.propagate(a)
	m.pending += targets
	loss, err := microNats(a.sum(0, a.rows))
	if err != nil {
		m.pending = 0
		return 0, 0, fmt.Errorf("accumulate: %w", err)
	}
	return loss, targets, nil
}

// Update changes the parameters by the mean of what was accumulated.
func (m *model) Update(o engine.Optimizer, step int) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("update at step %d: %w", step, err)
	}
	if m.pending == 0 {
		return fmt.Errorf("update at step %d: %w: nothing was accumulated", step, engine.ErrBadTokens)
	}
	share := 1 / float32(m.pending)
	m.pending = 0
	m.work.split(len(m.grads), squaresBlock, func(from, to int, _ *worker) { m.set.Scale(m.grads[from:to], share) })
	if err := m.update(o, step); err != nil {
		return fmt.Errorf("update at step %d: %w", step, err)
	}
	return nil
}

// lossRows is how many tokens Loss works on at once.
const lossRows = 1024

// Loss returns the loss of each sequence.
func (m *model) Loss(tokens []int32, batch, seq int) ([]int64, error) {
	return m.LossOf(engine.MicroBatch{Tokens: tokens, Sequences: batch, Length: seq})
}

// LossOf is Loss over the targets that count.
func (m *model) LossOf(b engine.MicroBatch) ([]int64, error) {
	if _, err := m.checkBatch(b); err != nil {
		return nil, fmt.Errorf("compute loss: %w", err)
	}
	batch, seq := b.Sequences, b.Length
	out := make([]int64, 0, batch)
	chunk := max(1, lossRows/seq)
	for from := 0; from < batch; from += chunk {
		n := min(chunk, batch-from)
		a := m.prepare(n, seq, false)
		var mask []bool
		if b.Mask != nil {
			mask = b.Mask[from*seq : (from+n)*seq]
		}
		a.load(b.Tokens[from*(seq+1):(from+n)*(seq+1)], mask)
		m.forward(a)
		m.head(a, false)
		for i := range n {
			micro, err := microNats(a.sum(i*seq, (i+1)*seq))
			if err != nil {
				return nil, fmt.Errorf("compute loss of sequence %d: %w", from+i, err)
			}
			out = append(out, micro)
		}
	}
	return out, nil
}

// microNats rounds a loss, which is never far below zero, half up.
func microNats(nats float64) (int64, error) {
	if !(nats > -1e9 && nats < 1e12) {
		return 0, engine.ErrNotFinite
	}
	micro := float64(nats*1e6) + 0.5
	n := int64(micro)
	if float64(n) > micro {
		n--
	}
	return n, nil
}
