package hub

import (
	"log/slog"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/role/hub/hubtest"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

func sum(parts []page.Part) (s crescendo.Amount) {
	for _, p := range parts {
		s += p.Amount
	}
	return s
}

// addsUp checks that every list of the picture is its total, to the last unit.
func addsUp(f page.Flow) (string, bool) {
	switch {
	case sum(f.Sources) != f.Raised:
		return "sources of what was raised", false
	case sum(f.Uses) != f.Raised:
		return "uses of what was raised", false
	case sum(f.Shares) != f.Earned:
		return "shares of what was earned", false
	}
	return "", true
}

type silent struct{}

func (silent) Name(crescendo.Account, string)        {}
func (silent) Line(e crescendo.Event) (string, bool) { return e.Kind, false }

// After every block of a story the picture of the money adds up, what left
// the purses is told completely, and no unit is missing anywhere.
func TestMoneyAddsUpInEveryBlock(t *testing.T) {
	for name, tell := range map[string]func() (*hubtest.Story, error){"whole": hubtest.Whole, "with a competition": hubtest.Contested} {
		t.Run(name, func(t *testing.T) {
			s, err := tell()
			if err != nil {
				t.Fatal(err)
			}
			moneyAddsUp(t, s)
		})
	}
}

// What a competition pays is told as research, and as nothing else.
func TestMoneyOfACompetition(t *testing.T) {
	s, err := hubtest.Contested()
	if err != nil {
		t.Fatal(err)
	}
	h := moneyAddsUp(t, s)
	if err := h.read(func(f *facts) error {
		r := f.rungs[0]
		budget := r.raise.HardCap * crescendo.Amount(hubtest.Contest.TrialsBP+hubtest.Contest.PrizeBP) / 10_000
		if d := r.tally.Drawn; d != (record.Drawn{Researchers: budget}) {
			t.Errorf("a competition with a budget of %s drew %+v", budget, d)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// moneyAddsUp takes a story block by block into a hub.
func moneyAddsUp(t *testing.T, s *hubtest.Story) *Hub {
	t.Helper()
	m, err := record.NewModel(t.Context(), filepath.Join(t.TempDir(), "hub.db"), s.Genesis, s.Rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	h := New(Config{Model: m, Say: silent{}, Log: slog.New(slog.DiscardHandler)})
	for n, raw := range s.Blocks() {
		if err := m.Take(t.Context(), [][]byte{raw}); err != nil {
			t.Fatal(err)
		}
		err = h.read(func(f *facts) error {
			flow, err := f.flow()
			if err != nil {
				return err
			}
			if what, ok := addsUp(flow); !ok {
				t.Errorf("block %d: %s do not add up: %+v", n+1, what, flow)
			}
			supply, err := f.supply()
			if err != nil || supply.Error != 0 || supply.Held+supply.Burned != supply.Genesis {
				t.Errorf("block %d: supply %+v, %v", n+1, supply, err)
			}
			for _, r := range f.rungs {
				d := r.tally.Drawn
				if told := d.Trainers + d.Evaluators + d.Vaults + d.Researchers + d.Next; told != r.raise.Spent {
					t.Errorf("block %d, rung %d: %s left the purse, %s is told: %+v", n+1, r.id, r.raise.Spent, told, d)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// Whatever rungs have raised, spent and earned, the picture adds up.
func TestMoneyAddsUpForAnyRungs(t *testing.T) {
	s, err := hubtest.NewStory()
	if err != nil {
		t.Fatal(err)
	}
	m, err := record.NewModel(t.Context(), filepath.Join(t.TempDir(), "hub.db"), s.Genesis, s.Rules)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	h := New(Config{Model: m, Say: silent{}, Log: slog.New(slog.DiscardHandler)})
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Custom(func(t *rapid.T) crescendo.Amount {
			return crescendo.Amount(rapid.Uint64Range(0, 1<<40).Draw(t, "amount"))
		})
		if err := h.read(func(f *facts) error {
			for i := range f.rungs {
				var d record.Drawn
				var b revenue.Book
				for _, part := range []*crescendo.Amount{&d.Trainers, &d.Evaluators, &d.Vaults, &d.Researchers, &d.Next,
					&b.Operators, &b.Holders, &b.Contributors, &b.NextRung, &b.Remainder} {
					*part = amount.Draw(t, "part")
				}
				b.Received = b.Operators + b.Holders + b.Contributors + b.NextRung + b.Remainder
				left := amount.Draw(t, "left")
				raise := funding.Raise{Spent: d.Trainers + d.Evaluators + d.Vaults + d.Researchers + d.Next}
				raise.Raised = raise.Spent + left
				raise.Refunded = crescendo.Amount(rapid.Uint64Range(0, uint64(left)).Draw(t, "refunded"))
				raise.Reinvested = crescendo.Amount(rapid.Uint64Range(0, uint64(raise.Raised)).Draw(t, "reinvested"))
				f.rungs[i].tally.Drawn, f.rungs[i].raise, f.rungs[i].book = d, raise, b
			}
			flow, err := f.flow()
			if err != nil {
				return err
			}
			if what, ok := addsUp(flow); !ok {
				t.Fatalf("%s do not add up: %+v", what, flow)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// storyHub is a hub over the whole story.
func storyHub(t *testing.T) *Hub {
	t.Helper()
	s, err := hubtest.Whole()
	if err != nil {
		t.Fatal(err)
	}
	m, err := record.NewModel(t.Context(), filepath.Join(t.TempDir(), "hub.db"), s.Genesis, s.Rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if err := m.Take(t.Context(), s.Blocks()); err != nil {
		t.Fatal(err)
	}
	return New(Config{Model: m, Say: silent{}, Log: slog.New(slog.DiscardHandler)})
}
