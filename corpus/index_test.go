package corpus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/google/go-cmp/cmp"
)

func exampleIndex() *Index {
	x := &Index{Split: Train, Tokens: 50}
	for i := range 3 {
		x.Documents = append(x.Documents, Document{Hash: crescendo.Hash{byte(i + 1)}, Path: "doc/é.md", Bytes: 40 + i, First: int64(10 * i)})
	}
	x.Documents[1].Path = "a.go"
	return x
}

func TestGoldenIndex(t *testing.T) {
	data := exampleIndex().Encode()
	golden(t, "index.txt", fmt.Appendf(nil, "%s\nblob %s\n", strings.TrimSpace(hexLines(data)), blob.Sum(data)))
	back, err := DecodeIndex(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exampleIndex(), back); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeIndexRefuses(t *testing.T) {
	paths := indexHeader + 3*indexDocument
	for name, change := range map[string]func(b []byte) []byte{
		"magic":             func(b []byte) []byte { b[0]++; return b },
		"version":           func(b []byte) []byte { b[8]++; return b },
		"split":             func(b []byte) []byte { b[10] = 2; return b },
		"padding":           func(b []byte) []byte { b[22] = 1; return b },
		"more documents":    func(b []byte) []byte { b[12]++; return b },
		"many documents":    func(b []byte) []byte { b[15] = 1; return b },
		"many paths":        func(b []byte) []byte { b[19] = 1; return b },
		"fewer tokens":      func(b []byte) []byte { b[24] = 21; return b },
		"many tokens":       func(b []byte) []byte { b[31] = 0x80; return b },
		"hashes in order":   func(b []byte) []byte { b[indexHeader] = 2; return b },
		"first document":    func(b []byte) []byte { b[indexHeader+32] = 1; return b },
		"short document":    func(b []byte) []byte { b[indexHeader+indexDocument+32] = 19; return b },
		"far document":      func(b []byte) []byte { b[indexHeader+indexDocument+39] = 0x80; return b },
		"no text":           func(b []byte) []byte { b[indexHeader+40] = 0; return b },
		"much text":         func(b []byte) []byte { b[indexHeader+42] = 1; return b },
		"path number":       func(b []byte) []byte { b[indexHeader+44] = 2; return b },
		"unused path":       func(b []byte) []byte { b[indexHeader+indexDocument+44] = 1; return b },
		"unsorted paths":    func(b []byte) []byte { b[paths+2] = 'z'; return b },
		"not UTF-8":         func(b []byte) []byte { b[len(b)-4] = 0xff; return b },
		"longer path":       func(b []byte) []byte { b[paths]++; return b },
		"trailing data":     func(b []byte) []byte { return append(b, 0) },
		"cut off":           func(b []byte) []byte { return b[:len(b)-1] },
		"tokens of nothing": func([]byte) []byte { return (&Index{Tokens: 1}).Encode() },
		"too long a path": func([]byte) []byte {
			x := exampleIndex()
			x.Documents[1].Path = strings.Repeat("x", MaxPath+1)
			return x.Encode()
		},
	} {
		bad := change(exampleIndex().Encode())
		if x, err := DecodeIndex(bad); err == nil {
			t.Errorf("%s: accepted: %+v", name, x)
		}
	}
	if _, err := DecodeIndex((&Index{Split: HeldOut}).Encode()); err != nil {
		t.Errorf("the index of nothing: %v", err)
	}
}

func FuzzDecodeIndex(f *testing.F) {
	f.Add(exampleIndex().Encode())
	f.Add((&Index{Split: HeldOut}).Encode())
	f.Add([]byte(indexMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := DecodeIndex(data)
		if err == nil && !bytes.Equal(x.Encode(), data) {
			t.Fatal("an index that decodes is not what is written")
		}
	})
}

// TestIndexOfACorpus reads every document by its index entry.
func TestIndexOfACorpus(t *testing.T) {
	files := stories(60)
	files["part1/copy.txt"] = files["part1/story001.txt"]
	long := strings.Repeat(files["part0/story000.txt"], 40)
	files["long.md"] = long
	store := blob.NewMemory()
	p := build(t, Directory(write(t, files)), small(store))
	r := open(t, store, p.Hash)
	found := map[string]string{}
	for _, s := range []Split{Train, HeldOut} {
		x, err := r.Index(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range x.Documents {
			text, err := r.Text(t.Context(), s, i)
			if err != nil {
				t.Fatal(err)
			}
			found[d.Path] += string(text)
			if x.Find(d.Hash) != i || x.At(d.First) != i || x.At(x.End(i)-1) != i {
				t.Fatalf("%s document %d: found as %d, at %d and %d", s, i, x.Find(d.Hash), x.At(d.First), x.At(x.End(i)-1))
			}
		}
		if x.At(x.Tokens) != -1 || x.At(-1) != -1 || x.Find(crescendo.Hash{1}) != -1 {
			t.Error("something is found where nothing is")
		}
	}
	for path, text := range files {
		got := found[path]
		if path == "long.md" && len(got) == len(text) {
			continue // pieces, in order of their hashes
		}
		switch path {
		case "LICENSE":
			text = ""
		case "part1/story001.txt": // of equal texts the first by name
			text = ""
		}
		if got != text {
			t.Errorf("%s: %d bytes under its path, want %d", path, len(got), len(text))
		}
	}
	if _, err := r.Text(t.Context(), Train, p.Manifest.Train.Documents); err == nil {
		t.Error("read a document that does not exist")
	}
}

// TestIndexOfAnotherCorpus wants a manifest believed only as far as its blobs
// agree.
func TestIndexOfAnotherCorpus(t *testing.T) {
	store := blob.NewMemory()
	p := build(t, Directory(write(t, stories(60))), small(store))
	open := func(change func(m *Manifest, x *Index)) *Reader {
		m := *p.Manifest
		data, err := store.Get(t.Context(), m.Train.Index, 0)
		if err != nil {
			t.Fatal(err)
		}
		x, err := DecodeIndex(data)
		if err != nil {
			t.Fatal(err)
		}
		change(&m, x)
		if m.Train.Index == p.Manifest.Train.Index {
			if m.Train.Index, err = store.Put(t.Context(), x.Encode()); err != nil {
				t.Fatal(err)
			}
		}
		data, err = m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		h, err := store.Put(t.Context(), data)
		if err != nil {
			t.Fatal(err)
		}
		return open(t, store, h)
	}
	for name, change := range map[string]func(m *Manifest, x *Index){
		"of the other split": func(m *Manifest, x *Index) { m.Train.Index = m.HeldOut.Index },
		"a blob of another kind": func(m *Manifest, x *Index) {
			m.Train.Index = m.Train.Shards[0].Blob
		},
		"a document less": func(m *Manifest, x *Index) { x.Documents = slices.Delete(x.Documents, 3, 4) },
		"a byte less":     func(m *Manifest, x *Index) { x.Documents[3].Bytes-- },
	} {
		if _, err := open(change).Index(t.Context(), Train); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v, want a broken corpus", name, err)
		}
	}
	missing := open(func(m *Manifest, x *Index) { m.Train.Index = crescendo.Hash{9} })
	if _, err := missing.Index(t.Context(), Train); !errors.Is(err, blob.ErrNotFound) || errors.Is(err, ErrBroken) {
		t.Errorf("an index that is not there: %v", err)
	}
	moved := open(func(m *Manifest, x *Index) { x.Documents[3].First++ })
	if _, err := moved.Text(t.Context(), Train, 3); !errors.Is(err, ErrBroken) {
		t.Errorf("a document that begins elsewhere: %v, want a broken corpus", err)
	}
	lied := open(func(m *Manifest, x *Index) { binary.BigEndian.PutUint64(x.Documents[3].Hash[24:], 7) })
	if _, err := lied.Text(t.Context(), Train, 3); !errors.Is(err, ErrBroken) {
		t.Errorf("a document of another hash: %v, want a broken corpus", err)
	}
	if err := lied.VerifyTexts(t.Context(), Train); !errors.Is(err, ErrBroken) {
		t.Errorf("one document of another hash among all: %v, want a broken corpus", err)
	}
	if err := lied.VerifyTexts(t.Context(), HeldOut); err != nil {
		t.Error(err)
	}
}
