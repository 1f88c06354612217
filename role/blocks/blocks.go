// Package blocks lets seats follow a ledger: it delivers new blocks through a
// channel and waits out times when the ledger cannot be reached. It interprets
// nothing and keeps no history.
package blocks

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
)

// ErrClosed means that the channel was closed before its context ended.
var ErrClosed = errors.New("ledger is no longer followed")

const (
	pauseMin  = 100 * time.Millisecond
	pauseMax  = 5 * time.Second
	maxEvents = 4096
	patience  = 4 // failures in a row before it jumps to the newest block
)

// Follow delivers blocks from the newest one on. A slow reader gets fewer
// blocks: each then holds the events, up to a bound, of those it missed. It
// reads state afresh anyway. The channel is closed when ctx ends.
func Follow(ctx context.Context, l ledger.Ledger, log *slog.Logger) <-chan ledger.Block {
	out := make(chan ledger.Block, 1)
	go func() {
		defer close(out)
		var height crescendo.Height // of the next block; zero: to be found out
		failed := 0
		for pause := pauseMin; ctx.Err() == nil; {
			b, err := next(ctx, l, height)
			if err != nil {
				if ctx.Err() == nil {
					log.Warn("follow ledger", "height", height, "error", err)
				}
				if failed++; failed%patience == 0 {
					height = 0 // the ledger may have dropped that block long ago
				}
				sleep(ctx, pause)
				pause = min(2*pause, pauseMax)
				continue
			}
			failed, pause, height = 0, pauseMin, b.Height+1
			select {
			case missed := <-out:
				b.Events = append(slices.Clip(missed.Events), b.Events...)
				b.Events = b.Events[max(0, len(b.Events)-maxEvents):]
			default:
			}
			out <- b // there is room: nobody else sends
		}
	}()
	return out
}

func next(ctx context.Context, l ledger.Ledger, height crescendo.Height) (ledger.Block, error) {
	if height == 0 {
		head, err := l.Head(ctx)
		if err != nil {
			return ledger.Block{}, err
		}
		height = max(1, head.Height)
	}
	return l.Next(ctx, height)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Wait returns the next block of the channel.
func Wait(ctx context.Context, blocks <-chan ledger.Block) (ledger.Block, error) {
	select {
	case <-ctx.Done():
		return ledger.Block{}, ctx.Err()
	case b, ok := <-blocks:
		if !ok {
			return ledger.Block{}, errors.Join(ctx.Err(), ErrClosed)
		}
		return b, nil
	}
}
