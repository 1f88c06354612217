// Package enginetest is the contract of engine.Engine as a suite of tests, which
// every engine runs. It does not ask for speed, nor for the bits of profile R0
// across machines; engine/native has tests of its own for those.
package enginetest

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
)

// Run checks an engine against the contract.
func Run(t *testing.T, e engine.Engine) {
	t.Run("refuses bad shapes", func(t *testing.T) { refusesShapes(t, e) })
	t.Run("initial weights", func(t *testing.T) { initialWeights(t, e) })
	for _, kind := range []string{engine.Muon, engine.AdamW} {
		t.Run("learns with "+kind, func(t *testing.T) { learns(t, e, kind) })
		t.Run("repeats itself with "+kind, func(t *testing.T) { repeats(t, e, kind) })
	}
	t.Run("loss is by sequence", func(t *testing.T) { lossBySequence(t, e) })
	t.Run("decays what it is told to", func(t *testing.T) { decays(t, e) })
	t.Run("refuses bad input", func(t *testing.T) { refusesInput(t, e) })
	t.Run("reports numbers that are not finite", func(t *testing.T) { notFinite(t, e) })
	t.Run("agrees with float64", func(t *testing.T) { agreesWithReference(t, e) })
	for _, name := range []string{"grouped", "all biases", "mixture"} {
		shape := Shapes[name]
		t.Run("masks, "+name, func(t *testing.T) { masks(t, e, shape) })
		t.Run("accumulates, "+name, func(t *testing.T) { accumulates(t, e, shape) })
		t.Run("session agrees with loss, "+name, func(t *testing.T) { sessionAgrees(t, e, shape) })
		t.Run("batch agrees with sessions, "+name, func(t *testing.T) { batchAgrees(t, e, shape) })
	}
	t.Run("session bounds", func(t *testing.T) { sessionBounds(t, e) })
	t.Run("session keeps its weights", func(t *testing.T) { sessionKeeps(t, e) })
}

// Shape is small, and awkward on purpose: nothing divides by eight.
var Shape = engine.Shape{Vocab: 61, Dim: 20, Layers: 2, Heads: 2, KVHeads: 1, FFN: 27, Context: 40, RopeTheta: 10000, NormEps: 1e-5}

// Tokens draws a text in which three tokens of four follow from the one before.
func Tokens(seed uint64, vocab, n int) []int32 {
	rng := engine.NewSplitMix(seed)
	t := make([]int32, n)
	for i := range t {
		t[i] = int32(rng.Intn(vocab))
		if i > 0 && rng.Intn(4) > 0 {
			t[i] = (t[i-1]*3 + 1) % int32(vocab)
		}
	}
	return t
}

func open(t *testing.T, e engine.Engine) engine.Model {
	t.Helper()
	return openShape(t, e, Shape)
}

// openShape returns a model whose biases, if it has any, are not zero.
func openShape(t *testing.T, e engine.Engine, s engine.Shape) engine.Model {
	t.Helper()
	m, err := e.New(s)
	if err != nil {
		t.Fatalf("make model: %v", err)
	}
	e.Init(m, 11)
	rng := engine.NewSplitMix(12)
	for _, tensor := range s.Tensors() {
		if strings.HasSuffix(tensor.Name, ".bias") {
			for i := range tensor.Len {
				m.Params()[tensor.Offset+i] = float32(rng.Float64()-0.5) / 4
			}
		}
	}
	return m
}

func optimizer(kind string) engine.Optimizer {
	o := engine.DefaultOptimizer(60)
	o.Kind = kind
	if kind == engine.AdamW {
		o.LR, o.MatrixLR = 0.01, 0.005
	}
	return o
}

func refusesShapes(t *testing.T, e engine.Engine) {
	for name, change := range map[string]func(*engine.Shape){
		"no vocabulary": func(s *engine.Shape) { s.Vocab = 0 },
		"odd head":      func(s *engine.Shape) { s.Dim = 22 },
		"uneven groups": func(s *engine.Shape) { s.Heads, s.KVHeads, s.Dim = 5, 2, 20 },
		"too large":     func(s *engine.Shape) { s.Vocab, s.Dim, s.Layers = engine.MaxVocab, engine.MaxDim, engine.MaxLayers },
		"one expert":    func(s *engine.Shape) { s.Experts, s.ExpertsPerToken = 1, 1 },
		"no experts":    func(s *engine.Shape) { s.ExpertsPerToken = 1 },
		"few experts":   func(s *engine.Shape) { s.Experts, s.ExpertsPerToken = 2, 3 },
		"biased expert": func(s *engine.Shape) { s.Experts, s.ExpertsPerToken, s.FFNBias = 2, 1, true },
		"NaN balance":   func(s *engine.Shape) { s.Experts, s.ExpertsPerToken, s.Balance = 2, 1, float32(math.NaN()) },
		"NaN epsilon":   func(s *engine.Shape) { s.NormEps = float32(math.NaN()) },
	} {
		s := Shape
		change(&s)
		if _, err := e.New(s); !errors.Is(err, engine.ErrBadShape) {
			t.Errorf("%s: error is %v, want ErrBadShape", name, err)
		}
	}
}

func initialWeights(t *testing.T, e engine.Engine) {
	m := open(t, e)
	if len(m.Params()) != Shape.Parameters() || m.Shape() != Shape {
		t.Fatalf("%d parameters of shape %+v, want %d of %+v", len(m.Params()), m.Shape(), Shape.Parameters(), Shape)
	}
	want := make([]float32, Shape.Parameters())
	engine.InitParams(Shape, want, 11)
	same(t, "initial weights", want, m.Params())
}

func learns(t *testing.T, e engine.Engine, kind string) {
	m := open(t, e)
	const batch, seq, steps = 4, 30, 60
	var first, last int64
	for step := range steps {
		loss, err := m.Step(Tokens(uint64(step), Shape.Vocab, batch*(seq+1)), batch, seq, optimizer(kind), step)
		if err != nil {
			t.Fatal(err)
		}
		if step == 0 {
			first = loss
		}
		last = loss
	}
	uniform := int64(1e6 * math.Log(float64(Shape.Vocab)))
	if first < uniform-300_000 || first > uniform+300_000 {
		t.Errorf("first loss is %d, want about %d micro-nats", first, uniform)
	}
	if last > first-500_000 {
		t.Errorf("loss went from %d to %d micro-nats in %d steps", first, last, steps)
	}
}

// repeats checks that parameters and optimizer state are all there is to a model.
func repeats(t *testing.T, e engine.Engine, kind string) {
	const batch, seq = 2, 13
	a, b := open(t, e), open(t, e)
	o := optimizer(kind)
	step := func(m engine.Model, n int) int64 {
		loss, err := m.Step(Tokens(uint64(n), Shape.Vocab, batch*(seq+1)), batch, seq, o, n)
		if err != nil {
			t.Fatal(err)
		}
		return loss
	}
	for n := range 3 {
		step(a, n)
	}
	copy(b.Params(), a.Params())
	copy(b.OptimizerState(), a.OptimizerState())
	for n := 3; n < 6; n++ {
		if x, y := step(a, n), step(b, n); x != y {
			t.Errorf("step %d: loss is %d, after copying %d", n, x, y)
		}
	}
	same(t, "parameters after copying", a.Params(), b.Params())
	same(t, "optimizer state after copying", a.OptimizerState(), b.OptimizerState())

	b.ResetOptimizer()
	for i, v := range b.OptimizerState() {
		if v != 0 {
			t.Fatalf("element %d of a fresh optimizer is %v", i, v)
		}
	}
}

func lossBySequence(t *testing.T, e engine.Engine) {
	m := open(t, e)
	const batch, seq = 5, 17
	tokens := Tokens(1, Shape.Vocab, batch*(seq+1))
	all, err := m.Loss(tokens, batch, seq)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for i, l := range all {
		sum += l
		one, err := m.Loss(tokens[i*(seq+1):(i+1)*(seq+1)], 1, seq)
		if err != nil {
			t.Fatal(err)
		}
		if one[0] != l {
			t.Errorf("sequence %d alone has loss %d, in a batch %d", i, one[0], l)
		}
	}
	mean, err := m.Step(tokens, batch, seq, optimizer(engine.AdamW), 0)
	if err != nil {
		t.Fatal(err)
	}
	if d := mean - sum/(batch*seq); d < -2 || d > 2 {
		t.Errorf("step reports %d, the sequences give %d", mean, sum/(batch*seq))
	}
}

func refusesInput(t *testing.T, e engine.Engine) {
	m := open(t, e)
	good := Tokens(1, Shape.Vocab, 2*11)
	bad := append([]int32(nil), good...)
	bad[7] = int32(Shape.Vocab)
	negative := append([]int32(nil), good...)
	negative[3] = -1
	for name, c := range map[string]struct {
		tokens     []int32
		batch, seq int
	}{
		"short": {good[:21], 2, 10}, "none": {nil, 0, 0}, "no batch": {good, -1, 10}, "over the context": {make([]int32, Shape.Context+2), 1, Shape.Context + 1},
		"overflow": {good, math.MaxInt / 2, 10}, "beyond the vocabulary": {bad, 2, 10}, "negative": {negative, 2, 10},
	} {
		if _, err := m.Step(c.tokens, c.batch, c.seq, optimizer(engine.Muon), 0); !errors.Is(err, engine.ErrBadTokens) {
			t.Errorf("step, %s: error is %v, want ErrBadTokens", name, err)
		}
		if _, err := m.Loss(c.tokens, c.batch, c.seq); !errors.Is(err, engine.ErrBadTokens) {
			t.Errorf("loss, %s: error is %v, want ErrBadTokens", name, err)
		}
	}
	o := optimizer(engine.Muon)
	o.Beta2 = 1
	if _, err := m.Step(good, 2, 10, o, 0); !errors.Is(err, engine.ErrBadOptimizer) {
		t.Errorf("error is %v, want ErrBadOptimizer", err)
	}
}

func notFinite(t *testing.T, e engine.Engine) {
	for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		m := open(t, e)
		for i := range m.Params() {
			m.Params()[i] = float32(value)
		}
		tokens := Tokens(1, Shape.Vocab, 11)
		if _, err := m.Step(tokens, 1, 10, optimizer(engine.Muon), 0); !errors.Is(err, engine.ErrNotFinite) {
			t.Errorf("step with %v: error is %v, want ErrNotFinite", value, err)
		}
		if _, err := m.Loss(tokens, 1, 10); !errors.Is(err, engine.ErrNotFinite) {
			t.Errorf("loss with %v: error is %v, want ErrNotFinite", value, err)
		}
		s := session(t, m, 10)
		if _, err := s.Feed(tokens[:3]); !errors.Is(err, engine.ErrNotFinite) {
			t.Errorf("feed with %v: error is %v, want ErrNotFinite", value, err)
		}
	}
}

func same(t *testing.T, what string, want, got []float32) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}
