package outer

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training/delta"
	"github.com/google/go-cmp/cmp"
	"lukechampine.com/blake3"
)

// text is a toy corpus with something to learn: each token follows from the one
// before it, save for some noise.
type text struct {
	windows, context, vocab int
	seed                    uint64
}

func (x text) Windows() int { return x.windows }

func (x text) Window(_ context.Context, i int) ([]int32, error) {
	rng := engine.NewSplitMix(x.seed + uint64(i))
	t := make([]int32, x.context+1)
	t[0] = int32(rng.Intn(x.vocab))
	for k := 1; k < len(t); k++ {
		t[k] = (t[k-1]*5 + 3) % int32(x.vocab)
		if rng.Intn(8) == 0 {
			t[k] = int32(rng.Intn(x.vocab))
		}
	}
	return t, nil
}

func spec(codec string) program.Spec {
	return program.Spec{
		Corpus:     program.Corpus{Vocabulary: 48},
		Evaluation: program.Evaluation{Sequences: 12},
		Rungs: []program.Rung{{
			Model: program.Model{Dim: 16, Layers: 2, Heads: 2, KVHeads: 2, FFN: 32, Context: 16, Tied: true},
			Training: program.Training{
				Rounds: 6, Steps: 6, Sequences: 4, Eager: 3, Codec: codec,
				Optimizer: program.Optimizer{
					Kind: "muon", LRMillionths: 24000, MatrixLRMillionths: 20000, Beta1Millionths: 900000, Beta2Millionths: 999000,
					WeightDecayMillionths: 100000, MomentumMillionths: 950000, ClipMillionths: 1000000, WarmupBP: 500, FinalBP: 1000,
				},
			},
			Sealing: program.Sealing{FinalSteps: 4},
		}},
	}
}

func plan(t testing.TB, codec string) Plan {
	t.Helper()
	p, err := PlanOf(spec(codec), 1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func train(p Plan) text   { return text{200, p.Shape.Context, p.Shape.Vocab, 1 << 20} }
func heldOut(p Plan) text { return text{50, p.Shape.Context, p.Shape.Vocab, 1 << 40} }

func sum(b []byte) crescendo.Hash { return blake3.Sum256(b) }

func model(t testing.TB, p Plan) engine.Model {
	t.Helper()
	m, err := native.New(1).New(p.Shape)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func worker(t testing.TB, p Plan) *Worker {
	t.Helper()
	w, err := NewWorker(model(t, p), p, train(p))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func initial(t testing.TB, p Plan) (base, aggregatorError []float32) {
	t.Helper()
	c, e, err := Initial("crescendo-test", p)
	if err != nil {
		t.Fatal(err)
	}
	cv, err := DecodeCheckpoint(p.Shape, c)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := DecodeError(p.Shape, e)
	if err != nil {
		t.Fatal(err)
	}
	return cv.Values, ev.Values
}

// A whole small run: trainers step by step with eager steps, every window
// replayed by Work from encoded states on a fresh model, the base advanced by
// updates alone.
func TestRun(t *testing.T) {
	for _, codec := range []string{"q2", "int8", "f32"} {
		t.Run(codec, func(t *testing.T) { testRun(t, plan(t, codec)) })
	}
}

func testRun(t *testing.T, p Plan) {
	trainers := []crescendo.Account{"a", "b", "c"}
	workers := make([]*Worker, len(trainers))
	starts := make([][]byte, len(trainers)) // encoded; nil: fresh
	for i, a := range trainers {
		workers[i] = worker(t, p)
		if err := workers[i].Load(a, nil); err != nil {
			t.Fatal(err)
		}
	}
	referee, judge := worker(t, p), model(t, p)
	base, aggregatorError := initial(t, p)
	var seed, previous crescendo.Hash
	var first, last evaluation.Vote
	var all []byte
	for round := crescendo.Round(1); round <= 4; round++ {
		previous, seed = seed, crescendo.Hash{byte(round)}
		var subs []Submission
		for i, a := range trainers {
			w := workers[i]
			eager := min(uint32(i), uint32(round)-1)
			for range eager {
				must(t, w.EagerStep(context.Background(), round, previous))
			}
			must(t, w.Begin(round, base, seed))
			for !w.Done() {
				must(t, w.Step(context.Background()))
			}
			payload, end, err := w.Finish()
			must(t, err)
			root := mustState(t, p, end)
			task := Task{Round: round, Trainer: a, Base: base, Seed: seed, Previous: previous, Eager: eager}
			if starts[i] != nil {
				task.Start, err = DecodeState(p.Shape, w.OptimizerLen(), starts[i])
				must(t, err)
			}
			again, endAgain, err := Work(context.Background(), referee, task)
			must(t, err)
			if !bytes.Equal(payload, again) || !bytes.Equal(root, mustState(t, p, endAgain)) {
				t.Fatalf("round %d, trainer %s: replay is not work", round, a)
			}
			starts[i] = root
			subs = append(subs, Submission{a, payload})
			all = append(append(all, payload...), root...)
		}
		ballot := Ballot{Round: round, Base: base, Error: aggregatorError, Draw: crescendo.Hash{99, byte(round)}, HeldOut: heldOut(p), Submissions: subs}
		v, err := Judge(context.Background(), judge, p, ballot, sum)
		must(t, err)
		slices.Reverse(ballot.Submissions)
		turned, err := Judge(context.Background(), judge, p, ballot, sum)
		must(t, err)
		if d := cmp.Diff(v, turned); d != "" {
			t.Fatal("the order of submissions matters", d)
		}
		next, checkpoint, err := Advance(p, round, base, v.Update)
		must(t, err)
		if sum(checkpoint) != v.Vote.Checkpoint || !slices.Equal(next, v.Params) {
			t.Fatal("the update does not lead to the checkpoint")
		}
		base, aggregatorError = next, v.Error
		if round == 1 {
			first = v.Vote
		}
		last = v.Vote
		all = append(all, checkpoint...)
	}
	if float64(last.Before)/float64(last.Targets) > 0.95*float64(first.Before)/float64(first.Targets) {
		t.Errorf("loss went from %d to %d micro-nats over %d targets", first.Before, last.Before, last.Targets)
	}
	golden := map[string]string{"q2": "4088d0cd", "int8": "8ca46df2", "f32": "62dfa175"}
	if got := sum(all).Short(); got != golden[p.Codec.String()] {
		t.Errorf("all payloads, states and checkpoints: %s, want %s", got, golden[p.Codec.String()])
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustState(t testing.TB, p Plan, s *State) []byte {
	t.Helper()
	b, err := EncodeState(p.Shape, s)
	must(t, err)
	return b
}

func TestWorkerRefuses(t *testing.T) {
	p := plan(t, "q2")
	w := worker(t, p)
	base, _ := initial(t, p)
	must(t, w.Load("a", nil))
	for name, err := range map[string]error{
		"eager from fresh state": w.EagerStep(context.Background(), 1, crescendo.Hash{}),
		"step before begin":      w.Step(context.Background()),
		"round zero":             w.Begin(0, base, crescendo.Hash{}),
		"short base":             w.Begin(1, base[1:], crescendo.Hash{}),
		"state of another model": w.Load("a", &State{End: base[1:]}),
	} {
		if !errors.Is(err, ErrTask) {
			t.Errorf("%s: %v, want ErrTask", name, err)
		}
	}
	if _, _, err := w.Finish(); !errors.Is(err, ErrTask) {
		t.Error("finish before begin:", err)
	}
	must(t, w.Load("a", &State{End: base, Optimizer: make([]float32, w.OptimizerLen()), Feedback: make([]float32, len(base))}))
	for range p.Eager {
		must(t, w.EagerStep(context.Background(), 2, crescendo.Hash{}))
	}
	if err := w.EagerStep(context.Background(), 2, crescendo.Hash{}); !errors.Is(err, ErrTask) {
		t.Error("more eager steps than the plan allows:", err)
	}
	if err := w.Begin(3, base, crescendo.Hash{}); !errors.Is(err, ErrTask) {
		t.Error("eager steps of another round:", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Work(ctx, w, Task{Round: 1, Trainer: "a", Base: base}); !errors.Is(err, context.Canceled) {
		t.Error("cancelled work:", err)
	}
}

// payloadOf codes a delta that is a multiple of an honest one.
func payloadOf(t *testing.T, p Plan, v []float32, times float32) []byte {
	t.Helper()
	scaled := make([]float32, len(v))
	for i := range v {
		scaled[i] = v[i] * times
	}
	b, err := delta.Encode(p.Codec, p.Layout, scaled)
	must(t, err)
	return b
}

func TestJudge(t *testing.T) {
	p := plan(t, "f32")
	base, aggregatorError := initial(t, p)
	w := worker(t, p)
	payload, _, err := Work(context.Background(), w, Task{Round: 1, Trainer: "a", Base: base, Seed: crescendo.Hash{1}})
	must(t, err)
	honest := make([]float32, len(base))
	must(t, delta.Decode(p.Codec, p.Layout, payload, honest))
	noise := slices.Clone(honest)
	rng := engine.NewSplitMix(1)
	for i := range noise {
		noise[i] = honest[rng.Intn(len(honest))]
	}
	infinite := slices.Clone(honest)
	infinite[0], infinite[1] = 3e38, 3e38
	overlong, err := delta.Encode(p.Codec, p.Layout, infinite)
	must(t, err)
	ballot := Ballot{Round: 1, Base: base, Error: aggregatorError, HeldOut: heldOut(p), Submissions: []Submission{
		{"a-honest", payload},
		{"b-twice", payloadOf(t, p, honest, 2)},
		{"c-huge", payloadOf(t, p, honest, 1e6)},
		{"d-nothing", payloadOf(t, p, honest, 0)},
		{"e-noise", payloadOf(t, p, noise, 2)},
		{"f-cut", payload[:len(payload)-1]},
		{"g-empty", nil},
		{"h-infinite", overlong},
	}}
	v, err := Judge(context.Background(), model(t, p), p, ballot, sum)
	must(t, err)
	for i, want := range []struct {
		include bool
		fault   string
	}{{true, ""}, {true, ""}, {true, ""}, {false, ""}, {false, ""}, {false, FaultNonCanonical}, {false, FaultNonCanonical}, {false, FaultTooLong}} {
		s := v.Vote.Scores[i]
		if i != 2 && s.Include != want.include || s.Fault != want.fault {
			t.Errorf("%s: include %v, fault %q; want %v, %q", s.Trainer, s.Include, s.Fault, want.include, want.fault)
		}
	}
	if s := v.Vote.Scores[3]; s.After != v.Vote.Before {
		t.Errorf("nothing scores %d, base %d", s.After, v.Vote.Before)
	}
	// The huge one is scaled to four medians, so nothing has run away.
	for _, x := range v.Params {
		if x > 10 || x < -10 {
			t.Fatalf("a parameter became %v", x)
		}
	}
}

func TestJudgeWithoutHelp(t *testing.T) {
	p := plan(t, "q2")
	base, aggregatorError := initial(t, p)
	zero, err := delta.Encode(p.Codec, p.Layout, make([]float32, len(base)))
	must(t, err)
	ballot := Ballot{Round: 1, Base: base, Error: aggregatorError, HeldOut: heldOut(p), Submissions: []Submission{{"a", zero}, {"b", nil}}}
	v, err := Judge(context.Background(), model(t, p), p, ballot, sum)
	must(t, err)
	if !v.Vote.Scores[0].Include || v.Vote.Scores[1].Include {
		t.Error("when nothing helps all sound payloads are taken", v.Vote.Scores)
	}
	ballot.Submissions = nil
	v, err = Judge(context.Background(), model(t, p), p, ballot, sum)
	must(t, err)
	if !slices.Equal(v.Params, base) {
		t.Error("the base moved without a payload")
	}
	bad := slices.Clone(base)
	bad[0] = 3e38
	ballot.Base = bad
	v, err = Judge(context.Background(), model(t, p), p, ballot, sum)
	must(t, err)
	if v.Vote.Before <= 0 {
		t.Error("a broken base has loss", v.Vote.Before)
	}
	ballot.Base = base[1:]
	if _, err = Judge(context.Background(), model(t, p), p, ballot, sum); !errors.Is(err, ErrTask) {
		t.Error(err)
	}
}

func TestPlanRefuses(t *testing.T) {
	for name, change := range map[string]func(*program.Spec){
		"codec":     func(s *program.Spec) { s.Rungs[0].Training.Codec = "topk" },
		"steps":     func(s *program.Spec) { s.Rungs[0].Training.Steps = 0 },
		"eager":     func(s *program.Spec) { s.Rungs[0].Training.Eager = 7 },
		"shape":     func(s *program.Spec) { s.Rungs[0].Model.Heads = 3 },
		"optimizer": func(s *program.Spec) { s.Rungs[0].Training.Optimizer.Kind = "sgd" },
	} {
		s := spec("q2")
		change(&s)
		if _, err := PlanOf(s, 1); err == nil {
			t.Errorf("a bad %s was accepted", name)
		}
	}
	if _, err := PlanOf(spec("q2"), 2); err == nil {
		t.Error("a rung that does not exist was accepted")
	}
	if p := plan(t, "q2"); p.Tokens() != spec("q2").Rungs[0].RoundTokens() || p.Optimizer.TotalSteps != 40 {
		t.Error(p.Tokens(), p.Optimizer)
	}
}
