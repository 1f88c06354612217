// Package memory is a ledger in one process: the rules, a book of balances, and
// blocks that hold what was submitted, without consensus, network or disk.
//
// It is for tests and simulation, and it is deterministic: block times follow
// from heights, and equal submissions in equal order give equal app hashes. It
// proves nothing to anybody; the product's ledger is ledger/cosmos.
package memory

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"lukechampine.com/blake3"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/internal/bank"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
)

// Rules is what a chain runs: program.Rules.
type Rules interface {
	Apply(env crescendo.Env, s kv.Store, m crescendo.Message) (crescendo.Outcome, error)
	EndBlock(env crescendo.Env, s kv.Store) (crescendo.Outcome, error)
}

// Options of a chain. The zero value of a field has the meaning named.
type Options struct {
	ChainID   string        // "": crescendo-dev-memory
	Denom     string        // of the settlement money; "": udemo
	Start     int64         // time of genesis in Unix milliseconds
	BlockTime time.Duration // by which each block is later than the one before; 0: one second
	// Manual chains make a block only when Advance is called; Submit waits for
	// it. Otherwise Submit makes the block itself.
	Manual bool
}

// Chain is an in-process ledger. It implements ledger.Ledger.
type Chain struct {
	options Options
	rules   Rules
	pots    map[crescendo.Account]crescendo.Account // address to pot

	mu        sync.Mutex
	store     *store
	bank      *bank.Bank
	sequence  uint64
	pending   []*transaction
	blocks    []ledger.Block // of heights 1, 2, ...
	head      ledger.Head
	committed *snapshot
	next      chan struct{} // closed when the next block is there
	broken    error
}

// New returns a chain at height 0 whose state genesis has written, as in
//
//	memory.New(memory.Options{}, program.Rules{}, func(s kv.Store) error { return program.Genesis(s, spec) }, balances)
func New(o Options, rules Rules, genesis func(kv.Store) error, balances map[crescendo.Account]crescendo.Amount) (*Chain, error) {
	if o.ChainID == "" {
		o.ChainID = "crescendo-dev-memory"
	}
	if o.Denom == "" {
		o.Denom = "udemo"
	}
	if o.BlockTime <= 0 {
		o.BlockTime = time.Second
	}
	book, err := bank.New(balances)
	if err != nil {
		return nil, err
	}
	c := &Chain{options: o, rules: rules, pots: pots(), store: newStore(), bank: book, next: make(chan struct{})}
	if err := genesis(c.store); err != nil {
		return nil, fmt.Errorf("write genesis: %w", err)
	}
	c.seal(ledger.Head{ChainID: o.ChainID, Time: o.Start}, crescendo.Hash{}, nil)
	return c, nil
}

// pots maps the addresses of all pots that rules may have back to their names.
func pots() map[crescendo.Account]crescendo.Account {
	const rungs = 64 // more than a programme may have
	names := []crescendo.Account{"@treasury", crescendo.Burn}
	for _, rule := range []string{"funding", "research", "training", "evaluation", "sealing", "inference", "revenue", "governance"} {
		for rung := range crescendo.RungID(rungs + 1) {
			names = append(names, crescendo.Pot(rule, rung))
		}
	}
	out := make(map[crescendo.Account]crescendo.Account, len(names))
	for _, name := range names {
		out[address.Pot(name)] = name
	}
	return out
}

// ChainID implements ledger.Ledger.
func (c *Chain) ChainID() string { return c.options.ChainID }

// Head implements ledger.Ledger.
func (c *Chain) Head(ctx context.Context) (ledger.Head, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	head := c.head
	head.AppHash = slices.Clone(head.AppHash)
	return head, ctx.Err()
}

// State implements ledger.Ledger. States are kept as long as anybody holds
// them.
func (c *Chain) State(ctx context.Context) (ledger.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.committed, ctx.Err()
}

// Balance implements ledger.Ledger.
func (c *Chain) Balance(ctx context.Context, account crescendo.Account) (crescendo.Amount, error) {
	if pot, ok := c.pots[account]; ok {
		account = pot
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bank.Balance(account), ctx.Err()
}

// Supply returns the sum of all balances.
func (c *Chain) Supply() crescendo.Amount {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bank.Supply()
}

// Next implements ledger.Ledger.
func (c *Chain) Next(ctx context.Context, height crescendo.Height) (ledger.Block, error) {
	if height < 1 {
		return ledger.Block{}, crescendo.Errorf(crescendo.CodeInvalid, "next block: height %d, the first block is 1", height)
	}
	for {
		c.mu.Lock()
		if int64(len(c.blocks)) >= int64(height) {
			b := c.blocks[height-1]
			b.Events = slices.Clone(b.Events)
			c.mu.Unlock()
			return b, nil
		}
		next, broken := c.next, c.broken
		c.mu.Unlock()
		if broken != nil {
			return ledger.Block{}, broken
		}
		select {
		case <-ctx.Done():
			return ledger.Block{}, ctx.Err()
		case <-next:
		}
	}
}

// Submit implements ledger.Ledger.
func (c *Chain) Submit(ctx context.Context, signer ledger.Signer, msgs ...crescendo.Message) (ledger.Result, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Result{}, err
	}
	c.mu.Lock()
	c.sequence++
	sequence := c.sequence
	c.mu.Unlock()
	tx, err := sign(c.options.ChainID, sequence, signer, msgs)
	if err != nil {
		return ledger.Result{}, err
	}
	c.mu.Lock()
	c.pending = append(c.pending, tx)
	if !c.options.Manual {
		_, err = c.advance()
	}
	c.mu.Unlock()
	if err != nil {
		return ledger.Result{}, err
	}
	select {
	case o := <-tx.done:
		return o.result, o.err
	case <-ctx.Done():
		return c.abandon(ctx, tx)
	}
}

// abandon takes a transaction back, unless a block has it already.
func (c *Chain) abandon(ctx context.Context, tx *transaction) (ledger.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case o := <-tx.done:
		return o.result, o.err
	default:
	}
	c.pending = slices.DeleteFunc(c.pending, func(p *transaction) bool { return p == tx })
	return ledger.Result{}, ctx.Err()
}

// Advance makes the next block of everything submitted so far. It fails when
// the rules' EndBlock does, which is a bug in the rules; the chain then stops.
func (c *Chain) Advance() (ledger.Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.advance()
}

// Run advances the chain at the given interval until the context ends, for
// seats that wait for deadlines. It returns the context's error, or why the
// chain stopped.
func (c *Chain) Run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if _, err := c.Advance(); err != nil {
				return err
			}
		}
	}
}

func (c *Chain) advance() (ledger.Block, error) {
	if c.broken != nil {
		return ledger.Block{}, c.broken
	}
	head := c.head
	head.Height++
	head.Time += c.options.BlockTime.Milliseconds()
	env := crescendo.Env{ChainID: head.ChainID, Height: head.Height, Time: head.Time / 1000, Beacon: head.Beacon}
	block := ledger.Block{Height: head.Height, Time: head.Time}
	var hashes [][]byte
	for _, tx := range c.pending {
		events, err := c.execute(env, tx)
		block.Events = append(block.Events, events...)
		hashes = append(hashes, tx.hash[:])
		tx.done <- outcome{ledger.Result{Height: head.Height, TxHash: tx.hash.String(), Events: slices.Clone(events)}, err}
	}
	c.pending = nil
	events, err := c.endBlock(env)
	if err != nil {
		c.broken = fmt.Errorf("end block %d: %w", head.Height, err)
		close(c.next)
		return ledger.Block{}, c.broken
	}
	block.Events = append(block.Events, events...)
	c.blocks = append(c.blocks, block)
	c.seal(head, digest.Sum("crescendo/memory/transactions/v1", hashes...), env.Beacon[:])
	close(c.next)
	c.next = make(chan struct{})
	block.Events = slices.Clone(block.Events)
	return block, nil
}

func (c *Chain) endBlock(env crescendo.Env) ([]crescendo.Event, error) {
	overlay := kv.NewOverlay(c.store)
	out, err := c.rules.EndBlock(env, overlay)
	if err != nil {
		return nil, err
	}
	if err := c.bank.Execute(out.Transfers); err != nil {
		return nil, err
	}
	return out.Events, overlay.Commit(c.store)
}

// seal makes head the newest block: it hashes the state, derives the next
// block's beacon from the block's hash, and takes the snapshot.
func (c *Chain) seal(head ledger.Head, transactions crescendo.Hash, previous []byte) {
	head.AppHash = c.store.hash()
	hash := digest.Sum("crescendo/memory/block/v1", []byte(head.ChainID),
		binary.BigEndian.AppendUint64(nil, uint64(head.Height)), previous, transactions[:], head.AppHash)
	head.Beacon = blake3.Sum256(hash[:])
	c.head = head
	c.committed = &snapshot{tree: c.store.tree.Copy(), height: head.Height}
}
