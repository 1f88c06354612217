package enginetest

import (
	"errors"
	"math"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
)

// masks checks that targets without the mask count in no way: what follows them
// in the text may be anything.
func masks(t *testing.T, e engine.Engine, shape engine.Shape) {
	const batch, seq = 3, 12
	tokens := Tokens(4, shape.Vocab, batch*(seq+1))
	mask := make([]bool, batch*seq)
	var want int
	for i := range mask {
		if mask[i] = i%seq >= 5 && i < 2*seq; mask[i] {
			want++
		}
	}
	b := engine.MicroBatch{Tokens: tokens, Sequences: batch, Length: seq, Mask: mask}
	m := openShape(t, e, shape)
	losses, err := m.LossOf(b)
	if err != nil {
		t.Fatal(err)
	}
	if losses[2] != 0 || losses[0] <= 0 {
		t.Errorf("losses are %d, the last should have no targets", losses)
	}
	whole, err := m.Loss(tokens, batch, seq)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := m.LossOf(engine.MicroBatch{Tokens: tokens, Sequences: batch, Length: seq, Mask: inverse(mask)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		if d := whole[i] - losses[i] - rest[i]; d < -2 || d > 2 {
			t.Errorf("sequence %d: masked %d and the rest %d, whole %d", i, losses[i], rest[i], whole[i])
		}
	}

	other := append([]int32(nil), tokens...)
	other[2*(seq+1)+seq] = (other[2*(seq+1)+seq] + 1) % int32(shape.Vocab) // a target of the sequence that does not count
	one, two := openShape(t, e, shape), openShape(t, e, shape)
	for model, text := range map[engine.Model][]int32{one: tokens, two: other} {
		b := engine.MicroBatch{Tokens: text, Sequences: batch, Length: seq, Mask: mask}
		loss, targets, err := model.Accumulate(b)
		if err != nil || targets != want {
			t.Fatalf("%d targets, want %d: %v", targets, want, err)
		}
		if d := loss - losses[0] - losses[1]; d < -3 || d > 3 {
			t.Errorf("accumulated %d, the losses are %d", loss, losses)
		}
		if err := model.Update(optimizer(engine.AdamW), 0); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "parameters after a target that does not count changed", one.Params(), two.Params())
}

func inverse(mask []bool) []bool {
	out := make([]bool, len(mask))
	for i, v := range mask {
		out[i] = !v
	}
	return out
}

// accumulates checks that batches in parts come to what they come to together. That
// experts be evenly used is asked of each part by itself, so it is left out.
func accumulates(t *testing.T, e engine.Engine, shape engine.Shape) {
	shape.Balance = 0
	const batch, seq = 4, 11
	tokens := Tokens(3, shape.Vocab, batch*(seq+1))
	o := optimizer(engine.AdamW)
	o.Eps = 1 // or signs of tiny gradients would count as much as large ones
	whole, parts := openShape(t, e, shape), openShape(t, e, shape)
	mean, err := whole.Step(tokens, batch, seq, o, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := parts.Update(o, 0); !errors.Is(err, engine.ErrBadTokens) {
		t.Errorf("an update of nothing: error is %v, want ErrBadTokens", err)
	}
	var sum int64
	var count int
	for from := 0; from < batch; from += 2 {
		loss, targets, err := parts.Accumulate(engine.MicroBatch{Tokens: tokens[from*(seq+1) : (from+2)*(seq+1)], Sequences: 2, Length: seq})
		if err != nil {
			t.Fatal(err)
		}
		sum, count = sum+loss, count+targets
	}
	if d := sum/int64(count) - mean; count != batch*seq || d < -2 || d > 2 {
		t.Errorf("%d targets with a mean of %d, together %d with %d", count, sum/int64(count), batch*seq, mean)
	}
	if err := parts.Update(o, 0); err != nil {
		t.Fatal(err)
	}
	start := openShape(t, e, shape).Params()
	var moved, apart float64
	for i, v := range whole.Params() {
		moved += math.Abs(float64(v - start[i]))
		apart += math.Abs(float64(v - parts.Params()[i]))
	}
	if !(moved > 0) || apart > moved*1e-4 {
		t.Errorf("a step moves by %g, the same in parts ends %g away", moved, apart)
	}
	if err := parts.Update(o, 1); !errors.Is(err, engine.ErrBadTokens) {
		t.Errorf("a second update of the same: error is %v, want ErrBadTokens", err)
	}
	if _, _, err := parts.Accumulate(engine.MicroBatch{Tokens: tokens, Sequences: batch, Length: seq, Mask: make([]bool, 3)}); !errors.Is(err, engine.ErrBadTokens) {
		t.Errorf("a mask of another length: error is %v, want ErrBadTokens", err)
	}
}

// decays checks which tensors weight decay shrinks, at a rate that leaves the
// gradient no say.
func decays(t *testing.T, e engine.Engine) {
	shape := Shape
	shape.QKVBias = true
	for _, groups := range []string{"", engine.DecayMatrices, engine.DecayInner, engine.DecayAll} {
		for _, kind := range []string{engine.Muon, engine.AdamW} {
			o := optimizer(kind)
			o.Decay = groups
			still := o
			still.WeightDecay = 0
			with, without := stepped(t, e, shape, o), stepped(t, e, shape, still)
			for _, tensor := range shape.Tensors() {
				changed := false
				for i := tensor.Offset; i < tensor.Offset+tensor.Len; i++ {
					changed = changed || with[i] != without[i]
				}
				if changed != o.Decays(tensor) {
					t.Errorf("%s, decay %q: %s decays: %v, want %v", kind, groups, tensor.Name, changed, o.Decays(tensor))
				}
			}
		}
	}
	o := optimizer(engine.AdamW)
	o.Decay = "some"
	if err := o.Validate(); !errors.Is(err, engine.ErrBadOptimizer) {
		t.Errorf("error is %v, want ErrBadOptimizer", err)
	}
}

// stepped returns the parameters after one step, from weights none of which is
// zero.
func stepped(t *testing.T, e engine.Engine, shape engine.Shape, o engine.Optimizer) []float32 {
	t.Helper()
	m, err := e.New(shape)
	if err != nil {
		t.Fatal(err)
	}
	e.Init(m, 11)
	for i, p := 0, m.Params(); i < len(p); i++ {
		p[i] += 0.25
	}
	if _, err := m.Step(Tokens(1, shape.Vocab, 2*11), 2, 10, o, o.WarmupSteps); err != nil {
		t.Fatal(err)
	}
	return m.Params()
}
