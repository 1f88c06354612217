package runner_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/actor"
	"github.com/crescendo-network/crescendo/role/runner"
)

// world is a chain in memory, a corpus, an organiser and demo researchers.
type world struct {
	t         *testing.T
	ctx       context.Context
	chain     *memory.Chain
	blobs     *blob.Memory
	organiser *actor.Organiser
	pack      *corpus.Pack
	spec      program.Spec
	home      string
	wg        sync.WaitGroup
	log       *slog.Logger
}

const (
	purse      = crescendo.Amount(1_000_000)
	runnerBond = crescendo.Amount(300)
	entryBond  = crescendo.Amount(200)
)

// testSpec has a baseline that is easy to beat: AdamW at a low rate.
func testSpec() program.Spec {
	return program.Spec{
		Name: "test", Denom: "udemo", Simulated: true,
		Corpus:     program.Corpus{Source: "test", Vocabulary: 320, HeldOutPerMille: 100},
		Evaluation: program.Evaluation{MinEvaluators: 2, Bond: 10_000, Sequences: 6},
		Rungs: []program.Rung{{
			Name:  "one",
			Model: program.Model{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Context: 32, Tied: true},
			Raise: program.Raise{SoftCap: 10_000, HardCap: purse, Blocks: 1 << 20},
			Training: program.Training{Rounds: 10, Steps: 4, Sequences: 4, Eager: 2, MinTrainers: 3, Seats: 12, Keep: 4, Codec: "q2",
				Probation: 100, AuditPerMille: 500, Bond: 1_000, CommitBlocks: 4000, RevealBlocks: 400, VoteBlocks: 4000,
				TrainersBP: 5_000, EvaluatorsBP: 1_000, OperatorBP: 1_000,
				Optimizer: program.Optimizer{Kind: "adamw", LRMillionths: 3000, MatrixLRMillionths: 3000, Beta1Millionths: 900_000,
					Beta2Millionths: 999_000, WeightDecayMillionths: 100_000, MomentumMillionths: 950_000, ClipMillionths: 1_000_000, WarmupBP: 500, FinalBP: 1000}},
			Sealing:   program.Sealing{Policy: program.SealedUntilRepaid, FinalSteps: 4},
			Inference: program.Inference{InputPrice: 1_000_000, OutputPrice: 2_000_000, GraceBlocks: 5},
			Revenue:   program.Revenue{OperatorsBP: 1_000, HoldersBP: 5_000, HoldersCapBP: 12_000, ContributorsBP: 3_000, RoyaltyBP: 1_000},
			// Entries close when all places are taken, and stages end when all
			// trials have results: nothing in these tests waits for a deadline.
			Competition: research.Terms{EntryBlocks: 1 << 20, RevealBlocks: 1 << 20, TrialBlocks: 1 << 20, Bond: entryBond, RunnerBond: runnerBond,
				Steps: 30, Growth: 2, Stages: 2, KeepBP: 4000, Seeds: 1, Documents: 24, Replicas: 2, MaxEntries: 6, KeepRecipes: 2,
				TrialsBP: 1000, PrizeBP: 500},
		}},
	}
}

func newWorld(t *testing.T, people ...string) *world {
	t.Helper()
	return newWorldWith(t, func(*research.Terms) {}, people...)
}

func newWorldWith(t *testing.T, change func(*research.Terms), people ...string) *world {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	w := &world{t: t, ctx: ctx, blobs: blob.NewMemory(), spec: testSpec(), home: t.TempDir(), log: slog.New(slog.DiscardHandler)}
	if os.Getenv("CRESCENDO_TEST_LOG") != "" {
		w.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	change(&w.spec.Rungs[0].Competition)
	boss := memory.NewSigner("organiser")
	w.spec.Organiser = boss.Account()
	balances := map[crescendo.Account]crescendo.Amount{boss.Account(): 10 * purse}
	for _, p := range people {
		balances[memory.NewSigner(p).Account()] = purse / 10
	}
	var err error
	w.chain, err = memory.New(memory.Options{Manual: true}, program.Rules{}, func(s kv.Store) error { return program.Genesis(s, w.spec) }, balances)
	if err != nil {
		t.Fatal(err)
	}
	w.packCorpus()
	w.organiser = &actor.Organiser{
		Ledger: w.chain, Signer: boss, Blobs: w.blobs, Spec: w.spec, Rungs: 1, Served: func(crescendo.RungID) uint64 { return 1 },
		Corpus: func(context.Context) (actor.Corpus, error) {
			return actor.Corpus{Manifest: w.pack.Hash, Root: w.pack.Manifest.Root}, nil
		},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := w.chain.Advance(); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		stop()
		w.wg.Wait()
		<-done
	})
	return w
}

func (w *world) packCorpus() {
	dir := w.t.TempDir()
	for i := range 120 {
		var b strings.Builder
		for j := range 60 {
			fmt.Fprintf(&b, "document %d says that line %d follows line %d and has %d words\n", i, j+1, j, (i*j)%17)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.txt", i)), []byte(b.String()), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	var err error
	w.pack, err = corpus.Build(w.ctx, corpus.Directory(dir), corpus.Options{
		Store: w.blobs, Vocab: int(w.spec.Corpus.Vocabulary), Context: int(w.spec.Rungs[0].Model.Context), HeldOutPerMille: 100,
	}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
}

// begin raises the money; the organiser names the corpus, the researchers
// enter and show their recipes as they see fit.
func (w *world) begin(entries []actor.DemoEntry) {
	w.t.Helper()
	feed := &actor.Feed{Ledger: w.chain, Log: w.log}
	researchers := &actor.Researchers{Ledger: w.chain, At: 1, Entries: entries, Secret: crescendo.Hash{7}}
	for _, a := range []actor.Actor{w.organiser, researchers} {
		w.wg.Go(func() {
			if err := feed.Run(w.ctx, a); err != nil {
				w.t.Errorf("%s: %v", a.Name(), err)
			}
		})
	}
	w.wg.Go(func() { feed.Follow(w.ctx, 1, nil) })
	w.until("the raise", func(s ledger.State) bool {
		r, err := program.Rungs.Get(s, uint32(1))
		return err == nil && r.Stage == program.StageRaising
	})
	boss := w.organiser.Signer
	if _, err := w.chain.Submit(w.ctx, boss, &funding.MsgContribute{Sender: boss.Account(), Rung: 1, Amount: purse}); err != nil {
		w.t.Fatal(err)
	}
}

// run starts a runner and returns what stops it and tells its error.
func (w *world) run(name string, change ...func(*runner.Config)) (stop func(), ended <-chan error) {
	ctx, stop := context.WithCancel(w.ctx)
	c := runner.Config{Ledger: w.chain, Signer: memory.NewSigner(name), Blobs: w.blobs, Engine: native.New(1),
		Home: filepath.Join(w.home, name), Log: w.log.With("runner", name)}
	for _, f := range change {
		f(&c)
	}
	out := make(chan error, 1)
	w.wg.Go(func() { out <- runner.Run(ctx, c) })
	return stop, out
}

// until waits for a state.
func (w *world) until(what string, done func(ledger.State) bool) ledger.State {
	w.t.Helper()
	for height := crescendo.Height(1); ; height++ {
		if _, err := w.chain.Next(w.ctx, height); err != nil {
			w.t.Fatalf("wait for %s: %v", what, err)
		}
		state, err := w.chain.State(w.ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		if done(state) {
			return state
		}
	}
}

func (w *world) decided() ledger.State {
	w.t.Helper()
	return w.until("the decision", func(s ledger.State) bool {
		c, err := research.Competitions.Get(s, uint32(1))
		return err == nil && c.Phase >= research.Decided
	})
}

func (w *world) runnerOf(s ledger.State, name string) research.Runner {
	w.t.Helper()
	r, err := research.Runners.Get(s, uint32(1), string(memory.NewSigner(name).Account()))
	if err != nil {
		w.t.Fatalf("runner %s: %v", name, err)
	}
	return r
}

// adopted is the recipe that a competition has chosen.
func (w *world) adopted(s ledger.State) research.Recipe {
	w.t.Helper()
	a, err := research.Adoptions.Get(s, uint32(1))
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := research.Contents.Get(s, a.Recipe[:])
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// demoEntries are five honest recipes and one copy.
func demoEntries(swapped bool) []actor.DemoEntry {
	var honest []ledger.Signer
	for i := range actor.MaxDemoResearchers {
		honest = append(honest, memory.NewSigner(fmt.Sprintf("researcher-%d", i+1)))
	}
	entries := actor.DemoEntries(honest, []ledger.Signer{memory.NewSigner("copier")})
	if swapped {
		slices.Reverse(entries)
	}
	return entries
}

var researchers = []string{"researcher-1", "researcher-2", "researcher-3", "researcher-4", "researcher-5", "copier"}
