package corpus

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/tokenizer"
	"github.com/google/go-cmp/cmp"
)

// drawn returns how often each window of a sequence stands in a selection.
func (s *Selection) often(part int) map[int]int {
	n := map[int]int{}
	for i := range s.total {
		k := slices.IndexFunc(s.stretches, func(t stretch) bool { return t.end > i })
		t := s.stretches[k]
		if t.part == part {
			n[t.first+(i-(t.end-t.count*t.weight))/t.weight]++
		}
	}
	return n
}

func choose(t *testing.T, r *Reader, c Choice) *Selection {
	t.Helper()
	s, err := r.Choose(t.Context(), c, 16)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestChooseNothingChangesNothing: the bits of every rung without a mix hang
// on it.
func TestChooseNothingChangesNothing(t *testing.T) {
	store := blob.NewMemory()
	r := open(t, store, build(t, Directory(write(t, stories(60))), small(store)).Hash)
	plain := r.Train()
	for name, c := range map[string]Choice{
		"no choice":       {},
		"all alike":       {Mix: []research.MixWeight{{Prefix: "part1/", PerMille: 1000}}},
		"all twice":       {Mix: []research.MixWeight{{Prefix: "part", PerMille: 2000}}},
		"names nothing":   {Mix: []research.MixWeight{{Suffix: ".rs", PerMille: 7}}},
		"refuses nothing": {Filter: research.Filter{MinBytes: 1, MaxBytes: 1 << 20}},
	} {
		s := choose(t, r, c)
		if s.Windows() != plain.Windows() || s.Summary.Documents != r.manifest.Train.Documents || s.Summary.Bytes != r.manifest.Train.Bytes {
			t.Fatalf("%s: %d windows, want %d; %+v", name, s.Windows(), plain.Windows(), s.Summary)
		}
		for i := range plain.Windows() {
			want, err := plain.Window(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Window(t.Context(), i); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%s: window %d is another, %v", name, i, err)
			}
		}
	}
}

// TestMix wants every window as often as the document of its first token says.
func TestMix(t *testing.T) {
	store := blob.NewMemory()
	r := open(t, store, build(t, Directory(write(t, stories(60))), small(store)).Hash)
	x, err := r.Index(t.Context(), Train)
	if err != nil {
		t.Fatal(err)
	}
	mix := []research.MixWeight{{Suffix: "7.txt", PerMille: 0}, {Prefix: "part0/", PerMille: 500}, {Prefix: "part1/", PerMille: 3000}}
	filter := research.Filter{MinBytes: 1000}
	s := choose(t, r, Choice{Mix: mix, Filter: filter})
	often := s.often(0)
	weights := map[string]int{"part0/": 1, "part1/": 6, "part2/": 2} // 500 : 3000 : 1000
	q := r.Train()
	classes, windows := map[int]int{}, 0
	for i := range q.Windows() {
		shard, offset, err := q.Shard(i)
		if err != nil {
			t.Fatal(err)
		}
		d := x.Documents[x.At(int64(shard*1000+offset))]
		want := weights[d.Path[:6]]
		if strings.HasSuffix(d.Path, "7.txt") && mix[0].PerMille == 0 && len("7.txt") < len("part0/") && want == 2 {
			want = 0 // the prefixes are longer than the suffix
		}
		if d.Bytes < 1000 {
			want = 0
		}
		if often[i] != want {
			t.Fatalf("window %d of %s, %d bytes: %d times, want %d", i, d.Path, d.Bytes, often[i], want)
		}
		classes[want]++
		if want > 0 {
			windows++
		}
	}
	for _, w := range []int{0, 1, 2, 6} {
		if classes[w] == 0 {
			t.Errorf("no window has weight %d: the test tests nothing", w)
		}
	}
	if s.Summary.Windows != windows {
		t.Errorf("%d windows, want %d", s.Summary.Windows, windows)
	}
	if _, err := s.Window(t.Context(), s.Windows()); err == nil {
		t.Error("read a window that does not exist")
	}
}

// TestWeightsProperty draws mixes and compares with weights looked up one by
// one.
func TestWeightsProperty(t *testing.T) {
	store := blob.NewMemory()
	r := open(t, store, build(t, Directory(write(t, stories(60))), small(store)).Hash)
	x, err := r.Index(t.Context(), Train)
	if err != nil {
		t.Fatal(err)
	}
	q := r.Train()
	rapid.Check(t, func(t *rapid.T) {
		var mix []research.MixWeight
		for _, w := range rapid.SliceOfNDistinct(rapid.StringMatching(`part[012]?/?(story0?)?`), 0, 4, rapid.ID).Draw(t, "prefixes") {
			mix = append(mix, research.MixWeight{Prefix: w, PerMille: rapid.Uint32Max(3).Draw(t, "weight") * 250})
		}
		for _, w := range rapid.SliceOfNDistinct(rapid.StringMatching(`[0-3][.]txt`), 0, 4, rapid.ID).Draw(t, "suffixes") {
			mix = append(mix, research.MixWeight{Suffix: w, PerMille: rapid.Uint32Max(3).Draw(t, "weight") * 250})
		}
		c := Choice{Mix: mix, Filter: research.Filter{MaxBytes: rapid.Uint32Range(1, 3000).Draw(t, "most")}}
		weights, total, windows := make([]int, q.Windows()), 0, 0
		for i := range weights {
			shard, offset, err := q.Shard(i)
			if err != nil {
				t.Fatal(err)
			}
			if d := x.Documents[x.At(int64(shard*1000+offset))]; d.Bytes <= int(c.Filter.MaxBytes) {
				weights[i] = int(research.WeightOf(mix, d.Path))
			}
			if weights[i] > 0 {
				total += weights[i]
				windows++
			}
		}
		s, err := r.Choose(t.Context(), c, 16)
		if windows < MinWindows {
			if !errors.Is(err, ErrChoice) {
				t.Fatalf("%d windows are left: %v, want a refusal", windows, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		often := s.often(0)
		for i, w := range weights {
			if often[i]*total != w*s.Windows() {
				t.Fatalf("window %d has weight %d of %d, and %d of %d numbers", i, w, total, often[i], s.Windows())
			}
		}
	})
}

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
	var ids []int32
	for i := range heldOutDocuments(t, r) {
		x, _ := r.Index(t.Context(), HeldOut)
		var err error
		if ids, err = r.Tokens(t.Context(), ids, HeldOut, x.Documents[i].First, x.End(i)); err != nil {
			t.Fatal(err)
		}
	}
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

func heldOutDocuments(t *testing.T, r *Reader) []Document {
	t.Helper()
	x, err := r.Index(t.Context(), HeldOut)
	if err != nil {
		t.Fatal(err)
	}
	return x.Documents
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

// TestSpansStrikeWindows wants exactly the windows left out that touch a span.
func TestSpansStrikeWindows(t *testing.T) {
	store := blob.NewMemory()
	r := open(t, store, build(t, Directory(write(t, stories(20))), small(store)).Hash)
	x, err := r.Index(t.Context(), Train)
	if err != nil {
		t.Fatal(err)
	}
	q, weights := r.Train(), make([]int, len(x.Documents))
	for i := range weights {
		weights[i] = 1
	}
	rapid.Check(t, func(t *rapid.T) {
		var spans []span
		for _, first := range rapid.SliceOfN(rapid.Int64Range(0, x.Tokens-1), 0, 12).Draw(t, "spans") {
			spans = append(spans, span{first, first + rapid.Int64Range(1, 60).Draw(t, "length")})
		}
		s := &Selection{}
		s.add(0, q, x.Documents, weights, merge(slices.Clone(spans)))
		s.number()
		often, struck := s.often(0), 0
		for i := range q.Windows() {
			shard, offset, err := q.Shard(i)
			if err != nil {
				t.Fatal(err)
			}
			first := int64(shard*1000 + offset)
			touched := slices.ContainsFunc(spans, func(sp span) bool { return sp.first <= first+16 && first < sp.end })
			if touched {
				struck++
			}
			if touched == (often[i] == 1) {
				t.Fatalf("window %d, tokens %d to %d, spans %v: drawn %d times", i, first, first+16, spans, often[i])
			}
		}
		if s.Summary.Overlapping != struck {
			t.Fatalf("%d windows struck, want %d", s.Summary.Overlapping, struck)
		}
	})
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
