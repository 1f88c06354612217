package auditor

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

// A rung whose recipe has a tokenizer of its own is to be trained on the text
// of its trials, packed again. Another corpus with as many tokens, a root that
// is not the manifest's and a corpus that is not there are found.
func TestCorpusOfATokenizer(t *testing.T) {
	a, _ := tryout(t)
	s := a.exec.store
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	how := research.Tokenizer{Vocabulary: 300}
	recipe := research.Recipe{Version: research.RecipeVersion, Author: signer("ada").Account(), Name: "fewer tokens", Tokenizer: how}
	id := recipe.ID()
	must(research.Contents.Set(s, recipe, id[:]))
	must(research.Adoptions.Set(s, research.Adoption{Recipe: id}, uint32(1)))
	named, err := research.Texts.Get(s, uint32(1))
	must(err)
	reader, err := corpus.Open(t.Context(), a.Blobs, named.Corpus)
	must(err)
	repacked := func(how research.Tokenizer) *corpus.Manifest {
		t.Helper()
		r, err := reader.Derive(t.Context(), outer.Tokenization(how))
		must(err)
		must(r.Publish(t.Context()))
		return r.Manifest()
	}
	blobOf := func(m *corpus.Manifest) crescendo.Hash {
		t.Helper()
		data, err := m.Encode()
		must(err)
		h, err := a.Blobs.Put(t.Context(), data)
		must(err)
		return h
	}
	right := repacked(how)
	other := repacked(research.Tokenizer{Vocabulary: 300, SampleBytes: 5000})
	for _, c := range []struct {
		name         string
		corpus, root crescendo.Hash
		says         string // empty: it is right
		failed       int
	}{
		{"the corpus that everybody derives", blobOf(right), right.Root, "", 0},
		{"another sample", blobOf(other), other.Root, "tokenizer of rung 1's recipe makes " + blobOf(right).String(), 1},
		{"another root", blobOf(right), other.Root, "the manifest has root", 1},
		{"more tokens than the model has", named.Corpus, named.Root, "the corpus has 320 tokens, the model 300", 1},
		{"nothing", crescendo.Hash{1}, right.Root, "corpus of rung 1", 0},
	} {
		must(training.Runs.Set(s, training.Run{Start: crescendo.Hash{1}, Corpus: c.corpus, Root: c.root}, uint32(1)))
		r, err := readRung(s, chainID, a.exec.spec, 1)
		must(err)
		a.findings = newFindings()
		must(a.corpusOf(t.Context(), r))
		report := a.findings.report()
		said := report.names() + strings.Join(report.Unverifiable, "\n")
		if report.Failed != c.failed || (c.says == "") != (said == "") || !strings.Contains(said, c.says) {
			t.Errorf("%s: %d failures, %q, want %q", c.name, report.Failed, said, c.says)
		}
	}
}
