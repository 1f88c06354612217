package leak

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func random(n int, seed uint64) []byte {
	out := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range out {
		out[i] = byte(rng.Uint32())
	}
	return out
}

// A needle is found wherever it stands, across the parts a file is read in too.
func TestNeedlesAreFoundEverywhere(t *testing.T) {
	a, b := random(16, 1), random(40, 2)
	for _, at := range []int{0, 1, 1000, part - 8, part, part + maxNeedle - 3, 2*part + 5} {
		hay := random(2*part+maxNeedle+100, 3)
		copy(hay[at:], a)
		s, err := NewSearch(map[string][]byte{"a": a, "b": b})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Reader("hay", bytes.NewReader(hay)); err != nil {
			t.Fatal(err)
		}
		if len(s.Found) != 1 || len(s.Found["a"]) != 1 {
			t.Errorf("at %d: found %v", at, s.Found)
		}
	}
}

func TestFilesAndProcesses(t *testing.T) {
	needle := random(24, uint64(os.Getpid()))
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "down")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("xyz"), needle...), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := NewSearch(map[string][]byte{"secret 1": needle, "secret 2": random(24, 9)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Files(dir); err != nil {
		t.Fatal(err)
	}
	if read, err := s.Process("self", os.Getpid()); err != nil || read < 1<<20 {
		t.Fatalf("read %d bytes: %v", read, err)
	}
	runtime.KeepAlive(needle)
	if got := s.Found.Places("secret 1"); len(got) != 2 || got[0] != path || got[1] != "self" {
		t.Errorf("found in %v", got)
	}
	if _, err := s.Process("none", 1<<30); err == nil {
		t.Error("a process that is not there was searched")
	}
}

func TestWindowsDiffer(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sealed, public := make([]float32, 4096), make([]float32, 4096)
	for i := range sealed {
		public[i] = float32(rng.NormFloat64()) * 0.05
		sealed[i] = public[i] + float32(rng.NormFloat64())*0.005
	}
	w, err := Windows(sealed, public, 8)
	if err != nil || len(w) != 8*len(formats) {
		t.Fatalf("%d windows, %v", len(w), err)
	}
	if _, err := Windows(public, public, 1); err == nil {
		t.Error("windows of the public weights were taken for sealed ones")
	}
	for v, want := range map[float32]uint16{0: 0, 1: 0x3c00, -2: 0xc000, 0.5: 0x3800, 65504: 0x7bff, 6.1035156e-05: 0x400, 5.9604645e-08: 1} {
		if got := Half(v); got != want {
			t.Errorf("Half(%g) = %04x, want %04x", v, got, want)
		}
	}
}
