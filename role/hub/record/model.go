package record

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/auditor"
)

// Model is the read model: the file, and what is kept in memory beside it.
// It is safe for concurrent use.
type Model struct {
	*Store
	mu      sync.RWMutex
	replica *auditor.Replica // guarded by mu
	tallies []Tally          // of rungs, from 1; guarded by mu
	times   []int64          // of blocks, from 1; guarded by mu
	wrong   []string         // guarded by mu; at most maxWrong
	target  crescendo.Height // newest block known to exist; guarded by mu
	pending []entry          // executed, not yet in the file; Follow alone uses it
	stopped error            // why it follows no longer; guarded by mu
	changed chan struct{}    // closed when something has changed; guarded by mu
}

// maxWrong bounds how many disagreements are kept in memory.
const maxWrong = 20

// Tally counts what state does not.
type Tally struct {
	Verified, Undecided int    // windows drawn for audit and settled
	Expelled            int    // members that faults cost their seat
	Uploaded            uint64 // bytes of all revealed payloads
	Reveals             int
	Drawn               Drawn
	Rounds              []RoundTally // from round 1
}

// Drawn is what left a purse, by whom it went to.
type Drawn struct{ Trainers, Evaluators, Vaults, Researchers, Next crescendo.Amount }

// RoundTally is what the ledger's events say of one round's last attempt.
type RoundTally struct {
	Opened, Revealing, Closed crescendo.Height
	Attempts                  int
	Uploaded                  uint64
}

// NewModel opens the read model of the chain that a genesis begins.
func NewModel(ctx context.Context, path string, genesis []byte, rules program.Rules) (*Model, error) {
	r, err := auditor.NewReplica(genesis, rules)
	if err != nil {
		return nil, err
	}
	g := r.Genesis()
	s, err := Open(ctx, path, g.ChainID, g.Hash)
	if err != nil {
		return nil, err
	}
	return &Model{Store: s, replica: r, tallies: make([]Tally, len(g.Spec.Rungs)), changed: make(chan struct{})}, nil
}

// Now is the programme at one height. It must not be kept after Read returns.
type Now struct {
	State   kv.Reader
	Spec    program.Spec
	ChainID string
	Genesis auditor.Genesis
	Height  crescendo.Height
	Time    int64            // of the newest block, Unix milliseconds
	Target  crescendo.Height // newest block known to exist
	Tallies []Tally
	Wrong   []string
	Stopped error
	times   []int64
	replica *auditor.Replica
}

// Read shows the newest state to f; blocks wait until it returns.
func (m *Model) Read(f func(Now) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	g := m.replica.Genesis()
	n := Now{State: m.replica.State(), Spec: g.Spec, ChainID: g.ChainID, Genesis: g, Height: m.replica.Height(),
		Target: max(m.target, m.replica.Height()), Tallies: m.tallies, Wrong: m.wrong, Stopped: m.stopped, times: m.times, replica: m.replica}
	if len(m.times) > 0 {
		n.Time = m.times[len(m.times)-1]
	}
	return f(n)
}

// TimeOf returns when a block was made, in Unix milliseconds; zero if it is
// not there yet.
func (n Now) TimeOf(h crescendo.Height) int64 {
	if h < 1 || int(h) > len(n.times) {
		return 0
	}
	return n.times[h-1]
}

// BlockMillis is the mean time between the last blocks.
func (n Now) BlockMillis() int64 {
	const over = 100
	k := min(len(n.times)-1, over)
	if k < 1 {
		return 0
	}
	return (n.times[len(n.times)-1] - n.times[len(n.times)-1-k]) / int64(k)
}

// Balance returns an account's or pot's balance.
func (n Now) Balance(who crescendo.Account) crescendo.Amount { return n.replica.Balance(who) }

// Balances returns a copy of all balances.
func (n Now) Balances() map[crescendo.Account]crescendo.Amount { return n.replica.Balances() }

// Burned is what faults have destroyed.
func (n Now) Burned() crescendo.Amount { return n.replica.Burned() }

// SupplyError is what is missing from, or too much in, all balances.
func (n Now) SupplyError() (int64, error) { return n.replica.SupplyError() }

// Explain tells why an account was paid what it was paid.
func (n Now) Explain(who string, rung crescendo.RungID) (auditor.Why, error) {
	return n.replica.Explain(who, rung)
}

// Changed returns a channel that is closed at the next change.
func (m *Model) Changed() <-chan struct{} {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.changed
}

// step executes one block and counts it.
func (m *Model) step(raw []byte) (auditor.Step, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.replica.Add(raw)
	if err != nil {
		return s, err
	}
	m.times = append(m.times, s.Time)
	for _, w := range s.Wrong {
		if len(m.wrong) < maxWrong {
			m.wrong = append(m.wrong, w)
		}
	}
	for _, t := range s.Txs {
		m.count(s.Height, t.Events)
	}
	m.count(s.Height, s.End)
	return s, nil
}

// announce wakes those who wait for changes.
func (m *Model) announce(target crescendo.Height, stopped error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.target, m.stopped = max(m.target, target), stopped
	close(m.changed)
	m.changed = make(chan struct{})
}

// count needs mu.
func (m *Model) count(height crescendo.Height, events []crescendo.Event) {
	has := func(kind string, rung crescendo.RungID) bool {
		return slices.ContainsFunc(events, func(e crescendo.Event) bool { return e.Kind == kind && e.Rung == rung })
	}
	for _, e := range events {
		if e.Rung < 1 || int(e.Rung) > len(m.tallies) {
			continue
		}
		t := &m.tallies[e.Rung-1]
		t.count(height, e)
		if e.Kind == "funding.drawn" {
			t.Drawn.add(e, has("sealing.sealed", e.Rung), has("training.round-closed", e.Rung))
		}
	}
}

// maxRounds bounds what events may make a tally allocate; programmes are
// bounded more tightly.
const maxRounds = 1 << 20

func (t *Tally) count(height crescendo.Height, e crescendo.Event) {
	switch e.Kind {
	case "training.audited":
		if e.Get("result") == "verified" {
			t.Verified++
		} else {
			t.Undecided++
		}
	case "training.expelled":
		t.Expelled++
	case "training.revealed":
		size := number(e.Get("bytes"))
		t.Uploaded += size
		t.Reveals++
		if r := t.round(e); r != nil {
			r.Uploaded += size
		}
	case "training.round-opened":
		if r := t.round(e); r != nil {
			r.Opened, r.Revealing, r.Closed = height, 0, 0
			r.Attempts++
		}
	case "training.revealing":
		if r := t.round(e); r != nil {
			r.Revealing = height
		}
	case "training.round-closed":
		if r := t.round(e); r != nil {
			r.Closed = height
		}
	}
}

func (t *Tally) round(e crescendo.Event) *RoundTally {
	n := number(e.Get("round"))
	if n < 1 || n > maxRounds {
		return nil
	}
	for uint64(len(t.Rounds)) < n {
		t.Rounds = append(t.Rounds, RoundTally{})
	}
	return &t.Rounds[n-1]
}

func number(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}

// replay brings what is in memory up to what is in the file.
func (m *Model) replay(ctx context.Context) error {
	last, err := m.Last(ctx)
	if err != nil {
		return fmt.Errorf("read recorded blocks: %w", err)
	}
	rows, err := m.db.QueryContext(ctx, "select raw from block where height > ? order by height", int64(m.height()))
	if err != nil {
		return fmt.Errorf("read recorded blocks: %w", err)
	}
	defer rows.Close()
	for n := 1; rows.Next(); n++ {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			return fmt.Errorf("read recorded blocks: %w", err)
		}
		if _, err := m.step(raw); err != nil {
			return crescendo.Errorf(crescendo.CodeInvalid, "execute recorded blocks: %v", err).
				WithHint("delete the file of the read model, hub.db: it is built again")
		}
		if n%256 == 0 {
			m.announce(last, nil)
		}
	}
	m.announce(last, nil)
	return rows.Err()
}

// add counts one withdrawal. What it was for follows from what happened in the
// same transaction or end of block: a sealing pays the vault's operator, a
// closed round its evaluators, and otherwise a competition pays people.
func (d *Drawn) add(e crescendo.Event, sealed, closed bool) {
	amount, err := crescendo.ParseAmount(e.Get("amount"))
	if err != nil {
		return
	}
	switch to := e.Get("to"); {
	case to == "@treasury":
		d.Next += amount
	case strings.HasPrefix(to, "@training/"):
		d.Trainers += amount
	case sealed:
		d.Vaults += amount
	case closed:
		d.Evaluators += amount
	default:
		d.Researchers += amount
	}
}
