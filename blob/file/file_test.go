package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/blob/blobtest"
)

const testMaxBytes = 200_000

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "blobs"), Options{MaxBytes: testMaxBytes})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func damage(s *Store, h crescendo.Hash, change func([]byte) []byte) error {
	data, err := os.ReadFile(s.Path(h))
	if err != nil {
		return err
	}
	if err := os.Chmod(s.Path(h), 0o644); err != nil {
		return err
	}
	return os.WriteFile(s.Path(h), change(data), 0o644)
}

func TestStore(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Fixture {
		s := open(t)
		return blobtest.Fixture{
			Store:    s,
			MaxBytes: testMaxBytes,
			Damage:   func(h crescendo.Hash, change func([]byte) []byte) error { return damage(s, h, change) },
		}
	})
}

func TestLayout(t *testing.T) {
	s := open(t)
	h, err := s.Put(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(s.Dir(), "af", "1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
	if _, err := os.Stat(want); err != nil || s.Path(h) != want {
		t.Errorf("empty blob is at %s (%v), want %s", s.Path(h), err, want)
	}
}

func TestDiskFull(t *testing.T) {
	s := open(t)
	create := s.createTemp
	s.createTemp = func(dir string) (*os.File, error) {
		// A link, because Put removes what it could not finish: as root that
		// would be the device itself.
		link := filepath.Join(dir, "full")
		if err := os.Symlink("/dev/full", link); err != nil {
			return nil, err
		}
		return os.OpenFile(link, os.O_WRONLY, 0)
	}
	data := []byte("no room for this")
	_, err := s.Put(t.Context(), data)
	if !errors.Is(err, blob.ErrDiskFull) {
		t.Fatalf("put on a full disk: %v", err)
	}
	var typed *crescendo.Error
	if !errors.As(err, &typed) || typed.Hint == "" {
		t.Errorf("%v carries no hint", err)
	}
	if ok, err := s.Has(t.Context(), blob.Sum(data)); ok || err != nil {
		t.Errorf("has after a failed put = %v, %v", ok, err)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir(), tempDir)); err != nil || len(left) != 0 {
		t.Errorf("a failed put leaves %v, %v", left, err)
	}
	s.createTemp = create
	if _, err := s.Put(t.Context(), data); err != nil {
		t.Errorf("put once there is room: %v", err)
	}
}

// TestAbandonedPut leaves what a crash would leave: a temporary file, which
// must never be seen as an object, and which goes once it is old.
func TestAbandonedPut(t *testing.T) {
	s := open(t)
	fresh, old := filepath.Join(s.Dir(), tempDir, "put-1"), filepath.Join(s.Dir(), tempDir, "put-2")
	for _, path := range []string{fresh, old} {
		if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-2 * staleAfter)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.Dir(), Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("a temporary file that may be in use is gone: %v", err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an abandoned temporary file is still there: %v", err)
	}
	for h, err := range s.List(t.Context()) {
		t.Errorf("list yields %v, %v", h, err)
	}
}

func TestForeignFilesAreNotListed(t *testing.T) {
	s := open(t)
	h, err := s.Put(t.Context(), []byte("mine"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(s.Path(h))
	for _, name := range []string{"notes.txt", strings.Repeat("G", 62), strings.Repeat("A", 62)} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for got, err := range s.List(t.Context()) {
		if n++; got != h || err != nil {
			t.Errorf("list yields %v, %v", got, err)
		}
	}
	if n != 1 {
		t.Errorf("list yields %d names, want 1", n)
	}
}

func TestOpenRefusesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("open of a plain file: %v", err)
	}
}
