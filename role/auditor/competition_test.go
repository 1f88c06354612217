package auditor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
)

// tryout is a competition of two recipes, run as runners would.
func tryout(t *testing.T) (*audit, []trial.Name) {
	t.Helper()
	return tryoutOf(t, 1)
}

// tryoutOf is tryout for a contest: the first rung's, or the second's season.
func tryoutOf(t *testing.T, at research.Contest) (*audit, []trial.Name) {
	t.Helper()
	dir, store := t.TempDir(), blob.NewMemory()
	for i := range 20 {
		text := strings.Repeat(fmt.Sprintf("document %d has words that follow words\n", i), 20+i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.txt", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spec := testSpec()
	spec.Rungs[0].Competition = research.Terms{EntryBlocks: 1, RevealBlocks: 1, TrialBlocks: 2, Steps: 2, Growth: 2, Stages: 2, KeepBP: 5000,
		Seeds: 1, Documents: 4, Replicas: 2, MaxEntries: 4}
	if at.IsSeason() {
		second := spec.Rungs[0]
		second.Model.Dim, second.Season = 32, second.Competition
		spec.Rungs = append(spec.Rungs, second)
	}
	pack, err := corpus.Build(t.Context(), corpus.Directory(dir), corpus.Options{Store: store, Vocab: 320, Context: 16, HeldOutPerMille: 200}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &audit{Config: Config{Blobs: store, Engine: native.New(1), Threads: 2, Sample: 1000, Progress: func(string, int, int) {}},
		genesis: Genesis{ChainID: chainID}, findings: newFindings(), reach: &reach{Store: store}, chain: &chain{},
		exec: &execution{spec: spec, store: kv.NewMemory()}}
	reader, err := corpus.Open(t.Context(), store, pack.Hash)
	if err != nil {
		t.Fatal(err)
	}
	baseline := research.Baseline(spec.Organiser)
	other := research.Recipe{Version: 1, Author: "ada", Name: "small batch", Sequences: 2}
	s, draw := a.exec.store, crescendo.Hash{7}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	winner := other.ID()
	must(research.Competitions.Set(s, research.Competition{Phase: research.Decided, Stage: 2, Draw: draw, Winner: winner}, uint32(at)))
	must(research.Texts.Set(s, research.Text{Corpus: pack.Hash, Root: reader.Manifest().Root}, uint32(at.Rung())))
	var names []trial.Name
	for _, r := range []research.Recipe{baseline, other} {
		id := r.ID()
		must(research.Contents.Set(s, r, id[:]))
		for stage := uint32(1); stage <= 2; stage++ {
			n := trial.Name{Stage: stage, Recipe: id}
			task, err := trial.TaskOf(chainID, spec, at, r, n, draw)
			must(err)
			result, err := trial.Run(t.Context(), a.Engine, trial.OfCorpus(reader), task, nil)
			must(err)
			must(research.Trials.Set(s, research.Trial{Agreed: true, Weights: result.Weights, Losses: result.Losses}, uint32(at), stage, id[:], uint32(0)))
			names = append(names, n)
		}
	}
	return a, names
}

// Trials come out the same on the auditor's machine; a result that runners
// agreed on and that is not so is found, and nothing else is.
func TestTrialsAreRunAgain(t *testing.T) {
	a, names := tryout(t)
	if err := a.competitions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := a.findings.report(); r.Failed > 0 || r.ByClass.Recomputed != len(names) {
		t.Fatalf("an honest competition: %+v", r)
	}
	for i, n := range names {
		changed, err := research.Trials.Get(a.exec.store, uint32(1), n.Stage, n.Recipe[:], n.Seed)
		if err != nil {
			t.Fatal(err)
		}
		honest := changed
		if i%2 == 0 {
			changed.Losses = append([]uint64{changed.Losses[0] + 1}, changed.Losses[1:]...)
		} else {
			changed.Weights[0]++
		}
		if err := research.Trials.Set(a.exec.store, changed, uint32(1), n.Stage, n.Recipe[:], n.Seed); err != nil {
			t.Fatal(err)
		}
		a.findings = newFindings()
		if err := a.competitions(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := a.findings.report(); r.Failed != 1 || !strings.Contains(r.Failures[0].Claim, n.String()) {
			t.Errorf("%s was changed: %+v", n, r.Failures)
		}
		if err := research.Trials.Set(a.exec.store, honest, uint32(1), n.Stage, n.Recipe[:], n.Seed); err != nil {
			t.Fatal(err)
		}
	}
}

// Trials of a season are run again like others, at the first rung's model; what
// was tried at another size or for another contest does not come out.
func TestTrialsOfSeasonsAreRunAgain(t *testing.T) {
	at := research.SeasonOf(2)
	a, names := tryoutOf(t, at)
	if err := a.competitions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := a.findings.report(); r.Failed > 0 || r.ByClass.Recomputed != len(names) {
		t.Fatalf("an honest season: %+v", r)
	}
	a.exec.spec.Rungs[0].Model.Dim = 32
	a.findings = newFindings()
	if err := a.competitions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := a.findings.report(); r.Failed != len(names) || !strings.Contains(r.Failures[0].Claim, at.String()) {
		t.Errorf("a season that was held at another size: %+v", r.Failures)
	}
}

// A small sample has the trials that decided.
func TestDecisiveTrialsAreAlwaysRun(t *testing.T) {
	a, _ := tryout(t)
	a.Sample = 1
	c, err := research.Competitions.Get(a.exec.store, uint32(1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.trials(1, c)
	if err != nil {
		t.Fatal(err)
	}
	decisive := 0
	for _, g := range got {
		if g.Stage == 2 {
			decisive++
		}
	}
	if decisive != 2 {
		t.Errorf("of a sample, %d of the last stage's two trials are run", decisive)
	}
}
