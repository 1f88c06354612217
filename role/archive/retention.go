package archive

import (
	"context"
	"encoding/binary"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/training"
)

// What of a rung's rounds stays for good: payloads and updates of all rounds,
// from which everything else can be recomputed; checkpoints, aggregator
// errors and trainers' states of the first and last round and of every
// keepEvery-th; and those of the newest keepNewest rounds, which trainers and
// evaluators still ask for.
const (
	keepEvery  = 10
	keepNewest = 3
	sweepEvery = 16 // blocks between looks
)

// sweeper deletes checkpoints, errors and states of rounds that are settled
// and superseded.
type sweeper struct {
	c    Config
	done map[crescendo.RungID]crescendo.Round // rounds looked at so far
}

func newSweeper(c Config) *sweeper {
	return &sweeper{c: c, done: map[crescendo.RungID]crescendo.Round{}}
}

func (s *sweeper) afterBlock(ctx context.Context, height crescendo.Height) {
	if s.c.Keep || height%sweepEvery != 0 {
		return
	}
	if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
		s.c.Log.Warn("clear superseded blobs", "error", err)
	}
}

func (s *sweeper) sweep(ctx context.Context) error {
	state, err := s.c.Ledger.State(ctx)
	if err != nil {
		return err
	}
	runs, err := training.Runs.List(state, nil, kv.MaxPage)
	if err != nil {
		return err
	}
	for _, entry := range runs {
		rung, run := crescendo.RungID(binary.BigEndian.Uint32(entry.Rest)), entry.Value
		for round := s.done[rung] + 1; round+keepNewest < run.Round; round++ {
			settled, err := s.clear(ctx, state, rung, round, run)
			if err != nil {
				return err
			}
			if !settled {
				break
			}
			s.done[rung] = round
		}
	}
	return nil
}

// clear deletes what a settled round leaves over; it reports whether the
// round was settled.
func (s *sweeper) clear(ctx context.Context, r kv.Reader, rung crescendo.RungID, round crescendo.Round, run training.Run) (bool, error) {
	works, err := training.Works.List(r, nil, kv.MaxPage, uint32(rung), uint32(round))
	if err != nil {
		return false, err
	}
	for _, w := range works {
		if w.Value.Drawn && !w.Value.Settled {
			return false, nil
		}
	}
	if round <= 1 || round%keepEvery == 0 {
		return true, nil
	}
	closed, err := training.Rounds.Get(r, uint32(rung), uint32(round))
	if err != nil {
		return false, err
	}
	// A kept round needs its own base, so what a round starts from goes with
	// that round, not with the one that made it.
	gone := []crescendo.Hash{closed.Base, closed.BaseError}
	for _, w := range works {
		gone = append(gone, w.Value.Start)
	}
	for _, h := range gone {
		if h.IsZero() || h == run.Start || h == run.Base || h == run.Final || h == run.Error {
			continue
		}
		if err := s.c.Store.Delete(ctx, h); err != nil {
			return false, err
		}
	}
	return true, nil
}
