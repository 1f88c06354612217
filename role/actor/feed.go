// Package actor plays the people of a programme: an organiser who follows a
// written plan, and demo investors and clients for programmes that run
// unattended. Actors use the same messages as people; no rule knows them.
// What an actor does next follows from the ledger's state alone, never from
// its memory, so it may be killed and started again at any moment.
package actor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
)

// retryWait is the pause after the ledger could not be reached.
const retryWait = 200 * time.Millisecond

// lookAgain is how many blocks an actor lets pass without any event that
// concerns it before it looks at the state all the same.
const lookAgain = 20

// Feed follows the ledger once for all actors of a process.
type Feed struct {
	Ledger ledger.Ledger
	Log    *slog.Logger

	mu        sync.Mutex
	listeners []chan<- struct{} // guarded by mu
	filters   [][]string        // kinds of event listeners[i] wakes for; guarded by mu
}

// Actor does what the state of the ledger asks of it, and returns.
type Actor interface {
	Name() string
	// Kinds are prefixes of the kinds of event that may give it something to do.
	Kinds() []string
	Act(ctx context.Context, state ledger.State) error
}

// Run keeps an actor acting until ctx ends. A refused message is no failure:
// the state has moved on, and the actor looks again.
func (f *Feed) Run(ctx context.Context, a Actor) error {
	wake := make(chan struct{}, 1)
	f.listen(wake, a.Kinds())
	wake <- struct{}{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		}
		err := f.act(ctx, a)
		if err == nil || ctx.Err() != nil {
			continue
		}
		if !passing(err) {
			return fmt.Errorf("%s: %w", a.Name(), err)
		}
		f.Log.Info("actor will look again", "actor", a.Name(), "error", err)
		pause(ctx, retryWait)
		notify(wake)
	}
}

func (f *Feed) act(ctx context.Context, a Actor) error {
	state, err := f.Ledger.State(ctx)
	if err != nil {
		return err
	}
	return a.Act(ctx, state)
}

// passing reports whether looking again may help.
func passing(err error) bool {
	if errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var rule *crescendo.Error
	return errors.As(err, &rule) && (rule.Code == crescendo.CodeWrongTime || rule.Code == crescendo.CodeDuplicate ||
		rule.Code == crescendo.CodeFunds)
}

func (f *Feed) listen(wake chan<- struct{}, kinds []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = append(f.listeners, wake)
	f.filters = append(f.filters, kinds)
}

// Follow reads blocks from a height on, hands each to show and wakes the
// actors it concerns.
func (f *Feed) Follow(ctx context.Context, from crescendo.Height, show func(ledger.Block)) error {
	for height := from; ctx.Err() == nil; {
		block, err := f.Ledger.Next(ctx, height)
		if err != nil {
			if ctx.Err() == nil {
				f.Log.Info("follow ledger", "height", height, "error", err)
			}
			pause(ctx, retryWait)
			continue
		}
		if show != nil {
			show(block)
		}
		f.wake(block)
		height++
	}
	return nil
}

func (f *Feed) wake(block ledger.Block) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, l := range f.listeners {
		if block.Height%lookAgain == 0 || concerns(block.Events, f.filters[i]) {
			notify(l)
		}
	}
}

func concerns(events []crescendo.Event, prefixes []string) bool {
	for _, e := range events {
		for _, p := range prefixes {
			if strings.HasPrefix(e.Kind, p) {
				return true
			}
		}
	}
	return false
}

func notify(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
