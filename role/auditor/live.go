package auditor

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// live is what a running ledger has proved: state at one height, and balances
// at heights from there to another.
type live struct {
	state    ledger.State
	entries  map[string][]byte // of the rule state at height
	height   crescendo.Height
	until    crescendo.Height
	beacon   crescendo.Hash // of the block at until: says which block it is
	balances map[crescendo.Account]crescendo.Amount
}

// Bounds on what is asked of a running ledger.
const (
	maxLiveEntries  = 1000 // per collection
	maxLiveBalances = 500
)

// look reads the running ledger before the archive is read, so that the
// archive has all that the ledger had.
func (a *audit) look(ctx context.Context) (*live, error) {
	if id := a.Ledger.ChainID(); id != a.genesis.ChainID {
		return nil, fmt.Errorf("it is chain %q, the genesis is of %q: %w", id, a.genesis.ChainID, ledger.ErrWrongChain)
	}
	state, err := a.Ledger.State(ctx)
	if err != nil {
		return nil, err
	}
	l := &live{state: state, height: state.Height(), entries: map[string][]byte{}, balances: map[crescendo.Account]crescendo.Amount{}}
	if err := l.read(); err != nil {
		return nil, err
	}
	accounts := slices.Collect(keysOf(a.genesis.Balances))
	for _, pot := range a.exec.book.pots {
		if pot != crescendo.Burn {
			accounts = append(accounts, pot)
		}
	}
	slices.Sort(accounts)
	for _, who := range accounts[:min(len(accounts), maxLiveBalances)] {
		if l.balances[who], err = a.Ledger.Balance(ctx, who); err != nil {
			return nil, err
		}
	}
	head, err := a.Ledger.Head(ctx)
	l.until, l.beacon = head.Height, head.Beacon
	return l, err
}

// collections are the rule state that is compared, with names for its entries.
var collections = []struct {
	name string
	what func(rest []byte) string
}{
	{program.Specs.Name, plain}, {program.Rungs.Name, byNumbers}, {program.Treasuries.Name, plain},
	{funding.Raises.Name, byNumbers}, {funding.Positions.Name, byNumbers}, {research.Adoptions.Name, byNumbers},
	{training.Runs.Name, byNumbers}, {training.Members.Name, byNumbers}, {training.Rounds.Name, byNumbers},
	{evaluation.Evaluators.Name, byAccount}, {evaluation.Standings.Name, byNumbers},
	{sealing.Seals.Name, byNumbers}, {inference.Usages.Name, byNumbers}, {inference.Sessions.Name, bySession},
	{revenue.Books.Name, byNumbers}, {revenue.Claimables.Name, byNumbers},
}

// read lists the compared state, each entry proved.
func (l *live) read() error {
	for _, c := range collections {
		pairs, err := l.state.Range(kv.Key(c.name), nil, maxLiveEntries)
		if err != nil {
			return fmt.Errorf("read %s: %w", c.name, err)
		}
		for _, p := range pairs {
			l.entries[string(p.Key)] = p.Value
		}
	}
	return nil
}

// compareState compares the rule state computed here with what the running
// ledger has proved at the same height.
func (a *audit) compareState() error {
	for _, c := range collections {
		prefix := kv.Key(c.name)
		computed, err := a.exec.store.Range(prefix, nil, maxLiveEntries)
		if err != nil {
			return err
		}
		for _, p := range computed {
			proved, ok := a.live.entries[string(p.Key)]
			delete(a.live.entries, string(p.Key))
			var err error
			switch {
			case !ok:
				err = errors.New("the ledger shows no such entry, executing the blocks makes one")
			case !bytes.Equal(proved, p.Value):
				err = errors.New("the ledger proves another value than executing the blocks gives")
			}
			a.findings.settle(Proved, err, "state %s%s at height %d", c.name, c.what(p.Key[len(prefix):]), a.live.height)
		}
		for key := range a.live.entries {
			if strings.HasPrefix(key, string(prefix)) {
				a.findings.settle(Proved, errors.New("the ledger proves an entry that executing the blocks does not make"),
					"state %s%s at height %d", c.name, c.what([]byte(key[len(prefix):])), a.live.height)
			}
		}
	}
	return nil
}

func plain([]byte) string { return "" }

func byAccount(rest []byte) string {
	account, _, _ := strings.Cut(string(rest), "\x00")
	return " of " + account
}

func bySession(rest []byte) string {
	if len(rest) != 8 {
		return ""
	}
	return fmt.Sprintf(" %d", binary.BigEndian.Uint64(rest))
}

// byNumbers names a key of a rung and perhaps a round, rank or account.
func byNumbers(rest []byte) string {
	if len(rest) < 4 {
		return ""
	}
	name := fmt.Sprintf(" of rung %d", binary.BigEndian.Uint32(rest))
	switch rest = rest[4:]; {
	case len(rest) == 4:
		name += fmt.Sprintf(", %d", binary.BigEndian.Uint32(rest))
	case len(rest) > 0:
		account, _, _ := strings.Cut(string(rest), "\x00")
		name += ", " + account
	}
	return name
}

// compareHead checks that the running ledger is on the archived chain: what it
// proves is proved by that chain's headers.
func (a *audit) compareHead() {
	if a.live == nil {
		return
	}
	var err error
	hash, ok := a.chain.at(a.live.until)
	switch {
	case !ok:
		err = fmt.Errorf("block %d is not archived yet: %w", a.live.until, ErrGone)
	case wire.Beacon(hash) != a.live.beacon:
		err = fmt.Errorf("the ledger has another block %d than the archive", a.live.until)
	}
	a.findings.settle(Proved, err, "running ledger at height %d", a.live.until)
}

// compareBalances compares proved balances with the audit's own book: each
// must be what the account had after some block between the two heights.
func (a *audit) compareBalances() {
	if a.live == nil {
		return
	}
	had := map[crescendo.Account][]crescendo.Amount{}
	for who := range a.live.balances {
		had[who] = []crescendo.Amount{a.genesis.Balances[who]}
	}
	add := func(who crescendo.Account, height crescendo.Height, change func(crescendo.Amount) crescendo.Amount) {
		values, ok := had[who]
		switch {
		case !ok || height > a.live.until:
		case height <= a.live.height:
			values[0] = change(values[0])
		default:
			had[who] = append(values, change(values[len(values)-1]))
		}
	}
	for _, p := range a.exec.payments {
		add(p.From, p.Height, func(v crescendo.Amount) crescendo.Amount { return v - p.Amount })
		add(p.To, p.Height, func(v crescendo.Amount) crescendo.Amount { return v + p.Amount })
	}
	for _, who := range slices.Sorted(keysOf(a.live.balances)) {
		proved := a.live.balances[who]
		var err error
		if a.upTo < a.live.until {
			err = fmt.Errorf("blocks up to %d are needed: %w", a.live.until, ErrGone)
		} else if !slices.Contains(had[who], proved) {
			err = fmt.Errorf("the ledger proves %s, executing the blocks gives %v", proved, had[who])
		}
		a.findings.settle(Proved, err, "balance of %s", who)
	}
}
