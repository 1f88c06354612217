// Package auditor is the seat of somebody who believes nobody: from the
// archived blocks and the blobs of a programme it checks every claim that the
// programme makes, down to single steps of training replayed bit by bit, and
// says on whose word each one stands. Why answers the other way round: from
// an account's payments to what proves them.
//
// It needs no key, sends nothing, and trusts no running process: blocks are
// checked against the validators of the genesis and executed again by the
// rules over a store in memory, training is done again by the reference
// engine. What only an enclave knows it cannot check, and says so.
package auditor

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
)

// Config says what to audit. All fields without a remark are needed.
type Config struct {
	Genesis []byte // the genesis document, in JSON
	Blobs   blob.Store
	// Blocks lists the names of the archived blocks from height 1 on.
	Blocks func(context.Context) ([]crescendo.Hash, error)
	Rules  program.Rules
	Engine engine.Engine // one is run per thread: it should use one itself

	Threads  int           // 0: one
	AllBlobs bool          // check every blob of the store, not only what is referred to
	Sample   uint32        // replay so many windows of a thousand; 0: all
	Trust    string        // a block's hash, "height:hash", or the genesis hash; empty: none
	Ledger   ledger.Ledger // a running ledger, whose state is compared; nil: none
	// Replay executes the chain in the ledger's own program and returns the
	// hash of its state; nil: not here.
	Replay   func(context.Context) (crescendo.Height, []byte, error)
	Progress func(stage string, done, total int) // nil: silent
}

// maxExecutionFailures is after how many blocks with disagreements execution
// is given up: what follows from a wrong state is noise.
const maxExecutionFailures = 20

// audit is one audit under way.
type audit struct {
	Config
	genesis  Genesis
	findings *findings
	reach    *reach
	chain    *chain
	exec     *execution
	live     *live
	upTo     crescendo.Height // executed up to here

	blockBlobs []crescendo.Hash
}

// Run audits a programme. The error is about the audit itself; what is wrong
// with the programme is in the report.
func Run(ctx context.Context, c Config) (Report, error) {
	a, err := open(ctx, c)
	if err != nil {
		return Report{}, err
	}
	if err := a.history(ctx); err != nil {
		return Report{}, err
	}
	for _, step := range []func(context.Context) error{a.money, a.competitions, a.training, a.blobs, a.replay} {
		if err := errors.Join(step(ctx), a.reach.failed()); err != nil {
			return Report{}, err
		}
	}
	r := a.findings.report()
	r.ChainID, r.Height, r.AppHash = a.genesis.ChainID, a.chain.height, hex.EncodeToString(a.chain.appHash)
	return r, nil
}

func open(ctx context.Context, c Config) (*audit, error) {
	c.Threads = max(1, c.Threads)
	if c.Sample == 0 || c.Sample > 1000 {
		c.Sample = 1000
	}
	if c.Progress == nil {
		c.Progress = func(string, int, int) {}
	}
	a := &audit{Config: c, findings: newFindings(), reach: &reach{Store: c.Blobs}}
	a.Blobs = a.reach
	var err error
	if a.genesis, err = ParseGenesis(c.Genesis); err != nil {
		return nil, err
	}
	if a.exec, err = newExecution(a.genesis, c.Rules); err != nil {
		return nil, err
	}
	a.chain = newChain(a.genesis)
	if c.Ledger != nil {
		if a.live, err = a.look(ctx); err != nil {
			return nil, fmt.Errorf("read the running ledger: %w", err)
		}
	}
	return a, nil
}

// history checks and executes all archived blocks.
func (a *audit) history(ctx context.Context) error {
	names, err := a.blockNames(ctx)
	if err != nil {
		return err
	}
	a.blockBlobs = names
	a.findings.sequential(true)
	defer a.findings.sequential(false)
	h := history{names, a.Blobs}
	failed, stopped := 0, false
	for i := range names {
		height := crescendo.Height(i + 1)
		b, err := h.block(ctx, i)
		if err := errors.Join(ctx.Err(), a.reach.failed()); err != nil {
			return err
		}
		if err == nil {
			err = a.chain.add(height, b)
		} else {
			a.chain.broken, stopped = true, true
			if gone(err) {
				err = errors.New("the archive lists it and does not have it")
			}
		}
		a.findings.settle(Proved, err, "block %d (blob %s)", height, names[i])
		if stopped {
			continue
		}
		wrong := 0
		for _, o := range a.exec.block(executable(b)) {
			a.findings.settle(Recomputed, o.err, "%s", o.name)
			if o.err != nil && !gone(o.err) {
				wrong = 1
			}
		}
		a.upTo = height
		if failed += wrong; failed >= maxExecutionFailures {
			stopped = true
		}
		if a.live != nil && height == a.live.height {
			if err := a.compareState(); err != nil {
				return err
			}
		}
		a.Progress("blocks", i+1, len(names))
	}
	if last := crescendo.Height(len(names)); a.upTo < last {
		a.findings.settle(Recomputed, ErrGone, "execution of blocks %d to %d: block %d could not be executed", a.upTo+1, last, a.upTo+1)
	}
	if a.Trust != "" {
		a.findings.settle(Proved, a.chain.trusted(a.Trust, a.genesis.Hash), "trusted hash %s", a.Trust)
	}
	a.compareHead()
	a.compareBalances()
	return nil
}

// archiveWait is how long the archive may take to catch up with the ledger.
const archiveWait = 30 * time.Second

// blockNames lists the archived blocks, up to the state that was read from the
// running ledger at least.
func (a *audit) blockNames(ctx context.Context) ([]crescendo.Hash, error) {
	for deadline := time.Now().Add(archiveWait); ; {
		names, err := a.Blocks(ctx)
		switch {
		case err != nil:
			return nil, fmt.Errorf("list archived blocks: %w", err)
		case len(names) == 0:
			return nil, crescendo.Errorf(crescendo.CodeNotFound, "the archive holds no block").
				WithHint("the archive copies blocks while the ledger runs; is this the right directory or address?")
		case a.live == nil || crescendo.Height(len(names)) >= a.live.until || time.Now().After(deadline):
			return names, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// money checks everything that was paid, and what vaults have said.
func (a *audit) money(context.Context) error {
	settled, err := a.exec.settlements()
	if err != nil {
		return err
	}
	if err := a.exec.receipts(a.findings, settled); err != nil {
		return err
	}
	for i := range a.exec.spec.Rungs {
		id := crescendo.RungID(i + 1)
		if ok, err := a.exec.hasBook(id); err != nil || !ok {
			if err != nil {
				return err
			}
			continue
		}
		a.findings.settle(Recomputed, a.exec.waterfall(id, settled), "waterfall of rung %d", id)
		if err := a.exec.dues(id, a.findings); err != nil {
			return err
		}
	}
	return errors.Join(a.exec.pots(a.findings), a.exec.seals(a.findings))
}

// training checks the training of every rung.
func (a *audit) training(ctx context.Context) error {
	for i := range a.exec.spec.Rungs {
		id := crescendo.RungID(i + 1)
		r, err := readRung(a.exec.store, a.genesis.ChainID, a.exec.spec, id)
		if err != nil {
			return fmt.Errorf("read training of rung %d: %w", id, err)
		}
		if r == nil {
			continue
		}
		if err := a.rung(ctx, r); err != nil {
			return fmt.Errorf("audit training of rung %d: %w", id, err)
		}
	}
	return nil
}

// corpusOf settles whether a rung's corpus is whole and the one it may be
// trained on.
func (a *audit) corpusOf(ctx context.Context, r *rung) error {
	err := r.openCorpus(ctx, a.Blobs)
	if err == nil {
		err = a.derived(ctx, r)
	}
	if ctx.Err() == nil {
		a.findings.settle(Recomputed, err, "corpus of rung %d (blob %s)", r.id, r.run.Corpus)
	}
	return ctx.Err()
}

func (a *audit) rung(ctx context.Context, r *rung) error {
	err := a.corpusOf(ctx, r)
	if err != nil {
		return err
	}
	r.pay(a.findings)
	if err := r.ranking(a.exec.store, a.findings); err != nil {
		return err
	}
	reports := map[windowKey]report{}
	for _, x := range r.rounds {
		for _, w := range x.works {
			key := windowKey{w.account, x.number}
			if reports[key], err = readReports(a.exec.store, r.id, key); err != nil {
				return err
			}
		}
	}
	p := &rehearsal{
		rung: r, blobs: a.Blobs, findings: a.findings, threads: a.Threads, height: a.chain.height,
		replay: func(k windowKey) report { return reports[k] },
		advance: func(done, total int) {
			a.Progress(fmt.Sprintf("training of rung %d", r.id), done, total)
		},
	}
	p.benches.engine = a.Engine
	p.choose(ctx, a.Sample, a.chain.hash)
	if err := p.play(ctx); err != nil {
		return err
	}
	return p.opened(ctx, a.exec.store)
}

// replay compares the state with what the ledger's own program computes.
func (a *audit) replay(ctx context.Context) error {
	if a.Replay == nil {
		return nil
	}
	a.Progress("the ledger's own replay", 0, 1)
	height, appHash, err := a.Replay(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = a.chain.confirms(height, appHash)
	}
	a.findings.settle(Recomputed, err, "app hash, by the ledger's own program")
	a.Progress("the ledger's own replay", 1, 1)
	return nil
}
