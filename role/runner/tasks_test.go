package runner_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/actor"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

// contributions are a recipe with its own tokenizer, one without, a task about
// text like the corpus, and one that repeats the corpus.
func contributions(w *world) []actor.DemoEntry {
	w.t.Helper()
	recipes := demoEntries(false)
	recut, plain := recipes[2], recipes[1]
	recut.Recipe.Parents, recut.Recipe.Name = nil, "Muon, more tokens"
	recut.Recipe.Tokenizer = research.Tokenizer{Vocabulary: 360}
	recut.Recipe.Model = research.Model{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 16, Tied: true}
	var fresh, copied research.EvaluationTask
	for i := range 12 {
		fresh.Items = append(fresh.Items, research.TaskItem{Context: fmt.Sprintf("document %d says that line %d follows line %d and", 700+i, i+901, i+900),
			Continuation: fmt.Sprintf(" has %d words\ndocument %d says that line", i+40, 700+i)})
		copied.Items = append(copied.Items, research.TaskItem{Context: fmt.Sprintf("document 7 says that line %d follows line %d", i+11, i+10),
			Continuation: fmt.Sprintf(" and has %d words\n", ((i+10)*7)%17)})
	}
	entries := []actor.DemoEntry{recut, plain}
	for i, task := range []research.EvaluationTask{fresh, copied} {
		task.Sort()
		author := memory.NewSigner(researchers[3+i])
		entries = append(entries, actor.DemoEntry{Signer: author, Task: task, Recipe: research.Recipe{Version: research.RecipeVersion, Author: author.Account(),
			Name: fmt.Sprintf("task %d", i+1), Evaluation: task.ID()}})
	}
	return entries
}

// Runners agree on what contributed tasks show and on recipes with tokenizers
// of their own; the tasks are judged and paid, and the rung is trained on the
// corpus that the winner's tokenizer makes of the one that was named.
func TestTasksAndTokenizers(t *testing.T) {
	runners := []string{"ann", "ben", "cam"}
	w := newWorldWith(t, func(c *research.Terms) { c.MaxEntries, c.TasksBP, c.KeepBP, c.Seeds = 4, 2000, 10000, 2 }, append(runners, researchers...)...)
	for _, name := range runners {
		w.run(name)
	}
	entries := contributions(w)
	w.begin(entries)
	state := w.decided()
	logBoard(t, state)
	if won := w.adopted(state); won.Name != "Muon, more tokens" {
		t.Fatalf("%q won", won.Name)
	}
	for _, name := range runners {
		if r := w.runnerOf(state, name); r.Fault != "" || r.Agreed == 0 {
			t.Errorf("runner %s: %+v", name, r)
		}
	}
	checkTasks(t, w, state, entries)
	checkRetokenized(t, w)
}

func checkTasks(t *testing.T, w *world, state ledger.State, entries []actor.DemoEntry) {
	t.Helper()
	trials, err := research.Trials.List(state, nil, kv.MaxPage, uint32(1), uint32(2))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range trials {
		if n := len(e.Value.Losses) - 24; n != 24 {
			t.Errorf("%x: %d losses behind those of the documents, want 24", e.Rest, n)
		}
	}
	var results []research.TaskResult
	for _, e := range entries[2:] {
		id := e.Recipe.ID()
		r, err := research.TaskResults.Get(state, uint32(1), id[:])
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %+v", e.Recipe.Name, r)
		results = append(results, r)
	}
	if fresh := results[0]; !fresh.Kept || fresh.N != 12*4 || len(fresh.Losses) != 3 {
		t.Errorf("the task about new text: %+v", fresh)
	}
	if copied := results[1]; copied.Kept || copied.N != 0 {
		t.Errorf("the task that repeats the corpus: %+v", copied)
	}
	// A fifth of the prize of 5 % goes to the author of the one task that is kept.
	prize := purse * 5 / 100
	for i, want := range []crescendo.Amount{prize / 5, 0} {
		account := entries[2+i].Signer.Account()
		have, err := w.chain.Balance(w.ctx, account)
		if err != nil {
			t.Fatal(err)
		}
		if have != purse/10+want {
			t.Errorf("author of task %d has %d, want %d", i+1, have, purse/10+want)
		}
	}
}

// checkRetokenized asserts that training starts on the corpus that everybody
// derives, and that another one is refused.
func checkRetokenized(t *testing.T, w *world) {
	t.Helper()
	state := w.until("training", func(s ledger.State) bool {
		r, err := training.Runs.Get(s, uint32(1))
		return err == nil && !r.Base.IsZero()
	})
	run, err := training.Runs.Get(state, uint32(1))
	if err != nil {
		t.Fatal(err)
	}
	if run.Corpus == w.pack.Hash {
		t.Fatal("the rung is trained on the corpus as it was named")
	}
	reader, err := corpus.Open(w.ctx, w.blobs, run.Corpus)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := program.Planned(state, 1)
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := outer.PlanOf(spec, 1); err != nil || plan.Shape.Vocab != 360 || reader.Manifest().Vocab != 360 || reader.Manifest().Root != run.Root {
		t.Errorf("a model of %d tokens and a corpus of %d, error %v", plan.Shape.Vocab, reader.Manifest().Vocab, err)
	}
	open := func(ctx context.Context, h crescendo.Hash) (*corpus.Reader, error) {
		return corpus.Open(ctx, w.blobs, h)
	}
	if err := outer.CheckCorpus(w.ctx, spec, 1, state, run.Corpus, open); err != nil {
		t.Errorf("the right corpus: %v", err)
	}
	if err := outer.CheckCorpus(w.ctx, spec, 1, state, w.pack.Hash, open); err == nil {
		t.Error("the corpus as it was named: no error")
	}
}
