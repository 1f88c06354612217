package trainer

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
)

const me crescendo.Account = "cresc1me"

// fakeLedger is a state that a test has written.
type fakeLedger struct {
	ledger.Ledger
	store *kv.Memory
}

type fakeState struct{ kv.Reader }

func (fakeState) Height() crescendo.Height { return 1 }

func (f fakeLedger) State(context.Context) (ledger.State, error) { return fakeState{f.store}, nil }

type fakeSigner struct{ ledger.Signer }

func (fakeSigner) Account() crescendo.Account { return me }

func TestNextRung(t *testing.T) {
	kept := []crescendo.Account{me}
	for name, c := range map[string]struct {
		only, last crescendo.RungID
		stages     []program.RungState
		member     crescendo.RungID
		want       crescendo.RungID
		done       bool
		err        error
	}{
		"nothing is open":         {stages: nil, want: 0},
		"rung 1 raises":           {stages: []program.RungState{{Stage: program.StageRaising}}, want: 1},
		"rung 1 trains":           {stages: []program.RungState{{Stage: program.StageTraining}}, want: 1},
		"newcomer after rung 1":   {stages: []program.RungState{{Stage: program.StageServing}}, err: ErrNotKept},
		"member while selecting":  {stages: []program.RungState{{Stage: program.StageSelecting}}, member: 1, want: 1},
		"kept, rung 2 not open":   {last: 1, stages: []program.RungState{{Stage: program.StageServing, Kept: kept}}, want: 0},
		"kept, rung 2 raises":     {last: 1, stages: []program.RungState{{Stage: program.StageServing, Kept: kept}, {Stage: program.StageRaising}}, want: 2},
		"selection not yet made":  {last: 1, stages: []program.RungState{{Stage: program.StageSelecting}}, want: 0},
		"dropped":                 {last: 1, stages: []program.RungState{{Stage: program.StageSealing}}, err: ErrNotKept},
		"restarted after rung 1":  {stages: []program.RungState{{Stage: program.StageServing, Kept: kept}, {Stage: program.StageTraining}}, member: 2, want: 2},
		"the ladder is done":      {last: 2, stages: []program.RungState{{Stage: program.StageServing, Kept: kept}, {Stage: program.StageServing}}, done: true},
		"only rung 2, not open":   {only: 2, stages: []program.RungState{{Stage: program.StageTraining}}, want: 0},
		"only rung 1, over":       {only: 1, stages: []program.RungState{{Stage: program.StageServing}}, done: true},
		"only a rung beyond":      {only: 3, err: errNoRung},
		"the raise has failed":    {stages: []program.RungState{{Stage: program.StageRefunding}}, err: ErrNotKept},
		"only the one that fails": {only: 1, stages: []program.RungState{{Stage: program.StageRefunding}}, done: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := fakeLedger{store: kv.NewMemory()}
			set := func(err error) {
				if err != nil {
					t.Fatal(err)
				}
			}
			set(program.Specs.Set(f.store, program.Spec{Rungs: make([]program.Rung, 2)}))
			for i, s := range c.stages {
				set(program.Rungs.Set(f.store, s, uint32(i+1)))
			}
			if c.member != 0 {
				set(training.Members.Set(f.store, training.Member{Joined: 1}, uint32(c.member), string(me)))
			}
			config := Config{Ledger: f, Signer: fakeSigner{}, Rung: c.only, Log: slog.New(slog.DiscardHandler)}
			got, done, err := config.next(context.Background(), c.last)
			if got != c.want || done != c.done || !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
				t.Errorf("rung %d, done %v, error %v; want %d, %v, %v", got, done, err, c.want, c.done, c.err)
			}
		})
	}
}
