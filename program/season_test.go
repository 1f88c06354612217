package program_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// seasoned is the contested programme, with a season of newcomers when the
// second rung's raise begins.
func seasoned() program.Spec {
	spec := contested()
	t := contest
	t.EntryBlocks, t.RevealBlocks, t.TrialBlocks, t.MaxEntries, t.KeepRecipes = 2, 2, 6, 5, 1
	spec.Rungs[1].Season = t
	spec.Rungs[1].Competition.EntryBlocks = 4
	spec.Rungs[1].Raise.SoftCap = 20_000
	return spec
}

// Whatever newcomers, veterans, runners and funders do while a season is on:
// money is conserved after every message and block, the season ends before the
// rung's competition takes no more entries, its pot is empty then, it costs at
// most its part of the soft cap, and who qualifies is a newcomer that beat the
// first rung's own recipe.
func TestMoneyOfSeasons(t *testing.T) {
	served := newPlayer(t, seasoned())
	served.first()
	qualified, late := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		f := &fate{T: t, world: served.branch(t), light: true}
		f.try(&program.MsgOpenRaise{Sender: organiser, Rung: 2})
		if rapid.Bool().Draw(t, "hasty") { // the season has little time
			f.try(&funding.MsgContribute{Sender: "fred", Rung: 2, Amount: 90_000})
			f.try(&funding.MsgContribute{Sender: "gina", Rung: 2, Amount: 44_990})
		}
		for range 60 {
			state, err := program.StateOf(f.Store, 2)
			if err != nil {
				t.Fatal(err)
			}
			if state.Stage != program.StageRaising && state.Stage != program.StageCompeting {
				break
			}
			for range rapid.IntRange(1, 4).Draw(t, "does") {
				f.holdIn(research.ContestOf(2, rapid.IntRange(0, 3).Draw(t, "season") > 0))
			}
			if state.Stage == program.StageRaising && rapid.IntRange(0, 5).Draw(t, "funds") == 0 {
				f.fund(2)
			}
			f.blockEnds(1)
			n, cancelled := checkSeason(t, f)
			qualified, late = qualified+n, late+cancelled
			if c, err := research.Competitions.Get(f.Store, uint32(2)); err != nil || c.Phase >= research.Trialling {
				break // the season is over, and the rung's competition goes its own way
			}
		}
	})
	t.Logf("%d qualified, %d looks at seasons that ended undecided", qualified, late)
}

// branch is a world that goes on from here by itself.
func (p *player) branch(t *rapid.T) *world {
	balances := map[crescendo.Account]crescendo.Amount{"@treasury": p.Bank.Balance("@treasury")}
	for _, who := range people {
		balances[who] = p.Bank.Balance(who)
	}
	for _, rule := range []string{"funding", "research", "season", "training", "evaluation", "inference", "revenue", "governance"} {
		for rung := range crescendo.RungID(3) {
			balances[crescendo.Pot(rule, rung)] = p.Bank.Balance(crescendo.Pot(rule, rung))
		}
	}
	base, err := transcript.New(balances)
	if err != nil || base.Bank.Supply() != p.Bank.Supply() {
		t.Fatalf("a branch with a supply of %d instead of %d: %v", base.Bank.Supply(), p.Bank.Supply(), err)
	}
	base.Env = p.Env
	var start []byte
	for {
		pairs, err := p.Store.Range(nil, start, kv.MaxPage)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range pairs {
			if err := base.Store.Set(e.Key, e.Value); err != nil {
				t.Fatal(err)
			}
		}
		if len(pairs) < kv.MaxPage {
			break
		}
		start = append(pairs[len(pairs)-1].Key, 0)
	}
	return &world{World: base, rules: p.rules, genesis: p.genesis}
}

// checkSeason holds a season against the rung's own competition; it returns how
// many have qualified, and 1 for a season that ended undecided.
func checkSeason(t *rapid.T, f *fate) (qualified, undecided int) {
	s, err := research.Competitions.Get(f.Store, uint32(research.SeasonOf(2)))
	if err != nil {
		t.Fatal(err)
	}
	main, err := research.Competitions.Get(f.Store, uint32(2))
	if err != nil {
		t.Fatal(err)
	}
	if s.Phase < research.Decided {
		if main.Phase != research.Entering {
			t.Fatalf("height %d: the rung's competition is %s and its season %s", f.Env.Height, main.Phase, s.Phase)
		}
		return 0, 0
	}
	if pot := f.Bank.Balance(research.Pot(research.SeasonOf(2))); pot != 0 {
		t.Fatalf("%d is left in the pot of a season that is over", pot)
	}
	r := seasoned().Rungs[1]
	if most := r.Raise.SoftCap * crescendo.Amount(r.Season.TrialsBP) / 10000; s.Spent > most {
		t.Fatalf("trials have cost %d of %d", s.Spent, most)
	}
	for _, id := range s.Kept {
		entry, err := research.Entries.Get(f.Store, uint32(2), id[:])
		if err != nil || entry.Author == organiser || entry.Author == "rita" {
			t.Fatalf("%s qualified: %+v, %v", id.Short(), entry, err)
		}
		rows, err := research.Standings.List(f.Store, nil, 100, uint32(research.SeasonOf(2)), r.Season.Stages)
		if err != nil || !slices.ContainsFunc(rows, func(row kv.Entry[research.Standing]) bool { return row.Value.Recipe == id && row.Value.Low > 0 }) {
			t.Fatalf("%s qualified without having beaten the baseline: %v, %v", id.Short(), rows, err)
		}
	}
	if s.Phase == research.Cancelled {
		undecided = 1
	}
	return len(s.Kept), undecided
}

// A season and a funnel that cannot be carried out are refused, with the field
// named; without either nothing changes.
func TestSeasonsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*program.Spec)
	}{
		{"as it is", "", func(*program.Spec) {}},
		{"on the first rung", "rung 1: season.max-entries: the first rung has no season", func(s *program.Spec) { s.Rungs[0].Season = s.Rungs[1].Season }},
		{"without a competition", "season.max-entries: rung 2 has no competition", func(s *program.Spec) { s.Rungs[1].Competition = research.Terms{} }},
		{"nobody qualifies", "season.keep-recipes: 0", func(s *program.Spec) { s.Rungs[1].Season.KeepRecipes = 0 }},
		{"too few reach the end", "season.keep-recipes: 4, but of 5 entries only 3", func(s *program.Spec) { s.Rungs[1].Season.KeepRecipes, s.Rungs[1].Season.Stages = 4, 2 }},
		{"with tasks", "season.tasks-bp: 1", func(s *program.Spec) { s.Rungs[1].Season.TasksBP = 1 }},
		{"more than the purse", "season.prize-bp", func(s *program.Spec) { s.Rungs[1].Season.PrizeBP = 2000 }},
		{"terms", "season.replicas", func(s *program.Spec) { s.Rungs[1].Season.Replicas = 1 }},
		{"a full competition", "season.keep-recipes: with 4 newcomers in the competition of the rung: max-entries: 1024 recipes",
			func(s *program.Spec) { s.Rungs[1].Competition.MaxEntries, s.Rungs[1].Season.KeepRecipes = 1000, 4 }},
		{"a funnel", "", func(s *program.Spec) { s.Funnel = program.Funnel{First: 5, Last: 2}; widen(s, 5, 2) }},
		{"that begins wider", "funnel.first: 6, but rung 1 takes 5", func(s *program.Spec) { s.Funnel = program.Funnel{First: 6, Last: 2}; widen(s, 5, 2) }},
		{"that ends wider", "funnel.last: 1, but rung 2 takes 2", func(s *program.Spec) { s.Funnel = program.Funnel{First: 5, Last: 1}; widen(s, 5, 2) }},
		{"that widens", "funnel.last: rung 2 takes 6 entries, more than the 5", func(s *program.Spec) { s.Funnel = program.Funnel{First: 5, Last: 6}; widen(s, 5, 6) }},
		{"with a wider season", "funnel.first: the season of rung 2 takes 5", func(s *program.Spec) { s.Funnel = program.Funnel{First: 4, Last: 2}; widen(s, 4, 2) }},
	} {
		spec := seasoned()
		c.change(&spec)
		got := ""
		if err := spec.Validate(); err != nil {
			got = err.Error()
		}
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	want := []research.Contest{1, 2, research.SeasonOf(2)}
	if d := cmp.Diff(want, seasoned().Contests()); d != "" {
		t.Error(d)
	}
}

func widen(s *program.Spec, first, last uint32) {
	s.Rungs[0].Competition.MaxEntries, s.Rungs[1].Competition.MaxEntries = first, last
}
