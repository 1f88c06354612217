package start

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/growth"
	"github.com/crescendo-network/crescendo/training/outer"
)

const chain = "crescendo-dev-start"

// ladder is a programme of two rungs, the second grown from the first.
func ladder() program.Spec {
	one := program.Rung{
		Name:  "one",
		Model: program.Model{Dim: 16, Layers: 2, Heads: 2, KVHeads: 2, FFN: 24, Context: 32, Tied: true},
		Training: program.Training{Rounds: 2, Steps: 2, Sequences: 2, MinTrainers: 1, Seats: 4, Keep: 1, Codec: "q2", CommitBlocks: 1, RevealBlocks: 1, VoteBlocks: 1,
			Optimizer: program.Optimizer{Kind: "adamw", LRMillionths: 1000, MatrixLRMillionths: 1000}},
	}
	two := one
	two.Name, two.Model.Dim, two.Model.Layers, two.Model.Heads, two.Model.KVHeads, two.Model.FFN = "two", 32, 3, 4, 4, 48
	two.Start = program.Start{From: program.FromPrevious, NoisePerMille: growth.DefaultNoise}
	return program.Spec{Name: "test", Denom: "udemo", Corpus: program.Corpus{Vocabulary: 300}, Evaluation: program.Evaluation{Sequences: 2}, Rungs: []program.Rung{one, two}}
}

// scene is a ledger's state after the first rung has been trained, and the blobs.
type scene struct {
	t     *testing.T
	spec  program.Spec
	state *kv.Memory
	blobs *blob.Memory
	text  crescendo.Hash // manifest
	last  []float32      // of the first rung
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, spec: ladder(), state: kv.NewMemory(), blobs: blob.NewMemory()}
	s.text = s.pack(300, "text")
	plan, err := outer.PlanOf(s.spec, 1)
	must(t, err)
	s.last = make([]float32, plan.Shape.Parameters())
	engine.InitParams(plan.Shape, s.last, 7)
	for i := range s.last {
		s.last[i] *= 5 // far from where weights begin
	}
	final, err := outer.EncodeCheckpoint(plan.Shape, outer.Vector{Rung: 1, Round: 2, Values: s.last})
	must(t, err)
	must(t, training.Runs.Set(s.state, training.Run{Final: s.put(final), Corpus: s.text}, uint32(1)))
	return s
}

// pack packs a corpus of a few documents.
func (s *scene) pack(vocabulary int, word string) crescendo.Hash {
	dir := s.t.TempDir()
	for i := range 40 {
		text := ""
		for j := range 60 {
			text += fmt.Sprintf("%s %d of document %d, which is no %s %d\n", word, j, i, word, i*j%13)
		}
		must(s.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.txt", i)), []byte(text), 0o600))
	}
	pack, err := corpus.Build(s.t.Context(), corpus.Directory(dir), corpus.Options{Store: s.blobs, Vocab: vocabulary, Context: 32, HeldOutPerMille: 100}, nil)
	must(s.t, err)
	return pack.Hash
}

func (s *scene) put(data []byte) crescendo.Hash {
	h, err := s.blobs.Put(s.t.Context(), data)
	must(s.t, err)
	return h
}

func (s *scene) of(rung crescendo.RungID) Origin {
	s.t.Helper()
	o, err := Of(s.state, chain, s.spec, rung, s.text)
	must(s.t, err)
	return o
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A grown start computes what the model of the rung before computed, from the
// ledger's state and blobs to the logits.
func TestGrownStartKeepsTheFunction(t *testing.T) {
	t.Run("plain", func(t *testing.T) { keepsTheFunction(t, newScene(t)) })
	t.Run("mixture", func(t *testing.T) {
		s := newScene(t)
		m := &s.spec.Rungs[1].Model
		m.Experts, m.ExpertsPerToken, m.BalanceMillionths = 4, 2, 10000
		keepsTheFunction(t, s)
	})
}

func keepsTheFunction(t *testing.T, s *scene) {
	o := s.of(2)
	checkpoint, aggregatorError, err := o.Make(t.Context(), s.blobs)
	must(t, err)
	v, err := outer.DecodeCheckpoint(o.Plan.Shape, checkpoint)
	must(t, err)
	if v.Rung != 2 || v.Round != 0 {
		t.Errorf("the checkpoint is of rung %d, round %d", v.Rung, v.Round)
	}
	empty, err := outer.DecodeError(o.Plan.Shape, aggregatorError)
	must(t, err)
	for _, x := range empty.Values {
		if x != 0 {
			t.Fatal("the aggregator begins with an error")
		}
	}
	before, after := logits(t, o.Shape, s.last), logits(t, o.Plan.Shape, v.Values)
	worst, largest := 0.0, 1.0
	for i := range before {
		worst, largest = max(worst, math.Abs(float64(before[i])-float64(after[i]))), max(largest, math.Abs(float64(before[i])))
	}
	if !(worst <= 1e-5*largest) {
		t.Errorf("a logit differs by %v, the largest is %v", worst, largest)
	}
	must(t, o.Check(t.Context(), s.blobs, blob.Sum(checkpoint)))
	checkpoint[len(checkpoint)-1] ^= 1
	if err := o.Check(t.Context(), s.blobs, blob.Sum(checkpoint)); !errors.Is(err, ErrForged) {
		t.Errorf("another base: %v, want ErrForged", err)
	}
}

func logits(t *testing.T, shape engine.Shape, params []float32) []float32 {
	t.Helper()
	m, err := native.New(1).New(shape)
	must(t, err)
	copy(m.Params(), params)
	session, err := m.Session(8)
	must(t, err)
	defer session.Close()
	var out []float32
	for _, token := range []int32{5, 299, 17, 17, 0, 88, 123, 42} {
		row, err := session.Feed([]int32{token})
		must(t, err)
		out = append(out, row...)
	}
	return out
}

// What makes a rung start from its seed after all, and what keeps it from starting.
func TestWhatIsNotGrown(t *testing.T) {
	seed := func(s *scene, spec program.Spec) crescendo.Hash {
		plan, err := outer.PlanOf(spec, 2)
		must(s.t, err)
		checkpoint, _, err := outer.Initial(chain, plan)
		must(s.t, err)
		return blob.Sum(checkpoint)
	}
	t.Run("the first rung", func(t *testing.T) {
		s := newScene(t)
		plan, err := outer.PlanOf(s.spec, 1)
		must(t, err)
		checkpoint, _, err := outer.Initial(chain, plan)
		must(t, err)
		must(t, s.of(1).Check(t.Context(), s.blobs, blob.Sum(checkpoint)))
	})
	t.Run("a recipe of another shape", func(t *testing.T) {
		s := newScene(t)
		s.spec.Rungs[1].Model.FFN = 23
		must(t, s.of(2).Check(t.Context(), s.blobs, seed(s, s.spec)))
	})
	t.Run("a recipe of another shape in the rung before", func(t *testing.T) {
		s := newScene(t)
		recipe := research.Recipe{Version: 1, Author: "rita", Name: "wide", Model: research.Model{Dim: 12, Layers: 2, Heads: 2, KVHeads: 2, FFN: 24, Tied: true}}
		s.spec.Rungs[0].Competition = research.Terms{Stages: 1}
		must(t, program.Specs.Set(s.state, s.spec))
		id := recipe.ID()
		must(t, research.Contents.Set(s.state, recipe, id[:]))
		must(t, research.Adoptions.Set(s.state, research.Adoption{Recipe: id}, uint32(1)))
		must(t, s.of(2).Check(t.Context(), s.blobs, seed(s, s.spec)))
	})
	t.Run("text in other tokens", func(t *testing.T) {
		s := newScene(t)
		grown := s.of(2)
		grown.Text = s.pack(300, "writing")
		must(t, grown.Check(t.Context(), s.blobs, seed(s, s.spec)))
	})
	t.Run("a rung before its turn", func(t *testing.T) {
		s := newScene(t)
		must(t, training.Runs.Set(s.state, training.Run{}, uint32(1)))
		if _, err := Of(s.state, chain, s.spec, 2, s.text); !errors.Is(err, errTooEarly) {
			t.Errorf("%v, want errTooEarly", err)
		}
	})
	t.Run("a checkpoint that is gone", func(t *testing.T) {
		s := newScene(t)
		o := s.of(2)
		must(t, s.blobs.Delete(t.Context(), o.Base))
		if err := o.Check(t.Context(), s.blobs, crescendo.Hash{1}); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%v, want blob.ErrNotFound", err)
		}
	})
}

// A rung may start from a checkpoint made elsewhere: that very blob, with text
// in the tokens that it knows.
func TestCheckpoint(t *testing.T) {
	s := newScene(t)
	plan, err := outer.PlanOf(s.spec, 1)
	must(t, err)
	made, _, err := outer.EncodeInitial(plan, s.last)
	must(t, err)
	name := s.put(made)
	known, err := tokenizerOf(t.Context(), s.blobs, s.text)
	must(t, err)
	s.spec.Rungs[0].Start = program.Start{From: program.FromCheckpoint, Checkpoint: name, Tokenizer: known}
	o := s.of(1)
	must(t, o.Check(t.Context(), s.blobs, name))
	o.Text = s.pack(300, "writing")
	if err := o.Check(t.Context(), s.blobs, name); !errors.Is(err, ErrTokenizer) {
		t.Errorf("text in other tokens: %v, want ErrTokenizer", err)
	}
	other, err := outer.EncodeCheckpoint(plan.Shape, outer.Vector{Rung: 2, Values: s.last})
	must(t, err)
	o = s.of(1)
	o.Base = s.put(other)
	if err := o.Check(t.Context(), s.blobs, o.Base); !errors.Is(err, outer.ErrMalformed) {
		t.Errorf("a checkpoint of another rung: %v, want ErrMalformed", err)
	}
}

// The ledger's rule on what grows, in integers, and that of the package that
// computes are one.
func TestRulesOfGrowthAgree(t *testing.T) {
	rng := engine.NewSplitMix(11)
	pick := func(of ...uint32) uint32 { return of[rng.Intn(len(of))] }
	random := func() program.Model {
		head := pick(4, 4, 8)
		heads := pick(1, 2, 4, 6)
		m := program.Model{Dim: head * heads, Heads: heads, KVHeads: pick(1, 2), Layers: pick(1, 2, 3), FFN: pick(8, 9, 16), Context: pick(16, 32),
			Tied: pick(0, 0, 0, 1) == 0, QKVBias: pick(0, 0, 0, 1) == 1, OutBias: pick(0, 0, 0, 1) == 1, FFNBias: pick(0, 0, 0, 1) == 1, Vocab: pick(0, 0, 300, 301), RopeTheta: pick(0, 0, 10000, 20000)}
		if pick(0, 0, 0, 1) == 1 {
			m.NormEpsBillionths = pick(10000, 1000)
		}
		if pick(0, 0, 0, 1) == 1 {
			m.RopeScaling = program.RopeScaling{Kind: "linear", Factor: pick(1000, 2000)}
		}
		if pick(0, 0, 1) == 1 {
			m.Experts, m.ExpertsPerToken, m.BalanceMillionths = pick(2, 2, 3), pick(1, 1, 2), pick(0, 10000)
		}
		return m
	}
	grown, refused, became := 0, 0, 0
	for range 60000 {
		a, b := random(), random()
		from, to := outer.ShapeOf(a, 300), outer.ShapeOf(b, 300)
		if from.Validate() != nil || to.Validate() != nil {
			continue
		}
		if got, want := program.Parameters(b, b.Vocabulary(300)), uint64(to.Parameters()); got != want {
			t.Fatalf("%+v has %d parameters by the rule, %d by the engine", b, got, want)
		}
		if got, want := program.ActiveParameters(b, b.Vocabulary(300)), uint64(to.ActiveParameters()); got != want {
			t.Fatalf("a token uses %d parameters of %+v by the rule, %d by the engine", got, b, want)
		}
		rule, means := program.CanGrow(a, b, 300), growth.Check(from, to)
		if (rule == nil) != (means == nil) {
			t.Fatalf("%+v to %+v: the rule says %v, growth %v", a, b, rule, means)
		}
		if rule == nil {
			grown++
			if to.Experts > from.Experts {
				became++
			}
		} else {
			refused++
		}
	}
	if grown < 100 || refused < 100 || became < 20 {
		t.Errorf("%d pairs grow, %d of them to a mixture, and %d do not: too few to tell", grown, became, refused)
	}
}

var _ Blobs = (*blob.Memory)(nil)
