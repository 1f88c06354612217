package app

import (
	"context"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
)

// pace decides how long a validator waits after a block: a short while after
// blocks in which something happened, longer when nothing goes on. It follows
// from blocks alone, so that all validators keep the same pace.
//
// A block that matters is proved by the next one, and what people then say
// comes with the one after that: these are hurried too.
type pace struct {
	idle, busy time.Duration
	// wait is what consensus reads once the application has committed a block,
	// on the goroutine on which Commit has set it.
	wait *time.Duration

	happened bool // something did in the block being executed
	hurry    int  // blocks still to be followed at once
}

// hurried is how many blocks after one that matters come soon: that one's
// proof, and what follows from it.
const hurried = 2

// newPace begins in a hurry: a new chain has everything before it.
func newPace(idle, busy time.Duration, wait *time.Duration) *pace {
	if busy <= 0 || busy > idle {
		busy = idle
	}
	p := &pace{idle: idle, busy: busy, wait: wait, hurry: hurried}
	*wait = busy
	return p
}

// executed notes what a block held.
func (p *pace) executed(txs, events int) { p.happened = txs+events > 0 }

// committed sets how long to wait from now.
func (p *pace) committed() {
	if p.happened {
		p.happened, p.hurry = false, hurried
		*p.wait = p.busy
		return
	}
	p.hurry = max(0, p.hurry-1)
	if *p.wait = p.idle; p.hurry > 0 {
		*p.wait = p.busy
	}
}

// FinalizeBlock implements abci.Application.
func (a application) FinalizeBlock(ctx context.Context, req *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	resp, err := a.Application.FinalizeBlock(ctx, req)
	if p := a.app.pace; p != nil && err == nil {
		p.executed(len(req.Txs), len(resp.Events))
	}
	return resp, err
}

// Commit implements abci.Application.
func (a application) Commit(ctx context.Context, req *abci.RequestCommit) (*abci.ResponseCommit, error) {
	resp, err := a.Application.Commit(ctx, req)
	if err != nil {
		return resp, err
	}
	if a.app.pace != nil {
		a.app.pace.committed()
	}
	a.app.commits.happened()
	return resp, nil
}
