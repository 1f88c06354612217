package program_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/sealing"
)

// playContest plays two rungs with competitions, up to the training of the
// second.
func playContest(t testing.TB) *player {
	p := newPlayer(t, contested())
	p.first()
	p.must(&program.MsgOpenRaise{Sender: organiser, Rung: 2})
	p.contest(2, recipe("gus", "child", 8, recipe("rita", "good", 4).ID()))
	p.startContested(2, "ada", "bob", "cyd")
	return p
}

// first plays the first rung of a programme with competitions, in which rita's
// recipe wins, until its model serves.
func (p *player) first() {
	p.t.Helper()
	p.must(&sealing.MsgRegisterKeeper{Sender: organiser, Keeper: "kim"},
		&sealing.MsgRegisterKeeper{Sender: "kim", SealKey: []byte("kim's key")},
		&sealing.MsgAllow{Sender: organiser, Measurement: []byte("good")},
		enclave.register(p.world, "good"))
	for _, e := range evaluators {
		p.must(&evaluation.MsgRegister{Sender: e, Name: string(e)})
	}
	p.must(&program.MsgOpenRaise{Sender: organiser, Rung: 1})
	p.contest(1, recipe("rita", "good", 4), recipe("hugo", "fair", 3))
	p.startContested(1, "ada", "bob", "cyd")
	p.train(1)
	p.must(enclave.seal(p.world, 1, 4))
	p.end()
}

// contest sells a rung out and holds its competition.
func (p *player) contest(rung crescendo.RungID, entries ...research.Recipe) {
	p.t.Helper()
	p.must(&research.MsgNameCorpus{Sender: organiser, Rung: rung, Corpus: name("corpus"), Root: name("root")})
	for _, r := range entries {
		p.must(p.enter(rung, r))
	}
	p.must(&research.MsgRun{Sender: "ada", Rung: rung}, &research.MsgRun{Sender: "bob", Rung: rung})
	p.sellOut(rung, "fred", "gina")
	for p.phase(rung) < research.Revealing {
		p.end()
	}
	for _, r := range entries {
		p.must(p.unseal(rung, r))
	}
	p.end()
	commits, reveals := p.trials(rung)
	p.must(append(commits, reveals...)...)
	p.end()
	if at := p.phase(rung); at != research.Decided {
		p.t.Fatalf("the competition of rung %d is %s", rung, at)
	}
}

func (p *player) phase(rung crescendo.RungID) research.Phase {
	c, err := research.Competitions.Get(p.Store, uint32(rung))
	if err != nil {
		p.t.Fatal(err)
	}
	return c.Phase
}

// The winner of the first rung enters the second by itself, without a bond,
// and is beaten there by a recipe that builds on it; both authors earn. Each
// rung is trained by the recipe that won, with the tokens of the programme.
func TestLifeWithCompetitions(t *testing.T) {
	p := playContest(t)
	good, child := recipe("rita", "good", 4), recipe("gus", "child", 8, recipe("rita", "good", 4).ID())
	kept := good.ID()
	entry, err := research.Entries.Get(p.Store, uint32(2), kept[:])
	if err != nil || entry.Bond != 0 || entry.Order != 1 || entry.Adopted {
		t.Errorf("the kept recipe in rung 2: %+v, %v", entry, err)
	}
	for rung, want := range map[crescendo.RungID]research.Recipe{1: good, 2: child} {
		if got, _, err := research.Adopted(p.Store, rung); err != nil || got != want.ID() {
			t.Errorf("rung %d adopted %s, want %s, %v", rung, got.Short(), want.ID().Short(), err)
		}
		spec, err := program.Planned(p.Store, rung)
		if err != nil {
			t.Fatal(err)
		}
		have, plain := spec.Rungs[rung-1], contested().Rungs[rung-1]
		if have.Training.Sequences != want.Sequences || have.RoundTokens() > plain.RoundTokens() || 2*have.RoundTokens() < plain.RoundTokens() {
			t.Errorf("rung %d trains %d sequences and %d tokens a round, the programme's are %d", rung, have.Training.Sequences, have.RoundTokens(), plain.RoundTokens())
		}
	}
	prize := crescendo.Amount(150_000 * 2 / 100)
	paid := map[string]string{}
	for _, e := range p.events {
		if e.Kind == "research.royalty" && e.Rung == 2 {
			paid[e.Get("account")] = e.Get("prize")
		}
	}
	if paid["gus"] != (prize/2).String() || paid["rita"] != (prize/2).String() {
		t.Errorf("of the second rung's prize of %d: %v", prize, paid)
	}
	if err := p.books(); err != nil {
		t.Error(err)
	}
}

// hold does something in a rung's competition, well or badly.
func (f *fate) hold(rung crescendo.RungID) { f.holdIn(research.Contest(rung)) }

func (f *fate) holdIn(at research.Contest) {
	who := f.who("researcher")
	r := recipe(who, "a recipe", rapid.Uint32Range(0, 4).Draw(f.T, "substance"))
	switch rapid.IntRange(0, 3).Draw(f.T, "research") {
	case 0:
		f.try(f.enterIn(at, r))
	case 1:
		for _, author := range people {
			for n := range uint32(5) {
				m := f.unseal(at.Rung(), recipe(author, "a recipe", n))
				m.Season = at.IsSeason()
				if f.committed(m) {
					f.try(m)
				}
			}
		}
	case 2:
		f.try(&research.MsgRun{Sender: who, Rung: at.Rung(), Season: at.IsSeason()})
	}
	commits, reveals := f.trialsIn(at)
	for i, m := range append(commits, reveals...) {
		reveal, ok := m.(*research.MsgRevealTrial)
		if ok && rapid.IntRange(0, 9).Draw(f.T, "altered") == 0 {
			reveal.Losses[i%len(reveal.Losses)]++
		}
		if rapid.IntRange(0, 5).Draw(f.T, "does it") > 0 {
			f.try(m)
		}
	}
}

func (w *world) committed(m *research.MsgRevealEntry) bool {
	c := research.EntryCommitment(w.Env.ChainID, m.Contest(), m.Sender, m.Recipe.ID(), m.Salt)
	has, err := research.Commitments.Has(w.Store, uint32(m.Contest()), c[:], string(m.Sender))
	return has && err == nil
}

// undecided reports whether a rung has a competition that goes on.
func (w *world) undecided(rung crescendo.RungID) bool {
	c, err := research.Competitions.Get(w.Store, uint32(rung))
	return err == nil && c.Phase < research.Decided
}
