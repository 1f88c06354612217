package actor_test

import (
	"testing"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/role/actor"
)

// The demo task is one that competitions take, and new to a part of the Go tree
// (all of it takes longer than a test should).
func TestDemoTask(t *testing.T) {
	e := actor.DemoTask(memory.NewSigner("researcher"))
	if err := e.Task.Check(); err != nil {
		t.Fatal(err)
	}
	if err := e.Recipe.Check(); err != nil {
		t.Fatal(err)
	}
	source, err := corpus.GoTree(t.Context())
	if err != nil {
		t.Skip(err)
	}
	store := blob.NewMemory()
	pack, err := corpus.Build(t.Context(), source, corpus.Options{Store: store, Vocab: 300, SampleBytes: 1 << 16, MaxBytes: 4 << 20}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := corpus.Open(t.Context(), store, pack.Hash)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, item := range e.Task.Items {
		texts = append(texts, item.Context+item.Continuation)
	}
	known, err := reader.Overlapping(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range known {
		if k {
			t.Errorf("the Go tree has %q", texts[i])
		}
	}
}
