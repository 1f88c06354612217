package trainer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/training"
)

// journal remembers across crashes what the trainer has promised: the reveal
// behind its last commitment, with payload and states in the local store.
type journal struct {
	path  string
	local blob.Store
	entry entry
}

// entry is the journal's one record.
type entry struct {
	Version int              `json:"version"`
	Chain   string           `json:"chain"`
	Rung    crescendo.RungID `json:"rung"`
	Seed    crescendo.Hash   `json:"seed"` // of the attempt: it has no other name
	Reveal  reveal           `json:"reveal"`
	// Kept names the blobs in the local store, oldest first.
	Kept []crescendo.Hash `json:"kept"`
}

// reveal mirrors training.MsgReveal.
type reveal struct {
	Round   crescendo.Round `json:"round"`
	Salt    crescendo.Hash  `json:"salt"`
	Base    crescendo.Hash  `json:"base"`
	Payload crescendo.Hash  `json:"payload"`
	Size    uint64          `json:"size"`
	Start   crescendo.Hash  `json:"start"`
	End     crescendo.Hash  `json:"end"`
	Eager   uint32          `json:"eager"`
	Tokens  uint64          `json:"tokens"`
}

const (
	journalVersion = 1
	// keptBlobs is how many blobs stay in the local store: payload and end state
	// of the last rounds, one of which a void round may send the trainer back to.
	keptBlobs = 8
)

// openJournal reads the journal of one rung, or starts one.
func openJournal(home, chain string, rung crescendo.RungID, local blob.Store) (*journal, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &journal{path: filepath.Join(home, fmt.Sprintf("rung-%d.json", rung)), local: local}
	fresh := entry{Version: journalVersion, Chain: chain, Rung: rung}
	data, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		j.entry = fresh
		return j, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j.entry); err != nil {
		return nil, fmt.Errorf("open journal %s: %w", j.path, err)
	}
	if j.entry.Version != journalVersion {
		return nil, fmt.Errorf("open journal %s: version %d, want %d", j.path, j.entry.Version, journalVersion)
	}
	if j.entry.Chain != chain || j.entry.Rung != rung {
		return nil, fmt.Errorf("open journal %s: it belongs to rung %d of chain %s", j.path, j.entry.Rung, j.entry.Chain)
	}
	return j, nil
}

// message is the reveal as a transaction says it.
func (e entry) message(sender crescendo.Account) *training.MsgReveal {
	r := e.Reveal
	return &training.MsgReveal{Sender: sender, Rung: e.Rung, Round: r.Round, Salt: r.Salt, Base: r.Base, Payload: r.Payload,
		Size: r.Size, Start: r.Start, End: r.End, Eager: r.Eager, Tokens: r.Tokens}
}

// commitment is what the ledger has for the entry, if it was committed.
func (e entry) commitment(chain string, sender crescendo.Account) crescendo.Hash {
	return training.Commitment(chain, e.Rung, e.Reveal.Round, sender, *e.message(sender))
}

// record makes a product durable: blobs first, then the entry that names them.
func (j *journal) record(ctx context.Context, seed crescendo.Hash, r reveal, payload, state []byte) error {
	for _, data := range [][]byte{state, payload} {
		h, err := j.local.Put(ctx, data)
		if err != nil {
			return fmt.Errorf("record round %d: %w", r.Round, err)
		}
		j.entry.Kept = append(slices.DeleteFunc(j.entry.Kept, func(k crescendo.Hash) bool { return k == h }), h)
	}
	var drop []crescendo.Hash
	if n := len(j.entry.Kept) - keptBlobs; n > 0 {
		drop = slices.Clone(j.entry.Kept[:n])
		j.entry.Kept = slices.Delete(j.entry.Kept, 0, n)
	}
	j.entry.Seed, j.entry.Reveal = seed, r
	data, err := json.MarshalIndent(j.entry, "", "  ")
	if err != nil {
		return fmt.Errorf("record round %d: %w", r.Round, err)
	}
	if err := replaceFile(j.path, append(data, '\n')); err != nil {
		return fmt.Errorf("record round %d: %w", r.Round, err)
	}
	for _, h := range drop {
		if err := j.local.Delete(ctx, h); err != nil {
			return fmt.Errorf("record round %d: %w", r.Round, err)
		}
	}
	return nil
}

// replaceFile writes a file so that a crash leaves the old or the new one.
func replaceFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".journal-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
