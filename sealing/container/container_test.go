package container

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
)

// stream is endless deterministic bytes.
type stream struct{ rng *rand.ChaCha8 }

func newStream(seed byte) *stream { return &stream{rand.NewChaCha8([32]byte{seed})} }

func (s *stream) Read(p []byte) (int, error) { return s.rng.Read(p) }

func testKey(t testing.TB, seed byte) keyshare.Key {
	t.Helper()
	k, err := keyshare.NewKey(newStream(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func header(size int) Header {
	return Header{Size: uint64(size), Chain: "crescendo-dev-x", Rung: 1, Seal: 1, Base: crescendo.Hash{9}}
}

func seal(t testing.TB, key keyshare.Key, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := Seal(&out, newStream(2), key, header(len(plain)), iotest.OneByteReader(bytes.NewReader(plain))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func plaintext(n int) []byte {
	p := make([]byte, n)
	newStream(3).Read(p)
	return p
}

func open(raw []byte, key keyshare.Key) ([]byte, error) {
	r, err := Open(bytes.NewReader(raw), int64(len(raw)), key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
}

func TestRoundTrip(t *testing.T) {
	key := testKey(t, 1)
	for _, n := range []int{1, 16, ChunkSize - 1, ChunkSize, ChunkSize + 1, 2*ChunkSize + 77} {
		plain := plaintext(n)
		raw := seal(t, key, plain)
		got, err := open(raw, key)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if bytes.Contains(raw, plain[:min(n, 16)]) && n >= 16 {
			t.Errorf("%d bytes: plaintext in container", n)
		}
	}
}

func TestRandomAccess(t *testing.T) {
	key, plain := testKey(t, 1), plaintext(3*ChunkSize+5)
	r, err := Open(bytes.NewReader(seal(t, key, plain)), int64(len(seal(t, key, plain))), key)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		from := rng.IntN(len(plain))
		buf := make([]byte, rng.IntN(2*ChunkSize))
		n, err := r.ReadAt(buf, int64(from))
		want := plain[from:min(len(plain), from+len(buf))]
		if !bytes.Equal(buf[:n], want) || (n < len(buf)) != errors.Is(err, io.EOF) {
			t.Fatalf("read %d at %d: %d, %v", len(buf), from, n, err)
		}
	}
}

// The host of a container may do anything to it but not unnoticed.
func TestEveryChangeIsNoticed(t *testing.T) {
	key, plain := testKey(t, 1), plaintext(2*ChunkSize+100)
	raw := seal(t, key, plain)
	body := len(raw) - len(plain) - 3*overhead
	second := append(bytes.Clone(raw[:body+ChunkSize+overhead]), raw[body+2*(ChunkSize+overhead):]...)
	swapped := bytes.Clone(raw)
	copy(swapped[body:], raw[body+ChunkSize+overhead:body+2*(ChunkSize+overhead)])
	copy(swapped[body+ChunkSize+overhead:], raw[body:body+ChunkSize+overhead])
	other := seal(t, testKey(t, 7), plain)
	moved := bytes.Clone(raw)
	copy(moved[body:body+ChunkSize+overhead], other[body:])
	for name, changed := range map[string][]byte{
		"cut at a chunk": raw[:body+2*(ChunkSize+overhead)], "cut by a byte": raw[:len(raw)-1], "empty": {},
		"longer": append(bytes.Clone(raw), 0), "chunk left out": second, "chunks swapped": swapped,
		"chunk of another container": moved, "header only": raw[:body],
	} {
		if _, err := open(changed, key); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := 0; i < len(raw); i += 65_537 {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if _, err := open(changed, key); err == nil {
			t.Fatalf("byte %d may be changed", i)
		}
	}
	for i := range body {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if _, err := open(changed, key); err == nil {
			t.Fatalf("header byte %d may be changed", i)
		}
	}
	if _, err := open(raw, testKey(t, 8)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("wrong key: %v", err)
	}
}

func TestGolden(t *testing.T) {
	raw := seal(t, testKey(t, 1), []byte("the sea and the wind"))
	manifest := Manifest{Version: 1, Chain: "crescendo-dev-x", Rung: 1, Seal: 1, Container: crescendo.Hash{1}, Size: 99,
		Base: crescendo.Hash{2}, Corpus: crescendo.Hash{3}, KeyCheck: crescendo.Hash{4}, Tokenizer: crescendo.Hash{5},
		Shape: `{"vocab":512}`, Licence: "BSD-3-Clause", Steps: 4}
	got := "container " + hex.EncodeToString(raw) + "\nmanifest " + hex.EncodeToString(manifest.Encode()) + "\n"
	path := filepath.Join("testdata", "golden.txt")
	if os.Getenv("CRESCENDO_REWRITE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || strings.TrimSpace(string(want)) != strings.TrimSpace(got) {
		t.Errorf("format has changed (%v): sha256 %x", err, sha256.Sum256([]byte(got)))
	}
	back, err := ParseManifest(manifest.Encode())
	if err != nil || back != manifest {
		t.Errorf("manifest %+v, %v", back, err)
	}
}

func FuzzOpen(f *testing.F) {
	key := testKey(f, 1)
	good := seal(f, key, []byte("the sea and the wind"))
	f.Add(good)
	f.Add([]byte(Magic))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if plain, err := open(raw, key); err == nil && !bytes.Equal(raw, good) {
			t.Errorf("opened what nobody sealed: %q", plain)
		}
		ParseManifest(raw)
	})
}

func BenchmarkSeal(b *testing.B) {
	key, plain := testKey(b, 1), plaintext(16<<20)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		if _, err := Seal(io.Discard, newStream(2), key, header(len(plain)), bytes.NewReader(plain)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	key, plain := testKey(b, 1), plaintext(16<<20)
	raw := seal(b, key, plain)
	b.SetBytes(int64(len(plain)))
	buf := make([]byte, 64<<10)
	for b.Loop() {
		r, err := Open(bytes.NewReader(raw), int64(len(raw)), key)
		if err != nil {
			b.Fatal(err)
		}
		for at := int64(0); at < r.Size(); at += int64(len(buf)) {
			if _, err := r.ReadAt(buf, at); err != nil {
				b.Fatal(err)
			}
		}
	}
}
