package ledgertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
)

func (s *suite) stateReadsAndRanges(ctx context.Context, t *testing.T) {
	for i := range 4 {
		if _, err := s.Ledger.Submit(ctx, person(i), contribution(person(i), 1)); err != nil {
			t.Fatal(err)
		}
		s.sent++
	}
	state := s.state(ctx, t)
	if _, err := funding.Positions.Get(state, uint32(1), "nobody"); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("an absent entry: %v, want kv.ErrNotFound", err)
	}
	all := positions(t, state)
	if len(all) < 4 || !slices.IsSortedFunc(all, func(a, b kv.Entry[funding.Position]) int { return slices.Compare(a.Rest, b.Rest) }) {
		t.Fatalf("%d positions, sorted or not: %v", len(all), all)
	}
	for _, entry := range all {
		account := string(entry.Rest[:len(entry.Rest)-1])
		if one, err := funding.Positions.Get(state, uint32(1), account); err != nil || one != entry.Value {
			t.Errorf("%s: get %+v %v, range %+v", account, one, err, entry.Value)
		}
	}
	if two, err := funding.Positions.List(state, nil, 2, uint32(1)); err != nil || len(two) != 2 || string(two[1].Rest) != string(all[1].Rest) {
		t.Errorf("with limit 2: %v, %v", two, err)
	}
	if rest, err := funding.Positions.List(state, all[2].Rest, 100, uint32(1)); err != nil || len(rest) != len(all)-2 ||
		string(rest[0].Rest) != string(all[2].Rest) {
		t.Errorf("from the third on: %v, %v", rest, err)
	}
	if none, err := funding.Positions.List(state, nil, 100, uint32(2)); err != nil || len(none) != 0 {
		t.Errorf("positions of rung 2: %v, %v", none, err)
	}
}

func (s *suite) stateStaysAtOneHeight(ctx context.Context, t *testing.T) {
	old := s.state(ctx, t)
	before, err := funding.Raises.Get(old, uint32(1))
	if err != nil {
		t.Fatal(err)
	}
	result, err := s.Ledger.Submit(ctx, person(3), contribution(person(3), 9))
	if err != nil {
		t.Fatal(err)
	}
	s.sent += 9
	again, err := funding.Raises.Get(old, uint32(1))
	if err != nil || again != before || old.Height() >= result.Height {
		t.Errorf("state of height %d was %+v, is %+v, %v", old.Height(), before, again, err)
	}
	newest := s.state(ctx, t)
	after, err := funding.Raises.Get(newest, uint32(1))
	if err != nil || after.Raised != before.Raised+9 || newest.Height() < result.Height {
		t.Errorf("included at %d, but the state of height %d is %+v, %v", result.Height, newest.Height(), after, err)
	}
}

func (s *suite) nextDeliversEveryBlock(ctx context.Context, t *testing.T) {
	result, err := s.Ledger.Submit(ctx, person(4), contribution(person(4), 4321))
	if err != nil {
		t.Fatal(err)
	}
	s.sent += 4321
	found := 0
	var last int64
	var total crescendo.Amount
	for height := crescendo.Height(1); height <= result.Height; height++ {
		block, err := s.Ledger.Next(ctx, height)
		if err != nil {
			t.Fatalf("block %d: %v", height, err)
		}
		if block.Height != height || block.Time < last {
			t.Fatalf("asked for block %d, got %d at %d after %d", height, block.Height, block.Time, last)
		}
		last = block.Time
		for _, e := range block.Events {
			if e.Kind != "funding.contributed" {
				continue
			}
			amount, err := crescendo.ParseAmount(e.Get("amount"))
			if err != nil {
				t.Error(err)
			}
			total += amount
			if amount == 4321 && height == result.Height {
				found++
			}
		}
	}
	if found != 1 {
		t.Errorf("the contribution is in its block %d times", found)
	}
	if total != s.sent {
		t.Errorf("the events of all blocks tell of %d contributed, want %d: refused ones must not be told of", total, s.sent)
	}
	if _, err := s.Ledger.Next(ctx, 0); err == nil {
		t.Error("there is a block 0")
	}
}

func (s *suite) nextWaits(ctx context.Context, t *testing.T) {
	head, err := s.Ledger.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		height crescendo.Height
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		block, err := s.Ledger.Next(ctx, head.Height+2)
		answers <- answer{block.Height, err}
	}()
	s.advance(t)
	s.advance(t)
	if a := <-answers; a.err != nil || a.height != head.Height+2 {
		t.Errorf("waited for block %d, got %d, %v", head.Height+2, a.height, a.err)
	}
}

func (s *suite) cancelledContext(ctx context.Context, t *testing.T) {
	head, err := s.Ledger.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := s.Ledger.Next(short, head.Height+1_000_000); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a far block: %v, want the context's error", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Ledger.Submit(over, person(5), contribution(person(5), 1)); err == nil {
		t.Error("submitted with a cancelled context")
	}
}
