package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/research"
)

// texts writes documents that differ, half of them below doc/.
func texts(t *testing.T, dir, about string, n int) {
	t.Helper()
	for i := range n {
		var b strings.Builder
		for j := range 60 {
			fmt.Fprintf(&b, "%s %d: line %d of %d says %d\n", about, i, j, i*j%31, (i+3*j)%17)
		}
		path := filepath.Join(dir, []string{"doc", "src"}[i%2], fmt.Sprintf("%03d.txt", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A shard is packed for the corpus that a rung's trials read, and a dry run says
// what a recipe draws of both.
func TestDataOfARecipe(t *testing.T) {
	spec, _, err := programfile.Load("../../programs/thousandth.yaml")
	if err != nil {
		t.Fatal(err)
	}
	store, state := blob.NewMemory(), kv.NewMemory()
	recipe := research.Recipe{Version: research.RecipeVersion, Author: nobody, Name: "of my own"}
	look := func(change func(*research.Recipe)) (*dataJSON, error) {
		r := recipe
		change(&r)
		return lookAtData(t.Context(), store, state, spec, research.Contest(1), r)
	}
	if d, err := look(func(*research.Recipe) {}); d != nil || err != nil {
		t.Errorf("while no corpus is named: %+v, %v", d, err)
	}
	dir, more := t.TempDir(), t.TempDir()
	texts(t, dir, "document", 80)
	p, err := corpus.Build(t.Context(), corpus.Directory(dir), corpus.Options{Store: store, Vocab: 400, Context: 64, HeldOutPerMille: 100}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := research.Texts.Set(state, research.Text{Corpus: p.Hash, Root: p.Manifest.Root}, uint32(1)); err != nil {
		t.Fatal(err)
	}
	shard := packText(t, store, p.Hash, dir, more)
	all, err := look(func(*research.Recipe) {})
	if err != nil || all.Windows != all.AllWindows || all.Contribution != nil || all.Documents != p.Manifest.Train.Documents {
		t.Fatalf("without a mix: %+v, %v", all, err)
	}
	half, err := look(func(r *research.Recipe) { r.Mix = []research.MixWeight{{Prefix: "doc/", PerMille: 0}} })
	if err != nil || half.Windows == 0 || half.Windows >= all.Windows || half.AllWindows != all.Windows {
		t.Errorf("without doc/: %+v, %v", half, err)
	}
	with, err := look(func(r *research.Recipe) { r.Shard = shard })
	if err != nil || with.Contribution == nil || with.Windows != all.Windows+with.Contribution.Windows || with.Contribution.Windows == 0 {
		t.Fatalf("with text of its own: %+v, %v", with, err)
	}
	if c := with.Contribution; c.Shard != shard || c.Known == 0 || c.HeldOut == 0 {
		t.Errorf("of what it contributes: %+v; it holds the corpus's own documents, too", *c)
	}
	var said strings.Builder
	writeData(&said, with)
	for _, want := range []string{"windows are drawn of", "that are held out", "that the corpus has"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no %q in %s", want, said.String())
		}
	}
	none := func(r *research.Recipe) { r.Filter.MinBytes = 1 << 20 }
	if _, err := look(none); crescendo.CodeOf(err) != crescendo.CodeInvalid || !strings.Contains(err.Error(), "leave 0 windows") {
		t.Errorf("a recipe that leaves no text: %v", err)
	}
	if _, err := look(func(r *research.Recipe) { r.Shard = crescendo.Hash{1} }); err == nil {
		t.Error("a shard that is not there is accepted")
	}
}

// packText packs new texts and those of the corpus as a shard, as the command
// does.
func packText(t *testing.T, store blob.Store, manifest crescendo.Hash, dir, more string) crescendo.Hash {
	t.Helper()
	texts(t, more, "letter", 60)
	if err := os.CopyFS(filepath.Join(more, "copied"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	reader, err := corpus.Open(t.Context(), store, manifest)
	if err != nil {
		t.Fatal(err)
	}
	source := corpus.Directory(more)
	source.SPDX = "CC0-1.0"
	var out strings.Builder
	c := &cli{out: &out}
	if err := c.storeShard(t.Context(), &node.Connection{Blobs: store}, reader, source, 1); err != nil {
		t.Fatal(err)
	}
	_, name, ok := strings.Cut(out.String(), "shard: ")
	if !ok || !strings.Contains(out.String(), "under CC0-1.0") {
		t.Fatalf("said %q", out.String())
	}
	name, _, _ = strings.Cut(name, "\n")
	h, err := crescendo.ParseHash(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
