package trainer

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/google/go-cmp/cmp"
)

func TestJournal(t *testing.T) {
	ctx, home, local := context.Background(), t.TempDir(), blob.NewMemory()
	j, err := openJournal(home, "chain", 2, local)
	if err != nil {
		t.Fatal(err)
	}
	var last entry
	for round := range crescendo.Round(6) {
		payload, state := []byte{1, byte(round)}, []byte{2, byte(round)}
		r := reveal{Round: round + 1, Salt: crescendo.Hash{9}, Payload: blob.Sum(payload), Size: 2, Start: crescendo.Hash{3}, End: blob.Sum(state), Eager: 4, Tokens: 5}
		if err := j.record(ctx, crescendo.Hash{byte(round)}, r, payload, state); err != nil {
			t.Fatal(err)
		}
		last = j.entry
	}
	again, err := openJournal(home, "chain", 2, local)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(last, again.entry, cmp.AllowUnexported(entry{})); d != "" {
		t.Error("the journal does not read what it wrote", d)
	}
	if again.entry.commitment("chain", "a") != last.commitment("chain", "a") || last.commitment("chain", "a") == last.commitment("chain", "b") {
		t.Error("a restarted trainer cannot open its commitment")
	}
	for _, h := range []crescendo.Hash{last.Reveal.Payload, last.Reveal.End} {
		if ok, _ := local.Has(ctx, h); !ok {
			t.Error("a blob of the last round is gone")
		}
	}
	if ok, _ := local.Has(ctx, blob.Sum([]byte{1, 0})); ok || len(last.Kept) != keptBlobs {
		t.Errorf("%d blobs are kept, want %d", len(last.Kept), keptBlobs)
	}
	if _, err := openJournal(home, "another", 2, local); err == nil {
		t.Error("the journal of another chain was opened")
	}
	for name, text := range map[string]string{"not JSON": "{", "unknown key": `{"version":1,"chain":"chain","rung":2,"more":1}`, "version": `{"version":2,"chain":"chain","rung":2}`} {
		if err := os.WriteFile(j.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openJournal(home, "chain", 2, local); err == nil || !strings.Contains(err.Error(), j.path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// full is a store without room.
type full struct{ blob.Store }

func (full) Put(context.Context, []byte) (crescendo.Hash, error) {
	return crescendo.Hash{}, blob.ErrDiskFull
}

func TestJournalOnAFullDisk(t *testing.T) {
	j, err := openJournal(t.TempDir(), "chain", 1, full{blob.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.record(context.Background(), crescendo.Hash{1}, reveal{Round: 1}, []byte{1}, []byte{2}); !errors.Is(err, blob.ErrDiskFull) {
		t.Error(err)
	}
	if j.entry.Reveal.Round != 0 {
		t.Error("the journal names blobs that were not stored")
	}
}
