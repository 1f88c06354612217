package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
	"github.com/crescendo-network/crescendo/role/runner"
	"github.com/crescendo-network/crescendo/training"
)

// A better recipe wins, whoever enters first, and training starts with it.
func TestABetterRecipeWinsInAnyOrder(t *testing.T) {
	var winners []string
	for _, swapped := range []bool{false, true} {
		runners := []string{"ann", "ben", "cam"}
		w := newWorld(t, append(runners, researchers...)...)
		for _, name := range runners {
			w.run(name)
		}
		w.begin(demoEntries(swapped))
		state := w.decided()
		won := w.adopted(state)
		winners = append(winners, won.Name)
		logBoard(t, state)
		if !strings.HasPrefix(won.Name, "Muon") || won.Author == w.spec.Organiser {
			t.Errorf("swapped %v: %q of %s won", swapped, won.Name, won.Author)
		}
		checkCopier(t, state, won)
		for _, name := range runners {
			if r := w.runnerOf(state, name); r.Fault != "" || r.Agreed == 0 {
				t.Errorf("runner %s: %+v", name, r)
			}
		}
		checkUsed(t, w, won)
	}
	if winners[0] != winners[1] {
		t.Errorf("the winner depends on the order of entries: %q", winners)
	}
}

// logBoard prints the last ranking, which a failure is understood by.
func logBoard(t *testing.T, s ledger.State) {
	t.Helper()
	rows, err := research.Standings.List(s, nil, kv.MaxPage, uint32(1), uint32(2))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		t.Logf("%s of %s: loss %d, gap %d (%d to %d)", r.Value.Recipe.Short(), r.Value.Author, r.Value.Loss, r.Value.Gap, r.Value.GapLow, r.Value.GapHigh)
	}
}

// checkCopier asserts that the copy was found, and earned nothing.
func checkCopier(t *testing.T, s ledger.State, won research.Recipe) {
	t.Helper()
	copier := memory.NewSigner("copier").Account()
	if won.Author == copier {
		t.Error("the copier won")
	}
	entries, err := research.Entries.List(s, nil, kv.MaxPage, uint32(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if (e.Value.Author == copier) != !e.Value.CopyOf.IsZero() {
			t.Errorf("entry of %s: copy of %s", e.Value.Author, e.Value.CopyOf.Short())
		}
	}
	if len(entries) != 7 {
		t.Errorf("%d entries, want the baseline and six", len(entries))
	}
}

// checkUsed asserts that training starts from what the recipe says.
func checkUsed(t *testing.T, w *world, won research.Recipe) {
	t.Helper()
	w.until("training", func(s ledger.State) bool {
		r, err := training.Runs.Get(s, uint32(1))
		return err == nil && !r.Base.IsZero()
	})
	state, err := w.chain.State(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := program.Planned(state, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := research.Optimizer(spec.Rungs[0].Training.Optimizer); got != won.Optimizer {
		t.Errorf("training uses %+v, adopted is %+v", got, won.Optimizer)
	}
}

// A runner that is killed at any time goes on where it was, and loses nothing.
func TestKilledRunnersGoOn(t *testing.T) {
	w := newWorld(t, append([]string{"ann", "ben", "cam"}, researchers...)...)
	w.run("ann")
	w.run("ben")
	w.begin(demoEntries(false))
	stop, ended := w.run("cam")
	kills := 0
	for decided := false; !decided; {
		was := agreed(t, w)
		w.until("progress", func(s ledger.State) bool {
			c, err := research.Competitions.Get(s, uint32(1))
			decided = err == nil && c.Phase >= research.Decided
			return decided || agreed(t, w) > was+1
		})
		if decided {
			break
		}
		stop()
		// It may just have ended by itself: with the next block all was decided.
		if err := <-ended; !errors.Is(err, context.Canceled) && (err != nil || !over(t, w)) {
			t.Fatalf("killed runner: %v", err)
		}
		kills++
		stop, ended = w.run("cam")
	}
	state := w.decided()
	if kills < 3 {
		t.Fatalf("only %d kills", kills)
	}
	for _, name := range []string{"ann", "ben", "cam"} {
		r := w.runnerOf(state, name)
		if r.Fault != "" || r.Bond != 0 || r.Agreed == 0 {
			t.Errorf("%s after %d kills: %+v", name, kills, r)
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("a runner ends with %v when nothing is left to run", err)
	}
}

// over reports whether the competition is decided.
func over(t *testing.T, w *world) bool {
	t.Helper()
	s, err := w.chain.State(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	c, err := research.Competitions.Get(s, uint32(1))
	return err == nil && c.Phase >= research.Decided
}

// agreed counts the results that all runners agree on.
func agreed(t *testing.T, w *world) (n uint32) {
	t.Helper()
	s, err := w.chain.State(w.ctx)
	if err != nil {
		return 0
	}
	all, err := research.Runners.List(s, nil, kv.MaxPage, uint32(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		n += r.Value.Agreed
	}
	return n
}

// A runner that flatters its results is outvoted and loses its bond; what is
// adopted does not depend on it.
func TestLyingRunnerLosesItsBond(t *testing.T) {
	// Whoever waits for an expelled runner is relieved at half time.
	w := newWorldWith(t, func(c *research.Terms) { c.TrialBlocks = 2500 }, append([]string{"ann", "ben", "cam", "eve"}, researchers...)...)
	for _, name := range []string{"ann", "ben", "cam"} {
		w.run(name)
	}
	_, ended := w.run("eve", func(c *runner.Config) { c.Try = flatter })
	w.begin(demoEntries(false))
	if err := <-ended; !errors.Is(err, runner.ErrExpelled) {
		t.Errorf("the liar ends with %v", err)
	}
	state := w.decided()
	if r := w.runnerOf(state, "eve"); r.Bond != 0 || r.Fault == "" || r.Earned != 0 {
		t.Errorf("the liar: %+v", r)
	}
	for _, name := range []string{"ann", "ben", "cam"} {
		if r := w.runnerOf(state, name); r.Fault != "" {
			t.Errorf("%s: %s", name, r.Fault)
		}
	}
	if won := w.adopted(state); !strings.HasPrefix(won.Name, "Muon") {
		t.Errorf("%q won", won.Name)
	}
}

func flatter(ctx context.Context, e engine.Engine, text trial.Text, task trial.Task) (trial.Result, error) {
	r, err := trial.Run(ctx, e, text, task, nil)
	for i := range r.Losses {
		r.Losses[i] /= 2
	}
	return r, err
}

func TestRunnersWithoutBondStop(t *testing.T) {
	w := newWorld(t, researchers...)
	w.begin(demoEntries(false))
	_, ended := w.run("pauper")
	if err := <-ended; !errors.Is(err, runner.ErrNoBond) {
		t.Errorf("a runner without money ends with %v", err)
	}
}

func TestNoSuchRung(t *testing.T) {
	w := newWorld(t, "ann")
	err := runner.Run(w.ctx, runner.Config{Ledger: w.chain, Signer: memory.NewSigner("ann"), Blobs: w.blobs, Home: w.home, Rung: 2})
	if err == nil || !strings.Contains(err.Error(), "no such rung") {
		t.Errorf("a rung that does not exist: %v", err)
	}
}
