package corpus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/tokenizer"
	"github.com/google/go-cmp/cmp"
)

// write makes a directory of documents.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// stories returns n different documents.
func stories(n int) map[string]string {
	words := strings.Fields("the a cat dog model token round shares pays trains serves opens and then but never quickly 12 3.5 (x) {y}")
	files := map[string]string{"LICENSE": "Do as you like.\n"}
	for i := range n {
		rng := rand.New(rand.NewPCG(uint64(i), 5))
		var b strings.Builder
		for range 200 + rng.IntN(200) {
			b.WriteString(words[rng.IntN(len(words))])
			b.WriteByte(" \n"[rng.IntN(10)/9])
		}
		files[fmt.Sprintf("part%d/story%03d.txt", i%3, i)] = b.String()
	}
	return files
}

func small(store blob.Store) Options {
	return Options{Store: store, Vocab: 400, Context: 16, ShardTokens: 1000, HeldOutPerMille: 100, Seed: 7}
}

func build(t *testing.T, s Source, o Options) *Pack {
	t.Helper()
	p, err := Build(t.Context(), s, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t *testing.T, store blob.Store, h crescendo.Hash) *Reader {
	t.Helper()
	r, err := Open(t.Context(), store, h)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// all returns the tokens of a split, shard by shard.
func all(t *testing.T, r *Reader, s Split) []int32 {
	t.Helper()
	var ids []int32
	for i := range r.Manifest().Part(s).Shards {
		tokens, err := r.tokens(t.Context(), shardKey{s, i})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range tokens {
			ids = append(ids, int32(id))
		}
	}
	return ids
}

// TestEveryDocumentIsThere takes a pack apart again.
func TestEveryDocumentIsThere(t *testing.T) {
	files := stories(60)
	store := blob.NewMemory()
	p := build(t, Directory(write(t, files)), small(store))
	r := open(t, store, p.Hash)
	found := map[string]Split{}
	for _, s := range []Split{Train, HeldOut} {
		part, size := p.Manifest.Part(s), int64(0)
		ids := all(t, r, s)
		if len(ids) == 0 || ids[0] != tokenizer.EndOfText {
			t.Fatalf("%s does not begin with a separator", s)
		}
		docs := 0
		for len(ids) > 0 {
			end := slices.Index(ids[1:], tokenizer.EndOfText) + 1
			if end == 0 {
				end = len(ids)
			}
			text := string(r.Tokenizer().Decode(ids[:end]))
			found[text] = s
			size += int64(len(text))
			docs++
			ids = ids[end:]
		}
		if docs != part.Documents || size != part.Bytes {
			t.Errorf("%s has %d documents, %d bytes; manifest says %d, %d", s, docs, size, part.Documents, part.Bytes)
		}
	}
	for name, text := range files {
		if _, ok := found[text]; !ok && name != "LICENSE" {
			t.Errorf("%s is not in the corpus", name)
		}
	}
	if len(found) != 60 {
		t.Errorf("%d documents, want 60", len(found))
	}
	licence, err := store.Get(t.Context(), p.Manifest.Licence.Blob, 0)
	if err != nil || string(licence) != files["LICENSE"] || p.Manifest.Licence.SPDX != "NOASSERTION" {
		t.Errorf("licence %q %s, %v", licence, p.Manifest.Licence.SPDX, err)
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	files := stories(40)
	want := build(t, Directory(write(t, files)), small(blob.NewMemory()))
	renamed := map[string]string{}
	for name, text := range files {
		renamed["elsewhere/"+strings.ReplaceAll(name, "part", "z")] = text
	}
	renamed["LICENSE"] = files["LICENSE"]
	renamed["copy.md"] = files["part0/story000.txt"]
	o := small(blob.NewMemory())
	o.CacheDir = t.TempDir()
	for range 2 { // the second time with the cached tokenizer
		got := build(t, Directory(write(t, renamed)), o)
		if got.Hash == want.Hash {
			t.Error("the index does not know other names")
		}
		got.Manifest.Train.Index, got.Manifest.HeldOut.Index = want.Manifest.Train.Index, want.Manifest.HeldOut.Index
		if diff := cmp.Diff(want.Manifest, got.Manifest); diff != "" {
			t.Errorf("the same documents under other names are packed otherwise:\n%s", diff)
		}
		if again := build(t, Directory(write(t, files)), o); again.Hash != want.Hash {
			t.Error("the same documents give another corpus the second time")
		}
	}

	if cached, err := filepath.Glob(filepath.Join(o.CacheDir, "tokenizer-*.json")); err != nil || len(cached) != 1 {
		t.Errorf("cache holds %v, %v", cached, err)
	}
	o.Seed++
	if got := build(t, Directory(write(t, files)), o); got.Manifest.Train.Bytes != want.Manifest.Train.Bytes {
		t.Error("without a bound on size, a seed changes which documents are taken")
	}
}

func TestDamagedCacheIsPassedOver(t *testing.T) {
	dir := write(t, stories(20))
	o := small(blob.NewMemory())
	o.CacheDir = t.TempDir()
	want := build(t, Directory(dir), o)
	cached, err := filepath.Glob(filepath.Join(o.CacheDir, "*.json"))
	if err != nil || len(cached) != 1 {
		t.Fatal(cached, err)
	}
	if err := os.WriteFile(cached[0], []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := build(t, Directory(dir), o); got.Hash != want.Hash {
		t.Error("a damaged cache changes the corpus")
	}
}

func TestMaxBytesTakesASeededSubset(t *testing.T) {
	dir := write(t, stories(120))
	o := small(blob.NewMemory())
	o.MaxBytes = minMaxBytes
	roots := map[crescendo.Hash]bool{}
	for seed := range uint64(3) {
		o.Seed = seed
		p := build(t, Directory(dir), o)
		if p.Hash != build(t, Directory(dir), o).Hash {
			t.Error("the same seed gives another corpus")
		}
		if size := p.Manifest.Train.Bytes + p.Manifest.HeldOut.Bytes; size > o.MaxBytes || size < o.MaxBytes*9/10 {
			t.Errorf("%d bytes taken, bound %d", size, o.MaxBytes)
		}
		roots[p.Manifest.Root] = true
	}
	if len(roots) != 3 {
		t.Errorf("three seeds give %d corpora", len(roots))
	}
}

func TestWindows(t *testing.T) {
	store := blob.NewMemory()
	p := build(t, Directory(write(t, stories(60))), small(store))
	r := open(t, store, p.Hash)
	for _, q := range []*Sequence{r.Train(), r.HeldOut()} {
		n := 0
		for i, shard := range p.Manifest.Part(q.split).Shards {
			tokens, err := r.tokens(t.Context(), shardKey{q.split, i})
			if err != nil || len(tokens) != shard.Tokens {
				t.Fatal(len(tokens), err)
			}
			for at := 0; at+q.Context()+1 <= len(tokens); at += q.Context() {
				window, err := q.Window(t.Context(), n)
				if err != nil {
					t.Fatal(err)
				}
				var bytes int64
				for k, id := range window {
					if id != int32(tokens[at+k]) {
						t.Fatalf("%s window %d differs from shard %d at %d", q.split, n, i, at)
					}
					if k > 0 {
						bytes += int64(len(r.Tokenizer().TokenBytes(id)))
					}
				}
				if got, err := q.TargetBytes(t.Context(), n); err != nil || got != bytes {
					t.Fatalf("targets of window %d stand for %d bytes, want %d: %v", n, got, bytes, err)
				}
				n++
			}
		}
		if n != q.Windows() {
			t.Errorf("%s has %d windows, want %d", q.split, q.Windows(), n)
		}
		for _, i := range []int{-1, n, 1 << 40} {
			if _, err := q.Window(t.Context(), i); err == nil {
				t.Errorf("window %d of %d exists", i, n)
			}
		}
		if _, err := q.WithContext(1000); err == nil {
			t.Error("windows longer than a shard accepted")
		}
		if wide, err := q.WithContext(64); err != nil || wide.Windows() < n/5 {
			t.Errorf("wider windows: %v", err)
		}
	}
}

// TestDamage changes one byte of each blob of a corpus in turn.
func TestDamage(t *testing.T) {
	store := blob.NewMemory()
	p := build(t, Directory(write(t, stories(40))), small(store))
	use := func() error {
		r, err := Open(t.Context(), store, p.Hash)
		if err != nil {
			return err
		}
		return errors.Join(r.Train().Preload(t.Context()), r.HeldOut().Preload(t.Context()))
	}
	if err := use(); err != nil {
		t.Fatal(err)
	}
	names := append([]crescendo.Hash{p.Hash, p.Manifest.Tokenizer}, p.Manifest.leaves()...)
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for _, h := range names {
		if err := store.Damage(h, flip); err != nil {
			t.Fatal(err)
		}
		if err := use(); !errors.Is(err, blob.ErrCorrupt) || !strings.Contains(err.Error(), h.String()) {
			t.Errorf("with blob %s damaged: %v", h, err)
		}
		if err := store.Damage(h, flip); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSwappedShards forges a manifest in which two shards have changed places.
func TestSwappedShards(t *testing.T) {
	store := blob.NewMemory()
	p := build(t, Directory(write(t, stories(40))), small(store))
	m := *p.Manifest
	m.Train.Shards = slices.Clone(m.Train.Shards)
	m.Train.Shards[0], m.Train.Shards[1] = m.Train.Shards[1], m.Train.Shards[0]
	put := func() crescendo.Hash {
		data, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		h, err := store.Put(t.Context(), data)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if _, err := Open(t.Context(), store, put()); err == nil || !strings.Contains(err.Error(), "root") {
		t.Errorf("open with shards that do not hash to the root: %v", err)
	}
	m.Root = Root(m.leaves())
	r := open(t, store, put())
	if _, err := r.Train().Window(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "another shard") {
		t.Errorf("read of a shard in the wrong place: %v", err)
	}
}

func TestJSONLines(t *testing.T) {
	var lines strings.Builder
	for _, text := range stories(30) {
		line, err := json.Marshal(map[string]any{"text": text, "id": 1})
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n', '\n'))
	}
	store := blob.NewMemory()
	p := build(t, Directory(write(t, map[string]string{"docs.jsonl": lines.String()})), small(store))
	if got := p.Manifest.Train.Documents + p.Manifest.HeldOut.Documents; got != 31 {
		t.Errorf("%d documents, want 31", got)
	}
}

// TestOneLargeFile must still have something to hold out.
func TestOneLargeFile(t *testing.T) {
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "line %d of a long text\n", i)
	}
	path := filepath.Join(write(t, map[string]string{"book.txt": text.String()}), "book.txt")
	store := blob.NewMemory()
	p := build(t, Directory(path), small(store))
	if n := p.Manifest.HeldOut.Documents; n < 1 {
		t.Errorf("%d documents held out", n)
	}
	if got := p.Manifest.Train.Bytes + p.Manifest.HeldOut.Bytes; got != int64(text.Len()) {
		t.Errorf("%d bytes, want %d", got, text.Len())
	}
}

func TestPieces(t *testing.T) {
	for name, text := range map[string]string{
		"empty":    "",
		"short":    "x",
		"lines":    strings.Repeat("0123456789\n", 20_000),
		"no lines": strings.Repeat("日本語", 30_000),
		"exact":    strings.Repeat("x", maxDocument),
	} {
		parts := pieces([]byte(text))
		if string(bytes.Join(parts, nil)) != text {
			t.Errorf("%s: pieces do not make up the text", name)
		}
		for _, p := range parts {
			if len(p) > maxDocument || len(text) > 0 && len(p) == 0 || text != "" && !usable(p) {
				t.Errorf("%s: piece of %d bytes", name, len(p))
			}
		}
	}
}

func TestUnusableSources(t *testing.T) {
	secret := write(t, map[string]string{"a/b.txt": "text"})
	for name, c := range map[string]struct {
		source Source
		want   string
	}{
		"missing":       {Directory(filepath.Join(t.TempDir(), "none")), "no such file"},
		"empty":         {Directory(t.TempDir()), "no usable text"},
		"binary only":   {Directory(write(t, map[string]string{"a.txt": "\x00\x01", "b.md": "\xff", "c.png": "text", "d.txt": " \n"})), "no usable text"},
		"bad JSON line": {Directory(write(t, map[string]string{"x/a.jsonl": "{\"text\":\"a\"}\n{\"txt\":\"b\"}\n"})), "x/a.jsonl, line 2"},
		"one document":  {Directory(write(t, map[string]string{"a.txt": "a short text"})), "do not fill one window"},
		"link nowhere":  {Directory(dangling(t, secret)), "no such file"},
	} {
		store := blob.NewMemory()
		_, err := Build(t.Context(), c.source, small(store), nil)
		var typed *crescendo.Error
		if !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		} else if !errors.As(err, &typed) || typed.Hint == "" {
			t.Errorf("%s: %v carries no hint", name, err)
		}
	}
}

func dangling(t *testing.T, dir string) string {
	t.Helper()
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBuildRefusesOptions(t *testing.T) {
	source := Directory(write(t, stories(3)))
	for name, change := range map[string]func(*Options){
		"no store":        func(o *Options) { o.Store = nil },
		"tiny vocabulary": func(o *Options) { o.Vocab = 10 },
		"huge vocabulary": func(o *Options) { o.Vocab = 1 << 17 },
		"negative window": func(o *Options) { o.Context = -1 },
		"shard < window":  func(o *Options) { o.ShardTokens = o.Context },
		"all held out":    func(o *Options) { o.HeldOutPerMille = 1000 },
		"no text":         func(o *Options) { o.MaxBytes = 1 },
	} {
		o := small(blob.NewMemory())
		change(&o)
		if _, err := Build(t.Context(), source, o, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCancelledBuild(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, Directory(write(t, stories(3))), small(blob.NewMemory()), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled build: %v", err)
	}
}

// TestGoTree packs part of this machine's Go tree.
func TestGoTree(t *testing.T) {
	s, err := GoTree(t.Context())
	if err != nil {
		t.Skip(err)
	}
	store := blob.NewMemory()
	p := build(t, s, Options{Store: store, Vocab: 1024, MaxBytes: 1 << 20})
	m := p.Manifest
	if m.Licence.SPDX != "BSD-3-Clause" || !strings.Contains(m.Source, "Go tree") {
		t.Errorf("licence %s, source %q", m.Licence.SPDX, m.Source)
	}
	if b := m.BigramMicroBitsPerByte; b < 3_000_000 || b > 5_000_000 {
		t.Errorf("bigram baseline of %d micro-bits a byte is not that of source text", b)
	}
	r := open(t, store, p.Hash)
	text := r.Tokenizer().Decode(all(t, r, Train))
	if !bytes.Contains(text, []byte("\npackage ")) {
		t.Error("training text has no source")
	}
}

func TestGoTreeFilter(t *testing.T) {
	line := strings.Repeat("x := y + z\n", 40)
	root := write(t, map[string]string{
		"VERSION": "go9.9.9\ntime x\n", "LICENSE": "BSD", "src/fmt/print.go": "package fmt\n" + line,
		"src/a/gen.go": "// Code generated by hand. DO NOT EDIT.\n" + line, "src/a/testdata/t.go": "t" + line,
		"src/vendor/v/v.go": "v" + line, "src/a/copy.go": "package fmt\n" + line, "src/a/README.md": "readme" + line,
		"src/a/table.go": "table" + strings.Repeat("0x12345678, 0x9abcdef0,\n", 50), "src/a/key.go": "key" + strings.Repeat("MIIBIjANBgkqhkiG", 50),
		"src/a/asm.s": "asm" + line, "doc/spec.html": "spec" + line, "src/a/page.html": "page" + line,
		"src/a/big.go": strings.Repeat(line, 1+maxSourceFile/len(line)), "src/.hidden/h.go": "h" + line, "pkg/p.go": "p" + line,
	})
	s, err := GoTreeAt(root)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := s.documents(t.Context(), DefaultMaxBytes, 0, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range docs {
		got = append(got, strings.SplitN(string(d.text), "x :=", 2)[0])
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"package fmt\n", "readme", "spec"}, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	if s.Description != "source and documentation of the Go tree, go9.9.9" {
		t.Errorf("description %q", s.Description)
	}
	if _, err := GoTreeAt(t.TempDir()); !errors.Is(err, ErrUnusable) {
		t.Errorf("an empty GOROOT: %v", err)
	}
}

func BenchmarkBuildGoTree(b *testing.B) {
	s, err := GoTree(b.Context())
	if err != nil {
		b.Skip(err)
	}
	for name, bound := range map[string]int64{"4MB": 4 << 20, "8MB": 8 << 20, "all": DefaultMaxBytes} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p, err := Build(b.Context(), s, Options{Store: blob.NewMemory(), MaxBytes: bound}, nil)
				if err != nil {
					b.Fatal(err)
				}
				m := p.Manifest
				b.ReportMetric(float64(m.Train.Bytes+m.HeldOut.Bytes)/1e6, "text-MB")
				b.ReportMetric(float64(m.Train.Tokens+m.HeldOut.Tokens)/1e6, "Mtokens")
				b.ReportMetric(float64(m.Train.Documents+m.HeldOut.Documents), "documents")
				b.ReportMetric(float64(m.BigramMicroBitsPerByte)/1e6, "bigram-bits/byte")
				b.ReportMetric(float64(p.GzipMicroBitsPerByte)/1e6, "gzip-bits/byte")
			}
		})
	}
}
