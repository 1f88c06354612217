package corpus

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// Deriving a corpus gives what building it with the other tokenizer gives.
func TestDerivedIsBuilt(t *testing.T) {
	dir := write(t, stories(60))
	for name, how := range map[string]Tokenization{
		"larger vocabulary":  {Vocab: 420},
		"smaller vocabulary": {Vocab: 280},
		"smaller sample":     {Vocab: 350, SampleBytes: 5000},
		"no merges":          {Vocab: 261},
		"the same":           {Vocab: 320},
	} {
		t.Run(name, func(t *testing.T) {
			store := blob.NewMemory()
			options := Options{Store: store, Vocab: 320, Context: 16, ShardTokens: 4096, HeldOutPerMille: 100, SampleBytes: 20_000, Seed: 9}
			pack, err := Build(t.Context(), Directory(dir), options, nil)
			if err != nil {
				t.Fatal(err)
			}
			reader, err := Open(t.Context(), store, pack.Hash)
			if err != nil {
				t.Fatal(err)
			}
			before := count(t, store)
			got, err := reader.Derive(t.Context(), how)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := reader.Derive(t.Context(), how); err != nil || again != got {
				t.Errorf("deriving it again: another reader, error %v", err)
			}
			if n := count(t, store); n != before {
				t.Errorf("the store has %d blobs, %d before", n, before)
			}
			other := blob.NewMemory()
			options.Store, options.Vocab = other, how.Vocab
			if how.SampleBytes > 0 {
				options.SampleBytes = how.SampleBytes
			}
			want, err := Build(t.Context(), Directory(dir), options, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Hash() != want.Hash {
				t.Fatalf("derived %s, built %s", got.Hash(), want.Hash)
			}
			if (got.Hash() == pack.Hash) != (name == "the same") {
				t.Errorf("derived %s from %s", got.Hash(), pack.Hash)
			}
			sameTexts(t, reader, got)
			if err := got.Publish(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, m := count(t, store), count(t, other); name != "the same" && n < before+m/2 {
				t.Errorf("published: %d blobs, %d before", n, before)
			}
			if _, err := Open(t.Context(), store, got.Hash()); err != nil {
				t.Errorf("open what was published: %v", err)
			}
		})
	}
}

func count(t *testing.T, s blob.Store) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func sameTexts(t *testing.T, a, b *Reader) {
	t.Helper()
	for _, s := range []Split{Train, HeldOut} {
		x, err := a.documents(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		y, err := b.documents(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if len(x) != len(y) || len(x) == 0 {
			t.Fatalf("%s: %d documents became %d", s, len(x), len(y))
		}
		for i := range x {
			if x[i].path != y[i].path || !bytes.Equal(x[i].text, y[i].text) {
				t.Errorf("%s: document %d (%s) differs", s, i, x[i].path)
			}
		}
	}
}

// What cannot be derived fails the same way for everybody.
func TestNotDerived(t *testing.T) {
	store := blob.NewMemory()
	pack, err := Build(t.Context(), Directory(write(t, stories(12))), Options{Store: store, Vocab: 262, Context: 900, HeldOutPerMille: 10}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := Open(t.Context(), store, pack.Hash)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Derive(t.Context(), Tokenization{Vocab: 600}); !errors.Is(err, ErrBroken) {
		t.Errorf("no window is left, error %v", err)
	}
	if _, err := reader.Derive(t.Context(), Tokenization{Vocab: 100}); !errors.Is(err, ErrBroken) {
		t.Errorf("a vocabulary below the bytes: error %v", err)
	}
	// Bytes of their own need more shards than a corpus may have.
	pack, err = Build(t.Context(), Directory(write(t, stories(100))), Options{Store: store, Vocab: 600, Context: 1, ShardTokens: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if reader, err = Open(t.Context(), store, pack.Hash); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Derive(t.Context(), Tokenization{Vocab: 261}); !errors.Is(err, ErrBroken) {
		t.Errorf("%d tokens in shards of 2, cut smaller: error %v", pack.Manifest.Train.Tokens, err)
	}
}

// A window and its recut spell the same text, separators in the same places.
func TestRecut(t *testing.T) {
	store := blob.NewMemory()
	pack, err := Build(t.Context(), Directory(write(t, stories(40))), Options{Store: store, Vocab: 330, Context: 64, HeldOutPerMille: 200}, nil)
	if err != nil {
		t.Fatal(err)
	}
	from, err := Open(t.Context(), store, pack.Hash)
	if err != nil {
		t.Fatal(err)
	}
	for _, vocab := range []int{261, 330, 500} {
		to, err := from.Derive(t.Context(), Tokenization{Vocab: vocab})
		if err != nil {
			t.Fatal(err)
		}
		separators, lengths := 0, 0
		for i := range from.HeldOut().Windows() {
			window, err := from.HeldOut().Window(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			got := to.Recut(from, window)
			if want, have := spelled(from, window[1:]), spelled(to, got[1:]); want != have {
				t.Fatalf("vocabulary %d, window %d: %q became %q", vocab, i, want, have)
			}
			if first := string(from.tok.TokenBytes(window[0])); !strings.HasSuffix(first, string(to.tok.TokenBytes(got[0]))) {
				t.Errorf("vocabulary %d, window %d: %q before it became %q", vocab, i, first, to.tok.TokenBytes(got[0]))
			}
			separators += strings.Count(spelled(from, window[1:]), "|")
			lengths += len(got)
		}
		if separators == 0 {
			t.Fatal("no window has a separator: the test shows little")
		}
		if n := from.HeldOut().Windows() * 65; (lengths > n) != (vocab < 330) && vocab != 330 {
			t.Errorf("vocabulary %d: %d tokens for %d", vocab, lengths, n)
		}
	}
	if got := from.Recut(from, nil); len(got) != 0 {
		t.Errorf("nothing became %v", got)
	}
}

// spelled writes a bar for a separator; the stories have none.
func spelled(r *Reader, ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		if id == tokenizer.EndOfText {
			b.WriteByte('|')
		}
		b.Write(r.tok.TokenBytes(id))
	}
	return b.String()
}
