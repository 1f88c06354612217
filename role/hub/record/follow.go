package record

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crescendo-network/crescendo"
)

// Source is where blocks come from.
type Source interface {
	// Head returns the newest block that exists.
	Head(ctx context.Context) (crescendo.Height, error)
	// Block waits for a block and returns its canonical bytes.
	Block(ctx context.Context, height crescendo.Height) ([]byte, error)
}

const (
	batch    = 128 // blocks per transaction while catching up
	fetchers = 8
	pauseMin = 200 * time.Millisecond
	pauseMax = 10 * time.Second
)

// ErrChain means that the source offers a block that does not follow.
var ErrChain = errors.New("the source's next block does not follow")

// Follow executes what is recorded and then every new block, until ctx ends.
// While the source cannot be reached it waits; a block that does not follow
// is asked for again, and the reason can be read in Now.Stopped.
func (m *Model) Follow(ctx context.Context, source Source, log *slog.Logger) error {
	if err := m.replay(ctx); err != nil {
		return err
	}
	for pause := pauseMin; ctx.Err() == nil; {
		err := m.advance(ctx, source)
		if err == nil {
			pause = pauseMin
			continue
		}
		if ctx.Err() != nil {
			break
		}
		log.Warn("follow the chain", "after", m.height(), "error", err)
		m.announce(0, err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, pauseMax)
	}
	return context.Cause(ctx)
}

func (m *Model) height() crescendo.Height {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.replica.Height()
}

// know notes which block is the newest, and wakes nobody.
func (m *Model) know(target crescendo.Height) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.target = max(m.target, target)
}

// advance takes over the blocks that exist, or waits for the next one.
func (m *Model) advance(ctx context.Context, source Source) error {
	head, err := source.Head(ctx)
	if err != nil {
		return fmt.Errorf("ask for the newest block: %w", err)
	}
	// Said before the blocks are executed: whoever looks meanwhile is to know
	// that they are missing.
	m.know(head)
	if err := m.add(ctx, m.pending); err != nil {
		return err
	}
	m.pending = nil
	first := m.height() + 1
	// The newest block is complete only once it has a successor.
	n := min(max(int(head-first), 1), batch)
	raws := make([][]byte, n)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	for i := range raws {
		g.Go(func() (err error) {
			raws[i], err = source.Block(gctx, first+crescendo.Height(i))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("fetch blocks from %d on: %w", first, err)
	}
	return m.take(ctx, max(head, first), raws)
}

// take executes blocks and records those that follow.
func (m *Model) take(ctx context.Context, head crescendo.Height, raws [][]byte) error {
	var bad error
	for _, raw := range raws {
		step, err := m.step(raw)
		if err != nil {
			bad = fmt.Errorf("%w: %w", ErrChain, err)
			break
		}
		m.pending = append(m.pending, entry{raw, step})
	}
	if err := m.add(ctx, m.pending); err != nil {
		return err
	}
	m.pending = nil
	if bad == nil {
		m.announce(head, nil)
	}
	return bad
}

// Take executes and records blocks that somebody has at hand; they must be the
// next ones of the chain.
func (m *Model) Take(ctx context.Context, raws [][]byte) error {
	return m.take(ctx, m.height()+crescendo.Height(len(raws)), raws)
}
