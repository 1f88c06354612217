package trial_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research/trial"
	"github.com/crescendo-network/crescendo/training/outer"
	"github.com/google/go-cmp/cmp"
)

const chain = "crescendo-dev-test"

// text has something to learn: each token follows from the one before it, save
// for some noise. Windows of any size cut the same endless sequence.
type text struct{ vocab int }

type windows struct {
	text
	seed           uint64
	count, context int
}

func (x text) Train(_ context.Context, p outer.Plan) (outer.Windows, error) {
	c := p.Shape.Context
	return windows{x, 1 << 20, 4096 / c, c}, nil
}
func (x text) HeldOut(c int) (outer.Windows, error) { return windows{x, 1 << 40, 2048 / c, c}, nil }

func (w windows) Windows() int { return w.count }

func (w windows) Window(_ context.Context, i int) ([]int32, error) {
	t := make([]int32, w.context+1)
	for k := range t {
		t[k] = w.token(i*w.context + k)
	}
	return t, nil
}

// token is the token at a place: runs of eight that count up from a random one.
func (w windows) token(at int) int32 {
	rng := engine.NewSplitMix(w.seed + uint64(at/8))
	return int32((rng.Intn(w.vocab) + 5*(at%8)) % w.vocab)
}

var muon = program.Optimizer{
	Kind: "muon", LRMillionths: 24000, MatrixLRMillionths: 20000, Beta1Millionths: 900000, Beta2Millionths: 999000,
	WeightDecayMillionths: 100000, MomentumMillionths: 950000, ClipMillionths: 1000000, WarmupBP: 500, FinalBP: 1000,
}

func task(change func(*program.Rung)) trial.Task {
	r := program.Rung{
		Model:    program.Model{Dim: 16, Layers: 2, Heads: 2, KVHeads: 2, FFN: 32, Context: 32, Tied: true},
		Training: program.Training{Rounds: 6, Steps: 6, Sequences: 4, Eager: 3, Codec: "q2", Optimizer: muon},
		Sealing:  program.Sealing{FinalSteps: 4},
	}
	if change != nil {
		change(&r)
	}
	draw := digest.Sum("test/draw")
	return trial.Task{
		Spec: program.Spec{Corpus: program.Corpus{Vocabulary: 48}, Evaluation: program.Evaluation{Sequences: 12}, Rungs: []program.Rung{r}},
		Rung: 1, Tokens: 30 * 4 * 32, Seed: trial.SeedOf(chain, 1, 1, 0, draw), Draw: draw, Documents: 8, Window: 32,
	}
}

func run(t *testing.T, threads int, k trial.Task) trial.Result {
	t.Helper()
	r, err := trial.Run(t.Context(), native.New(threads), text{48}, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEqualTasksHaveEqualResults(t *testing.T) {
	a, b := run(t, 1, task(nil)), run(t, 3, task(nil))
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("one thread and three: %s", d)
	}
	renamed := task(func(r *program.Rung) { r.Name = "another" })
	if d := cmp.Diff(a, run(t, 1, renamed)); d != "" {
		t.Errorf("what the rung is called: %s", d)
	}
}

// Everything that a task names must reach the result.
func TestEveryFieldCounts(t *testing.T) {
	want := run(t, 1, task(nil))
	for name, change := range map[string]func(*trial.Task){
		"tokens":    func(k *trial.Task) { k.Tokens -= 4 * 32 },
		"seed":      func(k *trial.Task) { k.Seed = trial.SeedOf(chain, 1, 1, 1, k.Draw) },
		"stage":     func(k *trial.Task) { k.Seed = trial.SeedOf(chain, 1, 2, 0, k.Draw) },
		"rung":      func(k *trial.Task) { k.Seed = trial.SeedOf(chain, 2, 1, 0, k.Draw) },
		"chain":     func(k *trial.Task) { k.Seed = trial.SeedOf("crescendo-dev-other", 1, 1, 0, k.Draw) },
		"draw":      func(k *trial.Task) { k.Draw = digest.Sum("test/another draw") },
		"optimizer": func(k *trial.Task) { k.Spec.Rungs[0].Training.Optimizer.MatrixLRMillionths++ },
		"shape":     func(k *trial.Task) { k.Spec.Rungs[0].Model.FFN = 24 },
		"sequences": func(k *trial.Task) { k.Spec.Rungs[0].Training.Sequences = 2 },
		"context":   func(k *trial.Task) { k.Spec.Rungs[0].Model.Context = 16 },
	} {
		k := task(nil)
		change(&k)
		got := run(t, 1, k)
		if cmp.Equal(got.Losses, want.Losses) {
			t.Errorf("%s: changed, but the losses are the same", name)
		}
		if name != "draw" && got.Weights == want.Weights {
			t.Errorf("%s: changed, but the weights are the same", name)
		}
		if name == "draw" && got.Weights != want.Weights {
			t.Errorf("draw: the documents scored changed the weights")
		}
	}
}

// A trial learns, and its losses are sums over the targets of each document.
func TestLosses(t *testing.T) {
	first := task(nil)
	first.Tokens = 1
	untrained, trained := run(t, 1, first), run(t, 1, task(nil))
	var before, after uint64
	for i := range trained.Losses {
		before, after = before+untrained.Losses[i], after+trained.Losses[i]
	}
	perTarget := func(v uint64) float64 { return float64(v) / 1e6 / 8 / 32 }
	if perTarget(before) < 3.5 || perTarget(before) > 4.5 { // ln 48 = 3.87
		t.Errorf("%.3f nats per target after one step", perTarget(before))
	}
	if perTarget(after) > perTarget(before)-0.5 {
		t.Errorf("%.3f nats per target after one step, %.3f after 30", perTarget(before), perTarget(after))
	}
}

// Recipes with a shorter context are asked for the same targets.
func TestDocumentsDoNotDependOnTheRecipe(t *testing.T) {
	asked := map[int]map[string]int{}
	for _, c := range []uint32{32, 16} {
		k := task(func(r *program.Rung) { r.Model.Context = c })
		k.Tokens = 1
		spy := &spy{Engine: native.New(1), seen: map[string]int{}}
		if _, err := trial.Run(t.Context(), spy, text{48}, k, nil); err != nil {
			t.Fatal(err)
		}
		asked[int(c)] = spy.seen
	}
	if len(asked[32]) < 50 {
		t.Fatalf("only %d different pairs", len(asked[32]))
	}
	if d := cmp.Diff(asked[32], asked[16]); d != "" {
		t.Error(d)
	}
}

// spy notes which pairs of an input and its target are scored.
type spy struct {
	engine.Engine
	seen map[string]int
}

type spied struct {
	engine.Model
	spy *spy
}

func (s *spy) New(shape engine.Shape) (engine.Model, error) {
	m, err := s.Engine.New(shape)
	return spied{m, s}, err
}

func (s *spy) Init(m engine.Model, seed uint64) { s.Engine.Init(m.(spied).Model, seed) }

func (m spied) Loss(tokens []int32, batch, seq int) ([]int64, error) {
	for b := range batch {
		for i := range seq {
			at := b*(seq+1) + i
			m.spy.seen[fmt.Sprint(tokens[at], tokens[at+1])]++
		}
	}
	return m.Model.Loss(tokens, batch, seq)
}

func TestDivergedTrialsAreTheWorst(t *testing.T) {
	wild := func(lr uint32) trial.Task {
		return task(func(r *program.Rung) {
			r.Training.Optimizer.LRMillionths, r.Training.Optimizer.Kind = lr, "adamw"
			r.Training.Optimizer.MatrixLRMillionths, r.Training.Optimizer.ClipMillionths = lr, 0
			r.Training.Optimizer.WeightDecayMillionths = 9_000_000
		})
	}
	a, b, c := run(t, 1, wild(9_000_000)), run(t, 2, wild(9_000_000)), run(t, 1, wild(9_500_000))
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("equal tasks: %s", d)
	}
	if a.Weights == c.Weights {
		t.Error("two recipes that diverge are taken for copies")
	}
	honest := run(t, 1, task(nil))
	for i, l := range a.Losses {
		if l <= honest.Losses[i] {
			t.Errorf("document %d: %d, a recipe that works has %d", i, l, honest.Losses[i])
		}
	}
	if a.Losses[0] != 20_000_000*32 {
		t.Errorf("it did not diverge: %v", a.Losses)
	}
}

func TestImpossibleTasks(t *testing.T) {
	for name, change := range map[string]func(*trial.Task){
		"no such rung":     func(k *trial.Task) { k.Rung = 2 },
		"no rung":          func(k *trial.Task) { k.Rung = 0 },
		"no documents":     func(k *trial.Task) { k.Documents = 0 },
		"many documents":   func(k *trial.Task) { k.Documents = trial.MaxDocuments + 1 },
		"uneven window":    func(k *trial.Task) { k.Window = 40 },
		"too short window": func(k *trial.Task) { k.Window = 16 },
		"no optimizer":     func(k *trial.Task) { k.Spec.Rungs[0].Training.Optimizer.Kind = "magic" },
		"no shape":         func(k *trial.Task) { k.Spec.Rungs[0].Model.Heads = 0 },
	} {
		k := task(nil)
		change(&k)
		if _, err := trial.Run(t.Context(), native.New(1), text{48}, k, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCancelledTrialEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	_, err := trial.Run(ctx, native.New(1), text{48}, task(nil), func(done, _ int, _ int64) {
		if steps = done; done == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || steps != 3 {
		t.Errorf("%d steps, error %v", steps, err)
	}
}

// A trial of a rung that grows starts from the grown model: from equal
// parameters the same bits, from others other ones, and never from a vector that
// does not fit.
func TestTrialStartsFromParameters(t *testing.T) {
	k := task(nil)
	seeded := run(t, 1, k)
	p, err := outer.PlanOf(k.Spec, k.Rung)
	if err != nil {
		t.Fatal(err)
	}
	k.Initial = make([]float32, p.Shape.Parameters())
	engine.InitParams(p.Shape, k.Initial, binary.LittleEndian.Uint64(k.Seed[:8]))
	if same := run(t, 1, k); same.Weights != seeded.Weights {
		t.Error("parameters that are those of the seed lead elsewhere")
	}
	k.Initial[5]++
	if other := run(t, 1, k); other.Weights == seeded.Weights {
		t.Error("other parameters lead to the same weights")
	}
	k.Initial = k.Initial[1:]
	if _, err := trial.Run(t.Context(), native.New(1), text{48}, k, nil); err == nil {
		t.Error("too few parameters were taken")
	}
}
