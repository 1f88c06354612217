package relay

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/role/vault/calls"
)

func receipt(session, sequence, output uint64, provisional bool) calls.ReceiptArgs {
	return calls.ReceiptArgs{Provisional: provisional, Receipt: inference.SignedReceipt{
		Receipt:   inference.Receipt{Chain: "c", Session: session, Sequence: sequence, Requests: sequence, Output: output, Charged: crescendo.Amount(output)},
		Signature: []byte("signature"),
	}}
}

func store(t *testing.T, home string) *receipts {
	t.Helper()
	s, err := openReceipts(home)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func outputs(s *receipts, session, settled uint64, ended bool) []uint64 {
	var out []uint64
	for _, r := range s.after(session, settled, inference.MaxReceipts, ended) {
		out = append(out, r.Receipt.Output)
	}
	return out
}

func TestReceiptsComeBack(t *testing.T) {
	home := t.TempDir()
	s := store(t, home)
	for _, r := range []calls.ReceiptArgs{
		receipt(1, 1, 10, true), receipt(1, 1, 20, false), receipt(1, 2, 30, false), receipt(2, 1, 5, false), receipt(1, 3, 33, true),
	} {
		if err := s.keep(r); err != nil {
			t.Fatal(err)
		}
	}
	for name, s := range map[string]*receipts{"same": s, "reopened": store(t, home)} {
		if d := cmp.Diff([]uint64{20, 30}, outputs(s, 1, 0, false)); d != "" {
			t.Errorf("%s: while the vault lives: %s", name, d)
		}
		if d := cmp.Diff([]uint64{30, 33}, outputs(s, 1, 1, true)); d != "" {
			t.Errorf("%s: once it has ended: %s", name, d)
		}
		if d := cmp.Diff([]uint64{1, 2}, s.open()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if err := s.forget(1); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]uint64{2}, store(t, home).open()); d != "" {
		t.Error(d)
	}
	if err := s.keep(receipt(0, 1, 1, false)); err == nil {
		t.Error("kept a receipt of no session")
	}
}

// A crash may leave the last record half written, whatever part of it.
func TestTornReceiptIsCutOff(t *testing.T) {
	home := t.TempDir()
	s := store(t, home)
	for _, r := range []calls.ReceiptArgs{receipt(1, 1, 10, false), receipt(1, 2, 20, false)} {
		if err := s.keep(r); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(home, "receipts", "1"+fileSuffix)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(whole) / 2; n < len(whole); n++ {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		s := store(t, home)
		if d := cmp.Diff([]uint64{10}, outputs(s, 1, 0, false)); d != "" {
			t.Fatalf("cut after %d of %d bytes: %s", n, len(whole), d)
		}
		if err := s.keep(receipt(1, 2, 21, false)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]uint64{10, 21}, outputs(store(t, home), 1, 0, false)); d != "" {
			t.Fatalf("written on after a cut at %d: %s", n, d)
		}
	}
}

// A disk that was full may have left a part of a record. The receipts that follow
// must not be lost behind it.
func TestWhatAFullDiskLeftIsOverwritten(t *testing.T) {
	home := t.TempDir()
	s := store(t, home)
	if err := s.keep(receipt(1, 1, 10, false)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, "receipts", "1"+fileSuffix)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, whole[:len(whole)/2]...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range []calls.ReceiptArgs{receipt(1, 2, 20, false), receipt(1, 3, 30, false)} {
		if err := s.keep(r); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]uint64{10, 20, 30}, outputs(store(t, home), 1, 0, false)); d != "" {
		t.Error(d)
	}
}

// Sessions are opened by strangers: neither files nor memory may grow with all that
// has ever been.
func TestReceiptsOfManySessions(t *testing.T) {
	home := t.TempDir()
	s := store(t, home)
	const many = maxOpen + 9
	for n := uint64(1); n <= 2; n++ {
		for id := uint64(1); id <= many; id++ {
			if err := s.keep(receipt(id, n, 10*n, false)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(s.files) > maxOpen {
		t.Errorf("%d files are open, want at most %d", len(s.files), maxOpen)
	}
	for _, s := range []*receipts{s, store(t, home)} {
		for id := uint64(1); id <= many; id++ {
			if d := cmp.Diff([]uint64{20}, outputs(s, id, 1, false)); d != "" {
				t.Fatalf("session %d: %s", id, d)
			}
			if n := len(s.sessions[id]); n != 1 {
				t.Fatalf("session %d: %d receipts in memory after one was settled, want 1", id, n)
			}
		}
	}
}
