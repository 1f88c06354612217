package actor

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// stageSet is a programme with an organiser, two investors and no trainers.
type stageSet struct {
	chain     *memory.Chain
	spec      program.Spec
	organiser *Organiser
	investors *Investors
	feed      *Feed
}

func newStage(t *testing.T, file string, limit uint64) *stageSet {
	t.Helper()
	spec, _, err := programfile.Load("../../programs/" + file)
	if err != nil {
		t.Fatal(err)
	}
	boss, ada, bob := memory.NewSigner("organiser"), memory.NewSigner("ada"), memory.NewSigner("bob")
	spec.Organiser, spec.Simulated = boss.Account(), true
	const purse = crescendo.Amount(1) << 50
	chain, err := memory.New(memory.Options{BlockTime: time.Second}, program.Rules{},
		func(s kv.Store) error { return program.Genesis(s, spec) },
		map[crescendo.Account]crescendo.Amount{boss.Account(): purse, ada.Account(): purse, bob.Account(): purse})
	if err != nil {
		t.Fatal(err)
	}
	return &stageSet{
		chain: chain, spec: spec,
		organiser: &Organiser{
			Ledger: chain, Signer: boss, Blobs: blob.NewMemory(), Spec: spec, Rungs: 2,
			Corpus:      func(context.Context) (Corpus, error) { return Corpus{crescendo.Hash{1}, crescendo.Hash{2}}, nil },
			Measurement: make([]byte, 32), Keepers: []crescendo.Account{ada.Account()},
			Served: func(crescendo.RungID) uint64 { return 1 },
		},
		investors: &Investors{Ledger: chain, Signers: []ledger.Signer{ada, bob}, Rungs: 2, Limit: limit},
		feed:      &Feed{Ledger: chain, Log: slog.New(slog.DiscardHandler)},
	}
}

// play runs the actors until the condition holds.
func (s *stageSet) play(t *testing.T, what string, until func(ledger.State) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	failed := make(chan error, 2)
	for _, a := range []Actor{s.organiser, s.investors} {
		go func() { failed <- s.feed.Run(ctx, a) }()
	}
	go s.feed.Follow(ctx, 1, func(ledger.Block) {})
	for ctx.Err() == nil {
		state, err := s.chain.State(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if until(state) {
			return
		}
		select {
		case err := <-failed:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Millisecond):
		}
		s.chain.Advance()
	}
	t.Fatalf("waited in vain until %s", what)
}

func TestOrganiserAndInvestorsStartTraining(t *testing.T) {
	s := newStage(t, "smoke.yaml", 0)
	s.play(t, "rung 1 has a base", func(state ledger.State) bool {
		run, err := training.Runs.Get(state, uint32(1))
		return err == nil && !run.Base.IsZero()
	})
	state, _ := s.chain.State(t.Context())
	raise, err := funding.Raises.Get(state, uint32(1))
	if err != nil || raise.Status != funding.Succeeded || raise.Raised != s.spec.Rungs[0].Raise.HardCap {
		t.Errorf("raise %+v, %v", raise, err)
	}
	if has, err := sealing.Measurements.Has(state, s.organiser.Measurement); err != nil || !has {
		t.Errorf("the vault is not on the policy: %v", err)
	}
	if _, err := program.Rungs.Get(state, uint32(2)); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("the second raise does not wait for the first rung's revenue: %v", err)
	}
	run, _ := training.Runs.Get(state, uint32(1))
	if has, err := s.organiser.Blobs.Has(t.Context(), run.Base); err != nil || !has {
		t.Errorf("the initial checkpoint is not published: %v", err)
	}
}

func TestInvestorsTakeRefunds(t *testing.T) {
	s := newStage(t, "refund.yaml", 1000)
	before := s.chain.Supply()
	s.play(t, "everybody has a refund", func(state ledger.State) bool {
		for _, i := range s.investors.Signers {
			pos, err := funding.Positions.Get(state, uint32(1), string(i.Account()))
			if err != nil || !pos.Refunded {
				return false
			}
		}
		return true
	})
	if after := s.chain.Supply(); after != before {
		t.Errorf("supply %d, was %d", after, before)
	}
}

func TestSplitIsExact(t *testing.T) {
	for _, amount := range []crescendo.Amount{0, 1, 2, 10, 1<<56 + 1} {
		var sum crescendo.Amount
		for _, p := range split(amount, 3) {
			sum += p
		}
		if sum != amount {
			t.Errorf("parts of %d add up to %d", amount, sum)
		}
	}
}
