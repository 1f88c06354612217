package home

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
)

func TestAHomeHasOneOwner(t *testing.T) {
	h, err := Open(filepath.Join(t.TempDir(), "new", "home"))
	if err != nil {
		t.Fatal(err)
	}
	lock, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	var refusal *crescendo.Error
	if _, err := h.Lock(); !errors.As(err, &refusal) || refusal.Hint == "" || !strings.Contains(refusal.Text, "in use by process") {
		t.Errorf("second owner: %v", err)
	}
	lock.Release()
	again, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
}

func TestFilesAreReplacedWhole(t *testing.T) {
	h, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []int{1, 2} {
		if err := h.WriteJSON("sub/file.json", v); err != nil {
			t.Fatal(err)
		}
	}
	var got int
	if err := h.ReadJSON("sub/file.json", &got); err != nil || got != 2 {
		t.Error(got, err)
	}
	entries, _ := os.ReadDir(h.Path("sub"))
	if len(entries) != 1 {
		t.Errorf("left over: %v", entries)
	}
	if err := h.ReadJSON("absent.json", &got); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(h.Path("bad.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.ReadJSON("bad.json", &got); err == nil {
		t.Error("half a file was read")
	}
}

func TestOpenRefusesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var refusal *crescendo.Error
	if _, err := Open(path); !errors.As(err, &refusal) || refusal.Hint == "" {
		t.Error(err)
	}
}
