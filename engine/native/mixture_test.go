package native

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/enginetest"
)

func TestChoose(t *testing.T) {
	d := dims{experts: 4, perToken: 2}
	r := newRoutes(3, d)
	r.choose(3, d, []float32{
		0, 3, 3, 1, // of equals the lower first
		-1, -2, -3, -4,
		5, 0, 0, 5,
	})
	if want := []int32{1, 2, 0, 1, 0, 3}; !slices.Equal(r.chosen, want) {
		t.Errorf("chosen %v, want %v", r.chosen, want)
	}
	for row := range 3 {
		if w := r.weight[2*row : 2*row+2]; w[0]+w[1] != 1 || w[0] < w[1] {
			t.Errorf("row %d: weights %v", row, w)
		}
	}
	// Expert 0 has rows 1 and 2, expert 1 rows 0 and 1, expert 2 row 0, expert 3 row 2.
	if d := cmp.Diff([]int{0, 2, 4, 5, 6}, r.from); d != "" {
		t.Errorf("first assignments differ:\n%s", d)
	}
	if want := []int32{1, 2, 0, 1, 0, 2}; !slices.Equal(r.rowOf, want) {
		t.Errorf("rows by assignment %v, want %v", r.rowOf, want)
	}
	for i, n := range r.at {
		if int(r.rowOf[n]) != i/2 {
			t.Errorf("assignment %d of row %d is numbered %d, which is row %d's", i%2, i/2, n, r.rowOf[n])
		}
	}
}

// unevenness trains a mixture whose routers begin with strong opinions. It returns
// experts times the sum of used times wanted, before and after: 1 if all experts
// are alike.
func unevenness(tb testing.TB, balance float32) (before, after float64, loss int64) {
	tb.Helper()
	shape := engine.Shape{Vocab: 61, Dim: 32, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Context: 64, Tied: true, RopeTheta: 10000, NormEps: 1e-5,
		Experts: 8, ExpertsPerToken: 2, Balance: balance}
	e := New(1)
	made, err := e.New(shape)
	if err != nil {
		tb.Fatal(err)
	}
	e.Init(made, 5)
	m := made.(*model)
	router := m.layout.layers[0].router.of(m.params)
	for i := range router {
		router[i] *= 20
		if i < 2*shape.Dim {
			router[i] *= 5
		}
	}
	const batch, seq, steps = 8, 32, 150
	o := engine.DefaultOptimizer(steps)
	o.Kind, o.LR, o.MatrixLR = engine.AdamW, 0.01, 0.01
	for step := range steps {
		if loss, err = m.Step(enginetest.Tokens(uint64(step), shape.Vocab, batch*(seq+1)), batch, seq, o, step); err != nil {
			tb.Fatal(err)
		}
		m.shape.Balance = 1 // to measure by
		after = m.balanceLoss(m.acts)
		m.shape.Balance = balance
		if step == 0 {
			before = after
		}
	}
	return before, after, loss
}

// TestBalance checks that the balancing loss brings experts into use.
func TestBalance(t *testing.T) {
	start, without, plain := unevenness(t, 0)
	_, with, balanced := unevenness(t, 0.5)
	t.Logf("unevenness is %.3f at first, %.3f at loss %d without the balancing loss, %.3f at loss %d with it", start, without, plain, with, balanced)
	if with-1 > (without-1)/2 {
		t.Errorf("unevenness is %.3f with the balancing loss, %.3f without", with, without)
	}
	if balanced > plain+100_000 {
		t.Errorf("loss is %d with the balancing loss, %d without", balanced, plain)
	}
}
