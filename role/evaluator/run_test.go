package evaluator_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/blob/file"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/evaluator"
	"github.com/crescendo-network/crescendo/role/trainer"
	"github.com/crescendo-network/crescendo/role/trainer/freerider"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

// stage is a programme of one rung in one process: a ledger that makes a block
// every few milliseconds, a blob store, a corpus, and seats as goroutines.
type stage struct {
	t         *testing.T
	ctx       context.Context
	chain     *memory.Chain
	blobs     *blob.Memory
	organiser *memory.Signer
	spec      program.Spec
	home      string
	wg        sync.WaitGroup
	log       *slog.Logger
	forge     func(checkpoint []byte) // nil: the organiser is honest
}

func testSpec(rounds uint32) program.Spec {
	return program.Spec{
		Name: "test", Denom: "udemo", Simulated: true,
		Corpus:     program.Corpus{Source: "test", Vocabulary: 320, HeldOutPerMille: 100},
		Evaluation: program.Evaluation{MinEvaluators: 2, Bond: 10_000, Sequences: 6},
		Rungs: []program.Rung{{
			Name:  "one",
			Model: program.Model{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Context: 16, Tied: true},
			Raise: program.Raise{SoftCap: 10_000, HardCap: 1_000_000, Blocks: 1000},
			Training: program.Training{Rounds: rounds, Steps: 4, Sequences: 4, Eager: 2, MinTrainers: 3, Seats: 12, Keep: 4, Codec: "q2",
				Probation: 100, AuditPerMille: 500, Bond: 1_000, CommitBlocks: 4000, RevealBlocks: 400, VoteBlocks: 4000,
				TrainersBP: 6_000, EvaluatorsBP: 1_000, OperatorBP: 1_000,
				Optimizer: program.Optimizer{Kind: "muon", LRMillionths: 24_000, MatrixLRMillionths: 20_000, Beta1Millionths: 900_000,
					Beta2Millionths: 999_000, WeightDecayMillionths: 100_000, MomentumMillionths: 950_000, ClipMillionths: 1_000_000, WarmupBP: 500, FinalBP: 1000}},
			Sealing:   program.Sealing{Policy: program.SealedUntilRepaid, FinalSteps: 4},
			Inference: program.Inference{InputPrice: 1_000_000, OutputPrice: 2_000_000, GraceBlocks: 5},
			Revenue:   program.Revenue{OperatorsBP: 1_000, HoldersBP: 5_000, HoldersCapBP: 12_000, ContributorsBP: 3_000, RoyaltyBP: 1_000},
		}},
	}
}

func newStage(t *testing.T, spec program.Spec, people ...string) *stage {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	s := &stage{t: t, ctx: ctx, blobs: blob.NewMemory(), organiser: memory.NewSigner("organiser"), spec: spec, home: t.TempDir(), log: slog.New(slog.DiscardHandler)}
	if os.Getenv("CRESCENDO_TEST_LOG") != "" {
		s.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	balances := map[crescendo.Account]crescendo.Amount{s.organiser.Account(): 10_000_000}
	for _, p := range people {
		balances[memory.NewSigner(p).Account()] = 100_000
	}
	s.spec.Organiser = s.organiser.Account()
	var err error
	s.chain, err = memory.New(memory.Options{Manual: true}, program.Rules{}, func(store kv.Store) error { return program.Genesis(store, s.spec) }, balances)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := s.chain.Advance(); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(3 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		stop()
		s.wg.Wait()
		<-done
	})
	return s
}

func (s *stage) submit(msgs ...crescendo.Message) {
	s.t.Helper()
	for _, m := range msgs {
		if _, err := s.chain.Submit(s.ctx, s.organiser, m); err != nil {
			s.t.Fatalf("%T: %v", m, err)
		}
	}
}

// begin raises the money, packs a corpus, and starts the rung's training.
func (s *stage) begin() {
	s.t.Helper()
	dir := s.t.TempDir()
	for i := range 60 {
		var b strings.Builder
		for j := range 60 {
			fmt.Fprintf(&b, "document %d says that line %d follows line %d and has %d words\n", i, j+1, j, (i*j)%17)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.txt", i)), []byte(b.String()), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	pack, err := corpus.Build(s.ctx, corpus.Directory(dir), corpus.Options{
		Store: s.blobs, Vocab: int(s.spec.Corpus.Vocabulary), Context: int(s.spec.Rungs[0].Model.Context), HeldOutPerMille: int(s.spec.Corpus.HeldOutPerMille),
	}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	plan, err := outer.PlanOf(s.spec, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	checkpoint, aggregatorError, err := outer.Initial(s.chain.ChainID(), plan)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.forge != nil {
		s.forge(checkpoint)
	}
	base, err := s.blobs.Put(s.ctx, checkpoint)
	if err != nil {
		s.t.Fatal(err)
	}
	zero, err := s.blobs.Put(s.ctx, aggregatorError)
	if err != nil {
		s.t.Fatal(err)
	}
	me, recipe := s.organiser.Account(), crescendo.Hash{1}
	s.submit(
		&program.MsgOpenRaise{Sender: me, Rung: 1},
		&funding.MsgContribute{Sender: me, Rung: 1, Amount: s.spec.Rungs[0].Raise.HardCap},
		&research.MsgRegister{Sender: me, Rung: 1, Recipe: recipe},
		&research.MsgAdopt{Sender: me, Rung: 1, Recipe: recipe},
		&training.MsgStart{Sender: me, Rung: 1, Corpus: pack.Hash, Root: pack.Manifest.Root, Base: base, Error: zero},
	)
}

// evaluate starts an evaluator and returns what stops it.
func (s *stage) evaluate(name string) (stop func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	ended := make(chan struct{})
	s.wg.Go(func() {
		defer close(ended)
		err := evaluator.Run(ctx, evaluator.Config{
			Ledger: s.chain, Signer: memory.NewSigner(name), Blobs: s.blobs, Engine: native.New(1), Name: name, Log: s.log.With("seat", name),
		})
		if err != nil && ctx.Err() == nil {
			s.t.Errorf("evaluator %s: %v", name, err)
		}
	})
	return func() { cancel(); <-ended }
}

// trainer starts a trainer and returns what stops it and tells its error.
func (s *stage) trainer(name, cheat string, change ...func(*trainer.Config)) (stop func(), ended <-chan error) {
	s.t.Helper()
	local, err := file.Open(filepath.Join(s.home, name, "blobs"), file.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	c := trainer.Config{
		Ledger: s.chain, Signer: memory.NewSigner(name), Blobs: s.blobs, Local: local, Engine: native.New(1), Name: name,
		Home: filepath.Join(s.home, name), Rung: 1, Log: s.log.With("seat", name),
	}
	if cheat != "" {
		if c.Craft, err = freerider.New(cheat); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, f := range change {
		f(&c)
	}
	ctx, stop := context.WithCancel(s.ctx)
	out := make(chan error, 1)
	s.wg.Go(func() { out <- trainer.Run(ctx, c) })
	return stop, out
}

// until waits for a state of the rung.
func (s *stage) until(what string, done func(training.Run) bool) training.Run {
	s.t.Helper()
	for height := crescendo.Height(1); ; height++ {
		if _, err := s.chain.Next(s.ctx, height); err != nil {
			s.t.Fatalf("wait for %s: %v", what, err)
		}
		state, err := s.chain.State(s.ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		run, err := training.Runs.Get(state, uint32(1))
		if err == nil && done(run) {
			return run
		}
	}
}

func (s *stage) member(name string) training.Member {
	s.t.Helper()
	state, err := s.chain.State(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := training.Members.Get(state, uint32(1), string(memory.NewSigner(name).Account()))
	if err != nil {
		s.t.Fatalf("member %s: %v", name, err)
	}
	return m
}

func afterRound(r crescendo.Round) func(training.Run) bool {
	return func(run training.Run) bool { return run.Round > r || run.Phase >= training.Auditing }
}

func finished(run training.Run) bool { return run.Phase == training.Finished }

// checkVotes asserts that every evaluator opened the vote that carried, and
// that nobody lost bond.
func (s *stage) checkVotes(names ...string) {
	s.t.Helper()
	state, err := s.chain.State(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	for round := uint32(1); round <= s.spec.Rungs[0].Training.Rounds; round++ {
		vote, err := evaluation.Votes.Get(state, uint32(1), round)
		if err != nil {
			s.t.Fatalf("vote of round %d: %v", round, err)
		}
		for _, n := range names {
			b, err := evaluation.Ballots.Get(state, uint32(1), round, string(memory.NewSigner(n).Account()))
			if err != nil || !b.Opened || b.Digest != evaluation.VoteDigest(vote) {
				s.t.Errorf("round %d: ballot of %s is not the vote that carried (%v)", round, n, err)
			}
		}
	}
	for _, n := range names {
		e, err := evaluation.Evaluators.Get(state, string(memory.NewSigner(n).Account()))
		if err != nil || e.Burned != 0 {
			s.t.Errorf("evaluator %s: burned %d (%v)", n, e.Burned, err)
		}
	}
}

// TestCheatsAndHonest runs four honest trainers beside one free rider of each
// kind. The free riders are expelled; the honest are verified in every round.
func TestCheatsAndHonest(t *testing.T) {
	honest := []string{"ada", "bob", "cyd", "dan"}
	people := append([]string{"eva", "eli"}, honest...)
	for _, kind := range freerider.Kinds() {
		people = append(people, "rider-"+kind)
	}
	s := newStage(t, testSpec(5), people...)
	s.begin()
	for _, n := range honest {
		s.trainer(n, "")
	}
	riders := map[string]<-chan error{}
	for _, kind := range freerider.Kinds() {
		_, riders[kind] = s.trainer("rider-"+kind, kind)
	}
	s.evaluate("eva")
	s.evaluate("eli")
	run := s.until("the end", finished)
	s.checkVotes("eva", "eli")
	if run.Voids != 0 {
		t.Errorf("%d rounds were void", run.Voids)
	}
	for _, n := range honest {
		m := s.member(n)
		if m.Fault != "" || m.Rounds == 0 || m.Verified < uint64(m.Rounds)*s.spec.Rungs[0].RoundTokens() || m.Paid == 0 {
			t.Errorf("honest %s: %+v", n, m)
		}
	}
	for kind, ended := range riders {
		if m := s.member("rider-" + kind); !strings.HasPrefix(m.Fault, "replay mismatch") || m.Paid != 0 {
			t.Errorf("free rider %q: %+v", kind, m)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, trainer.ErrExpelled) {
				t.Errorf("free rider %q ended with %v", kind, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("free rider %q still trains", kind)
		}
	}
}

// TestComingAndGoing stops and starts a trainer and an evaluator at random
// moments, and lets a trainer join late. Nobody is punished.
func TestComingAndGoing(t *testing.T) {
	s := newStage(t, testSpec(8), "eva", "eli", "ada", "bob", "cyd", "dan", "zoe")
	s.begin()
	for _, n := range []string{"ada", "bob", "cyd"} {
		s.trainer(n, "")
	}
	stop, ended := s.trainer("dan", "")
	s.evaluate("eva")
	leave := s.evaluate("eli")
	rng := engine.NewSplitMix(7)
	for r := crescendo.Round(1); r <= 5; r++ {
		s.until("a round", func(run training.Run) bool { return afterRound(r)(run) && run.Phase == training.Working })
		for range 2 {
			time.Sleep(time.Duration(rng.Intn(40)) * time.Millisecond)
			stop()
			<-ended
			leave()
			stop, ended = s.trainer("dan", "")
			leave = s.evaluate("eli")
		}
		if r == 3 {
			s.trainer("zoe", "")
		}
	}
	s.until("the end", finished)
	s.checkVotes("eva", "eli")
	for _, n := range []string{"ada", "bob", "cyd", "dan", "zoe"} {
		m := s.member(n)
		if m.Fault != "" || m.Rounds == 0 || m.Verified < uint64(m.Rounds)*s.spec.Rungs[0].RoundTokens() {
			t.Errorf("%s: %+v", n, m)
		}
	}
	stop()
}

// withholding is a store that loses what is larger than a payload.
type withholding struct{ blob.Store }

func (w withholding) Put(ctx context.Context, data []byte) (crescendo.Hash, error) {
	if len(data) > 20_000 {
		return blob.Sum(data), nil
	}
	return w.Store.Put(ctx, data)
}

// slow is an engine on a weak machine.
type slow struct {
	engine.Engine
	step time.Duration
}

func (e slow) New(s engine.Shape) (engine.Model, error) {
	m, err := e.Engine.New(s)
	return slowModel{m, e.step}, err
}

type slowModel struct {
	engine.Model
	step time.Duration
}

func (m slowModel) Step(tokens []int32, batch, seq int, o engine.Optimizer, step int) (int64, error) {
	time.Sleep(m.step)
	return m.Model.Step(tokens, batch, seq, o, step)
}

// TestSlowAndWithholding: a trainer that never meets a deadline is not
// punished and does not hold the others up for longer than that; one whose
// start states nobody can fetch is not counted, and costs no evaluator its
// bond.
func TestSlowAndWithholding(t *testing.T) {
	spec := testSpec(4)
	spec.Rungs[0].Training.CommitBlocks, spec.Rungs[0].Training.RevealBlocks = 40, 25
	s := newStage(t, spec, "eva", "eli", "ada", "bob", "cyd", "slow", "hide")
	s.begin()
	for _, n := range []string{"ada", "bob", "cyd"} {
		s.trainer(n, "")
	}
	s.trainer("slow", "", func(c *trainer.Config) { c.Engine = slow{c.Engine, 60 * time.Millisecond} })
	s.trainer("hide", "", func(c *trainer.Config) { c.Blobs = withholding{c.Blobs} })
	s.evaluate("eva")
	s.evaluate("eli")
	s.until("the end", finished)
	s.checkVotes("eva", "eli")
	for _, n := range []string{"ada", "bob", "cyd"} {
		if m := s.member(n); m.Fault != "" || m.Rounds < 3 {
			t.Errorf("%s: %+v", n, m)
		}
	}
	if m := s.member("slow"); m.Fault != "" {
		t.Errorf("slow: %+v", m)
	}
	if m := s.member("hide"); m.Rounds > 1 {
		t.Errorf("hide was counted in %d rounds", m.Rounds)
	}
}

// TestVoidAttempts lets one of three trainers finish about when the deadline
// passes, so that attempts are void while its work is on the way. Work for one
// attempt must never be revealed in another: that would be a fault.
func TestVoidAttempts(t *testing.T) {
	spec := testSpec(4)
	spec.Rungs[0].Training.CommitBlocks, spec.Rungs[0].Training.RevealBlocks = 18, 25
	s := newStage(t, spec, "eva", "eli", "ada", "bob", "slow", "dan")
	s.begin()
	s.trainer("ada", "")
	s.trainer("bob", "")
	s.trainer("slow", "", func(c *trainer.Config) { c.Engine = slow{c.Engine, 14 * time.Millisecond} })
	s.evaluate("eva")
	s.evaluate("eli")
	s.until("void attempts", func(run training.Run) bool { return run.Voids >= 4 || finished(run) })
	s.trainer("dan", "")
	run := s.until("the end", finished)
	t.Logf("%d attempts were void", run.Voids)
	for _, n := range []string{"ada", "bob", "slow"} {
		if m := s.member(n); m.Fault != "" {
			t.Errorf("%s: %+v", n, m)
		}
	}
}
