package blocks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
)

// flaky is a ledger that fails every third call and has a block each time it is
// asked.
type flaky struct {
	ledger.Ledger
	calls atomic.Int64
	top   crescendo.Height
}

func (f *flaky) Head(context.Context) (ledger.Head, error) {
	if f.calls.Add(1)%3 == 0 {
		return ledger.Head{}, ledger.ErrUnavailable
	}
	return ledger.Head{Height: f.top}, nil
}

func (f *flaky) Next(ctx context.Context, h crescendo.Height) (ledger.Block, error) {
	if f.calls.Add(1)%3 == 0 {
		return ledger.Block{}, ledger.ErrUnavailable
	}
	f.top = h
	return ledger.Block{Height: h, Events: []crescendo.Event{crescendo.NewEvent("test.block", 0, "height", h)}}, nil
}

func TestFollow(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	news := Follow(ctx, &flaky{top: 40}, slog.New(slog.DiscardHandler))
	seen := map[string]bool{}
	var last crescendo.Height
	for last < 60 {
		b, err := Wait(ctx, news)
		if err != nil {
			t.Fatal(err)
		}
		if b.Height < last {
			t.Fatalf("block %d after %d", b.Height, last)
		}
		last = b.Height
		for _, e := range b.Events {
			seen[e.Get("height")] = true
		}
		time.Sleep(time.Millisecond)
	}
	for h := crescendo.Height(41); h <= last; h++ {
		if !seen[fmt.Sprint(h)] {
			t.Errorf("the event of block %d was lost", h)
		}
	}
	stop()
	for {
		if _, err := Wait(context.Background(), news); errors.Is(err, ErrClosed) {
			return
		}
	}
}
