package corpus

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/tokenizer"
	"github.com/google/go-cmp/cmp"
)

// contribute packs documents as a contribution to a corpus.
func contribute(t *testing.T, r *Reader, files map[string]string) crescendo.Hash {
	t.Helper()
	p := build(t, Directory(write(t, files)), Options{Store: r.store, Context: 16, ShardTokens: 700, Contribution: true, Tokenizer: r.tok})
	return p.Hash
}

// poems are documents that no story shares 24 tokens with.
func poems(n int) map[string]string {
	words := strings.Fields("sea wind gold night rain silver under far never-more whisper tide & hollow moon; ash")
	files := map[string]string{}
	for i := range n {
		rng := rand.New(rand.NewPCG(uint64(i), 99))
		var b strings.Builder
		for range 150 {
			b.WriteString(words[rng.IntN(len(words))] + " ")
		}
		files[fmt.Sprintf("poems/%03d.md", i)] = b.String()
	}
	return files
}

func textOf(t *testing.T, r *Reader, s Split, i int) string {
	t.Helper()
	text, err := r.Text(t.Context(), s, i)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestContamination wants no window of a contribution drawn that has a token of
// a held-out document, or of a run that it shares with one.
func TestContamination(t *testing.T) {
	store := blob.NewMemory()
	notice := strings.Repeat("whoever reads this may keep it and pass it on; ", 6)
	files := stories(60)
	for name, text := range files {
		files[name] = notice + text
	}
	r := open(t, store, build(t, Directory(write(t, files)), small(store)).Hash)
	held := textOf(t, r, HeldOut, 0)
	known := textOf(t, r, Train, 0)
	quoted := held[len(notice)+40 : len(notice)+240]
	more := poems(30)
	more["stolen.txt"] = held
	more["known.txt"] = known
	more["quotes.txt"] = "Somebody writes:\n" + quoted + "\nand goes on in his own words, for a while, about the sea and the wind at night.\n"
	more["notice.txt"] = notice + more["poems/001.md"]
	for drawnHash(blob.Sum([]byte(more["notice.txt"]))) < 100 { // its hash must not hold it out
		more["notice.txt"] += "the end "
	}
	h := contribute(t, r, more)
	s := choose(t, r, Choice{Mix: []research.MixWeight{{Prefix: "part", PerMille: 0}}, Shard: h})
	if len(s.often(0)) != 0 {
		t.Error("documents of weight 0 are drawn")
	}
	c := r.joined[0]
	heldOut := 0
	for _, d := range c.index.Documents {
		if drawnHash(d.Hash) < 100 || d.Path == "stolen.txt" {
			heldOut++
		}
	}
	if s.Summary.Contributed != 34 || s.Summary.HeldOut != heldOut || s.Summary.Known != 1 || s.Summary.Overlapping == 0 {
		t.Errorf("%+v, want 34 documents, %d of them held out, 1 known, and windows that overlap", s.Summary, heldOut)
	}
	q := c.reader.sequence(Train, 16)
	often := s.often(1)
	drawnFrom := map[string]int{}
	for i := range q.Windows() {
		if often[i] == 0 {
			continue
		}
		shard, offset, err := q.Shard(i)
		if err != nil {
			t.Fatal(err)
		}
		d := c.index.Documents[c.index.At(int64(shard*700+offset))]
		drawnFrom[d.Path]++
	}
	for _, path := range []string{"stolen.txt", "known.txt"} {
		if drawnFrom[path] > 0 {
			t.Errorf("%d windows of %s are drawn", drawnFrom[path], path)
		}
	}
	i := slices.IndexFunc(c.index.Documents, func(d Document) bool { return d.Path == "notice.txt" })
	if slices.ContainsFunc(c.spans, func(sp span) bool { return sp.first < c.index.End(i) && c.index.Documents[i].First < sp.end }) {
		t.Error("a notice that every document has keeps a window from being drawn")
	}
	for k, d := range c.index.Documents {
		if drawnHash(d.Hash) >= 100 && d.Path != "stolen.txt" {
			continue
		}
		for i := range q.Windows() {
			shard, offset, _ := q.Shard(i)
			first := int64(shard*700 + offset)
			if often[i] > 0 && first < c.index.End(k) && d.First <= first+16 {
				t.Fatalf("window %d is drawn and has tokens of %s, which is held out", i, d.Path)
			}
		}
	}
	// The quotation: no drawn window has a token of it.
	for _, sp := range c.spans {
		for i := range q.Windows() {
			shard, offset, _ := q.Shard(i)
			first := int64(shard*700 + offset)
			if often[i] > 0 && first < sp.end && sp.first <= first+16 {
				t.Fatalf("window %d, tokens %d to %d, is drawn; %d to %d are held out", i, first, first+16, sp.first, sp.end)
			}
		}
	}
	i = slices.IndexFunc(c.index.Documents, func(d Document) bool { return d.Path == "quotes.txt" })
	if !c.refused[i] && !slices.ContainsFunc(c.spans, func(sp span) bool {
		return sp.first > c.index.Documents[i].First && sp.end < c.index.End(i) && sp.end-sp.first >= overlap
	}) {
		t.Errorf("the quotation is not found among %v; the document has tokens %d to %d", c.spans, c.index.Documents[i].First, c.index.End(i))
	}
}

// TestContributionsThatAreRefused: what everybody finds wrong is an ErrChoice,
// what cannot be fetched is not.
func TestContributionsThatAreRefused(t *testing.T) {
	store := blob.NewMemory()
	p := build(t, Directory(write(t, stories(60))), small(store))
	r := open(t, store, p.Hash)
	good := contribute(t, r, poems(30))
	put := func(data []byte) crescendo.Hash {
		h, err := store.Put(t.Context(), data)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	change := func(edit func(m *Manifest)) crescendo.Hash {
		data, err := store.Get(t.Context(), good, 0)
		if err != nil {
			t.Fatal(err)
		}
		m, err := DecodeManifest(data)
		if err != nil {
			t.Fatal(err)
		}
		edit(m)
		m.Root = Root(m.leaves())
		if data, err = m.Encode(); err != nil {
			t.Fatal(err)
		}
		return put(data)
	}
	// respell writes the text of the first document in single bytes.
	respell := func(m *Manifest) {
		x := &Index{Split: Train}
		shard := &Shard{Split: Train, Vocab: m.Vocab, Tokenizer: m.Tokenizer, Tokens: []uint16{uint16(tokenizer.EndOfText)}}
		text := []byte(poems(1)["poems/000.md"])
		for _, b := range text {
			shard.Tokens = append(shard.Tokens, 5+uint16(b))
		}
		x.Tokens = int64(len(shard.Tokens))
		x.Documents = []Document{{Path: "a", Hash: blob.Sum(text), Bytes: len(text)}}
		m.Train = Part{Bytes: int64(len(text)), Documents: 1, Index: put(x.Encode()), Tokens: x.Tokens,
			Shards: []ShardName{{Blob: put(shard.Encode()), Tokens: len(shard.Tokens)}}}
	}
	for name, h := range map[string]crescendo.Hash{
		"no manifest":        put([]byte("{}")),
		"a whole corpus":     p.Hash,
		"another tokenizer":  change(func(m *Manifest) { m.Tokenizer = crescendo.Hash{1} }),
		"another vocabulary": change(func(m *Manifest) { m.Vocab++ }),
		"too much text":      change(func(m *Manifest) { m.Train.Bytes = MaxContributionBytes + 1 }),
		"too many documents": change(func(m *Manifest) { m.Train.Documents = MaxContributionDocuments + 1 }),
		"tokens of no text":  change(func(m *Manifest) { m.Train.Bytes = 5 }),
		"another index":      change(func(m *Manifest) { m.Train.Index = p.Manifest.Train.Index }),
		"another's shard":    change(func(m *Manifest) { m.Train.Shards[1].Blob = p.Manifest.Train.Shards[0].Blob }),
		"tokens of its own":  change(respell),
	} {
		if _, err := r.Choose(t.Context(), Choice{Shard: h}, 16); !errors.Is(err, ErrChoice) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	// Before anything of it is fetched.
	shattered := change(func(m *Manifest) {
		m.Train.Shards = make([]ShardName, MaxContributionShards+1)
		for i := range m.Train.Shards {
			m.Train.Shards[i] = ShardName{Blob: crescendo.Hash{byte(i), byte(i >> 8)}, Tokens: m.Context + 1}
		}
		m.Train.Tokens = int64(len(m.Train.Shards) * (m.Context + 1))
		m.Train.Bytes = m.Train.Tokens
	})
	if _, err := r.Choose(t.Context(), Choice{Shard: shattered}, 16); !errors.Is(err, ErrChoice) || !strings.Contains(err.Error(), "in 1025 shards") {
		t.Errorf("too many shards: %v, want a refusal that says so", err)
	}
	for name, h := range map[string]crescendo.Hash{
		"missing":          {1},
		"index is missing": change(func(m *Manifest) { m.Train.Index = crescendo.Hash{2} }),
		"shard is missing": change(func(m *Manifest) { m.Train.Shards[1].Blob = crescendo.Hash{3} }),
	} {
		if _, err := r.Choose(t.Context(), Choice{Shard: h}, 16); !errors.Is(err, blob.ErrNotFound) || errors.Is(err, ErrChoice) {
			t.Errorf("%s: %v, want something that another try may cure", name, err)
		}
	}
	first, again := choose(t, r, Choice{Shard: good}), choose(t, open(t, store, p.Hash), Choice{Shard: good})
	if diff := cmp.Diff(first.Summary, again.Summary); diff != "" || first.Summary.ContributedWindows == 0 {
		t.Errorf("%+v; two readers find differently: %s", first.Summary, diff)
	}
	if _, err := Open(t.Context(), store, good); !errors.Is(err, ErrBroken) {
		t.Errorf("a contribution opens as a corpus: %v", err)
	}
}

// TestEachRun compares rolling hashes with a search.
func TestEachRun(t *testing.T) {
	store := blob.NewMemory()
	r := open(t, store, build(t, Directory(write(t, stories(40))), small(store)).Hash)
	ids := all(t, r, Train)
	seen := map[uint64]string{}
	n := 0
	err := eachRun(t.Context(), r, Train, func(first int64, run uint64) {
		n++
		tokens := ids[first : first+overlap]
		if slices.Contains(tokens, tokenizer.EndOfText) {
			t.Fatalf("the run at %d crosses a separator", first)
		}
		text := fmt.Sprint(tokens)
		if have, ok := seen[run]; ok && have != text {
			t.Fatalf("two runs have the hash %x", run)
		}
		seen[run] = text
	})
	if err != nil {
		t.Fatal(err)
	}
	want, length := 0, 0
	texts := map[string]bool{}
	for i, id := range ids {
		if length++; id == tokenizer.EndOfText {
			length = 0
		}
		if length >= overlap {
			want++
			texts[fmt.Sprint(ids[i+1-overlap:i+1])] = true
		}
	}
	if n != want || len(seen) != len(texts) {
		t.Errorf("%d runs of %d kinds, want %d of %d: equal runs have equal hashes", n, len(seen), want, len(texts))
	}
}
