package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/research"
)

// entry is a recipe that has been entered sealed, and what opens it. Whoever
// sees it before entries close could enter it himself.
type entry struct {
	Chain      string            `json:"chain"`
	Rung       crescendo.RungID  `json:"rung"`
	Season     bool              `json:"season,omitempty"` // entered among newcomers
	Author     crescendo.Account `json:"author"`
	Recipe     research.Recipe   `json:"recipe"`
	Salt       crescendo.Hash    `json:"salt"`
	Commitment crescendo.Hash    `json:"commitment"`

	Task *research.EvaluationTask `json:"task,omitempty"` // what the recipe contributes
}

func (e *entry) contest() research.Contest { return research.ContestOf(e.Rung, e.Season) }

// commit is the message that enters it.
func (e *entry) commit() *research.MsgEnter {
	return &research.MsgEnter{Sender: e.Author, Rung: e.Rung, Season: e.Season, Commitment: e.Commitment}
}

// message is the one that shows it.
func (e *entry) message() *research.MsgRevealEntry {
	m := &research.MsgRevealEntry{Sender: e.Author, Rung: e.Rung, Season: e.Season, Recipe: e.Recipe, Salt: e.Salt}
	if e.Task != nil {
		m.Task = *e.Task
	}
	return m
}

// entries are the sealed recipes of this hub's visitors, one file each.
type entries struct {
	dir string

	mu   sync.Mutex
	kept map[crescendo.Hash]*entry // guarded by mu
}

// Bounds on what visitors can make the hub keep: all of them, and one account.
// Before an entry is kept its bond is seen to be affordable, and no more.
const (
	maxEntries    = 4096
	maxOwnEntries = 64
)

func openEntries(home string) (*entries, error) {
	e := &entries{dir: filepath.Join(home, "entries"), kept: map[crescendo.Hash]*entry{}}
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of entries: %w", err)
	}
	files, err := os.ReadDir(e.dir)
	if err != nil {
		return nil, fmt.Errorf("list entries: %w", err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(e.dir, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read entry: %w", err)
		}
		one := new(entry)
		if err := json.Unmarshal(raw, one); err != nil {
			return nil, fmt.Errorf("read entry %s: %w", f.Name(), err)
		}
		e.kept[one.Commitment] = one
	}
	return e, nil
}

// keep writes an entry before anything is committed to: one that cannot be
// opened loses its bond.
func (e *entries) keep(one *entry) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	own := 0
	for _, k := range e.kept {
		if k.Author == one.Author {
			own++
		}
	}
	if len(e.kept) >= maxEntries || own >= maxOwnEntries {
		return crescendo.Errorf(crescendo.CodeForbidden, "enter: this hub keeps %d entries, %d of them of %s; it may keep %d, and %d of an account",
			len(e.kept), own, short(one.Author), maxEntries, maxOwnEntries).WithHint("use `crescendo research enter`")
	}
	raw, err := json.Marshal(one)
	if err != nil {
		return fmt.Errorf("keep entry: %w", err)
	}
	if err := writeDurably(filepath.Join(e.dir, one.Commitment.String()+".json"), raw); err != nil {
		return fmt.Errorf("keep entry: %w", err)
	}
	e.kept[one.Commitment] = one
	return nil
}

// writeDurably writes a file that is there whole, and after a loss of power too.
func writeDurably(path string, data []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (e *entries) forget(one *entry) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.kept, one.Commitment)
	if err := os.Remove(filepath.Join(e.dir, one.Commitment.String()+".json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget entry: %w", err)
	}
	return nil
}

// of returns an account's own entry, nil if there is none.
func (e *entries) of(commitment crescendo.Hash, who crescendo.Account) *entry {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if one := e.kept[commitment]; one != nil && one.Author == who {
		return one
	}
	return nil
}

// all lists what is kept, in a fixed order.
func (e *entries) all() []*entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*entry, 0, len(e.kept))
	for _, one := range e.kept {
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b *entry) int { return strings.Compare(a.Commitment.String(), b.Commitment.String()) })
	return out
}

// refused reports whether the ledger has said no. What it gave no answer to may
// be on it all the same.
func refused(err error) bool {
	var refusal *crescendo.Error
	return errors.As(err, &refusal) && refusal.Code != crescendo.CodeInternal
}

// unsent forgets what was kept for a message that is not on the ledger.
func (d *Desk) unsent(in intent) {
	if in.secret == nil {
		return
	}
	if err := d.entries.forget(in.secret); err != nil {
		d.cfg.Log.Warn("forget an entry", "error", err)
	}
}

// prepare puts away what an intent must not lose, and publishes what it opens.
func (d *Desk) prepare(ctx context.Context, in intent) error {
	if in.opened != nil {
		return d.publish(ctx, in.opened)
	}
	if in.secret != nil {
		return d.entries.keep(in.secret)
	}
	return nil
}

// showEntries shows the recipes whose entries have closed, for the wallets
// whose keys this hub has. An entry that was never taken, or whose competition
// is over, is forgotten.
func (d *Desk) showEntries(ctx context.Context) error {
	if d.entries == nil || len(d.entries.all()) == 0 {
		return nil
	}
	state, err := d.cfg.Ledger.State(ctx)
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	for _, e := range d.entries.all() {
		if e.Chain != d.cfg.Ledger.ChainID() {
			continue
		}
		phase, open, err := standingOf(state, e)
		if err != nil {
			return err
		}
		switch {
		case !open && phase > research.Entering, phase > research.Revealing:
			if err := d.entries.forget(e); err != nil {
				return err
			}
		case open && phase == research.Revealing:
			if err := d.showEntry(ctx, e); err != nil {
				d.cfg.Log.Warn("show a recipe", "commitment", e.Commitment, "error", err)
			}
		}
	}
	return nil
}

// standingOf tells a competition's phase, and whether an entry waits in it to
// be shown.
func standingOf(state kv.Reader, e *entry) (research.Phase, bool, error) {
	c, err := research.Competitions.Get(state, uint32(e.contest()))
	if errors.Is(err, kv.ErrNotFound) {
		return 0, true, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read competition: %w", err)
	}
	have, err := research.Commitments.Get(state, uint32(e.contest()), e.Commitment[:], string(e.Author))
	if errors.Is(err, kv.ErrNotFound) {
		return c.Phase, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read entry: %w", err)
	}
	return c.Phase, have.Revealed.IsZero(), nil
}

// showEntry publishes a recipe and opens its commitment. Only now may anybody
// see it.
func (d *Desk) showEntry(ctx context.Context, e *entry) error {
	signer, err := d.signerOf(e.Author)
	if err != nil {
		return err
	}
	if err := d.publish(ctx, e); err != nil {
		return err
	}
	_, err = d.submit(ctx, signer, e.message())
	return err
}

func (d *Desk) publish(ctx context.Context, e *entry) error {
	if d.cfg.Blobs == nil {
		return nil
	}
	if _, err := d.cfg.Blobs.Put(ctx, canon.Encode(e.Recipe)); err != nil {
		return fmt.Errorf("publish recipe: %w", err)
	}
	return nil
}

// signerOf finds the key of an account, if this hub has it.
func (d *Desk) signerOf(who crescendo.Account) (ledger.Signer, error) {
	if d.cfg.Demo != nil && d.cfg.Demo.Account() == who {
		return d.cfg.Demo, nil
	}
	if d.wallets == nil {
		return nil, crescendo.Errorf(crescendo.CodeNotFound, "this hub has no key of %s", who)
	}
	return d.wallets.get(who)
}
