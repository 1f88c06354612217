package node

import (
	"context"
	"errors"

	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/role/runner"
)

// Try runs a runner of trials.
func Try(ctx context.Context, s Seat, ready func() error) error {
	c, signer, h, err := s.open(ctx)
	if err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	return runner.Run(ctx, s.runner(c, signer, h))
}

func (s Seat) runner(c *Connection, signer ledger.Signer, h home.Home) runner.Config {
	return runner.Config{
		Ledger: c.Ledger, Signer: signer, Blobs: c.Blobs, Engine: native.New(s.Threads), Home: h.Dir, Rung: s.Rung, Log: s.Log,
	}
}

// lend lets a trainer's machine run trials until training is over: the same
// account has a seat in both. That it cannot run trials does not keep it from
// training.
func (s Seat) lend(ctx context.Context, c *Connection, signer ledger.Signer, h home.Home, shared *corpora) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	config := s.runner(c, signer, h)
	config.Corpus = shared.reader
	go func() {
		defer close(ended)
		if err := runner.Run(ctx, config); err != nil && !errors.Is(err, context.Canceled) {
			s.Log.Warn("this machine runs no trials", "error", err)
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
