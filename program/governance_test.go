package program_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
)

// propose is a proposal with the deposit that test programmes ask for.
func propose(by crescendo.Account, rung crescendo.RungID, kind string) *governance.MsgPropose {
	return &governance.MsgPropose{Sender: by, Rung: rung, Kind: kind, Text: "text", Deposit: testSpec().Governance.Deposit}
}

// assemble has somebody propose something in a rung, or some people vote.
func (f *fate) assemble(rung crescendo.RungID) {
	if rapid.IntRange(0, 2).Draw(f.T, "propose") == 0 {
		f.try(propose(f.who("author"), rung, rapid.SampledFrom([]string{governance.Halt, governance.Statement}).Draw(f.T, "kind")))
		return
	}
	c, _ := governance.Counters.Get(f.Store)
	proposal := rapid.Uint64Range(1, c.Last+1).Draw(f.T, "proposal")
	yes := rapid.IntRange(0, 2).Draw(f.T, "yes") > 0
	for _, who := range f.some(people) {
		f.try(&governance.MsgVote{Sender: who, Proposal: proposal, Yes: yes})
	}
}

// Whatever a rung has been through: when its holders halt it before it serves,
// nothing of its members stays behind, every holder can have its part of what
// is unspent, and no more than one unit each is left over. When it serves by
// the deadline, it goes on.
func TestHaltedRungPaysOut(t *testing.T) {
	const rung = crescendo.RungID(1)
	rapid.Check(t, func(t *rapid.T) {
		w, err := newWorld(drawSpec(t))
		if err != nil {
			t.Fatal(err)
		}
		f := &fate{T: t, world: w}
		f.prologue()
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			f.act()
		}
		f.fund(rung)
		f.haltAll(rung)
		state, err := program.StateOf(f.Store, rung)
		if err != nil {
			t.Fatal(err)
		}
		if state.Stage != program.StageRefunding {
			if len(f.holders(rung)) > 0 && state.Stage < program.StageServing && f.passed() {
				t.Fatalf("rung %d is %s after its holders halted it", rung, state.Stage)
			}
			return
		}
		f.everybodyRefunded(rung)
	})
}

func (f *fate) holders(rung crescendo.RungID) []crescendo.Account {
	var out []crescendo.Account
	for _, who := range people {
		if shares, _ := funding.Holding(f.Store, rung, who); shares > 0 && who != organiser {
			out = append(out, who)
		}
	}
	return out
}

// haltAll has every holder vote for halting a rung, and waits for the
// deadline.
func (f *fate) haltAll(rung crescendo.RungID) {
	for _, who := range f.holders(rung) {
		before, _ := governance.Counters.Get(f.Store)
		f.try(propose(who, rung, governance.Halt))
		c, _ := governance.Counters.Get(f.Store)
		if c.Last == before.Last {
			continue // too many are open, or it cannot pay the deposit
		}
		for _, voter := range f.holders(rung) {
			f.try(&governance.MsgVote{Sender: voter, Proposal: c.Last, Yes: true})
		}
		break
	}
	f.blockEnds(6)
}

// passed reports whether the newest proposal did.
func (f *fate) passed() bool {
	c, _ := governance.Counters.Get(f.Store)
	p, err := governance.Load(f.Store, c.Last)
	return err == nil && p.Kind == governance.Halt && p.Rung == 1 && p.Status == governance.Passed
}

func (f *fate) everybodyRefunded(rung crescendo.RungID) {
	for _, who := range people {
		p, err := funding.Positions.Get(f.Store, uint32(rung), string(who))
		if err != nil || p.Refunded {
			continue
		}
		if _, err := f.send(&funding.MsgRefund{Sender: who, Rung: rung}); err != nil {
			f.Fatalf("%s of a rung that was halted: %v", who, err)
		}
	}
	f.check("refunds")
	raise, err := funding.Raises.Get(f.Store, uint32(rung))
	if err != nil {
		f.Fatal(err)
	}
	if left := f.Bank.Balance(crescendo.Pot("funding", rung)); uint64(left) > raise.Holders {
		f.Fatalf("%d units are left for %d holders", left, raise.Holders)
	}
	if left := f.Bank.Balance(training.Pot(rung)); left > 0 {
		f.Fatalf("%d of bonds and escrow are left", left)
	}
}

// However many shares the organiser buys: it cannot propose, cannot vote, and
// is in no quorum.
func TestOrganiserCannotHaltWithItsShares(t *testing.T) {
	p := newPlayer(t, testSpec())
	p.must(&program.MsgOpenRaise{Sender: organiser, Rung: 1},
		&funding.MsgContribute{Sender: organiser, Rung: 1, Amount: 99_000},
		&funding.MsgContribute{Sender: "fred", Rung: 1, Amount: 1_000})
	p.end()
	p.stage(1, program.StageCompeting)
	for _, kind := range []string{governance.Halt, governance.Statement} {
		if _, err := p.send(propose(organiser, 1, kind)); crescendo.CodeOf(err) != crescendo.CodeForbidden {
			t.Errorf("%s by the organiser: %v", kind, err)
		}
	}
	p.must(propose("fred", 1, governance.Halt), &governance.MsgVote{Sender: "fred", Proposal: 1, Yes: true})
	for _, yes := range []bool{true, false} {
		if _, err := p.send(&governance.MsgVote{Sender: organiser, Proposal: 1, Yes: yes}); crescendo.CodeOf(err) != crescendo.CodeForbidden {
			t.Errorf("vote of the organiser: %v", err)
		}
	}
	if at, err := governance.Load(p.Store, 1); err != nil || at.Eligible != 1_000 || at.Yes != 1_000 || at.No != 0 {
		t.Errorf("%+v, %v", at, err)
	}
	for range 6 {
		p.end()
	}
	p.stage(1, program.StageRefunding)
	p.conserved()
}

// The treasury's shares of a later rung are in no quorum.
func TestTreasuryIsInNoQuorum(t *testing.T) {
	p := playLife(t)
	treasury, err := funding.Holding(p.Store, 2, funding.Treasury)
	if err != nil || treasury == 0 {
		t.Fatalf("the treasury holds %d shares of rung 2 (%v)", treasury, err)
	}
	p.must(propose("hugo", 2, governance.Statement))
	c, _ := governance.Counters.Get(p.Store)
	raise, _ := funding.Raises.Get(p.Store, uint32(2))
	if at, err := governance.Load(p.Store, c.Last); err != nil || at.Eligible != raise.Raised-treasury {
		t.Errorf("%+v (%v), want %d eligible", at, err, raise.Raised-treasury)
	}
}

// A programme without the section has no votes.
func TestNoGovernance(t *testing.T) {
	spec := testSpec()
	spec.Governance = program.Governance{}
	p := newPlayer(t, spec)
	p.raise(1, "fred", "gina")
	m := propose("fred", 1, governance.Halt)
	m.Deposit = 0
	if _, err := p.send(m); crescendo.CodeOf(err) != crescendo.CodeForbidden {
		t.Error(err)
	}
}

// A rung can be halted at every stage before it serves.
func TestHaltAtEveryStage(t *testing.T) {
	for stage := program.StageRaising; stage <= program.StageSealing; stage++ {
		t.Run(stage.String(), func(t *testing.T) {
			p := newPlayer(t, testSpec())
			p.bring(stage)
			p.stage(1, stage)
			p.must(propose("fred", 1, governance.Halt), &governance.MsgVote{Sender: "fred", Proposal: 1, Yes: true})
			for range 6 {
				p.end()
			}
			p.stage(1, program.StageRefunding)
			p.must(&funding.MsgRefund{Sender: "fred", Rung: 1})
			p.conserved()
			if left := p.Bank.Balance(crescendo.Pot("funding", 1)) + p.Bank.Balance(training.Pot(1)); left > 1 {
				t.Errorf("%d units are left", left)
			}
		})
	}
}

// bring plays rung 1, which fred buys alone, up to a stage; before selection
// no window is replayed.
func (p *player) bring(to program.Stage) {
	p.t.Helper()
	for _, e := range evaluators {
		p.must(&evaluation.MsgRegister{Sender: e, Name: string(e)})
	}
	if to == program.StageRaising {
		p.must(&program.MsgOpenRaise{Sender: organiser, Rung: 1}, &funding.MsgContribute{Sender: "fred", Rung: 1, Amount: 50_000},
			&training.MsgJoin{Sender: "ada", Rung: 1})
		return
	}
	p.raise(1, "fred")
	if to >= program.StageTraining {
		p.start(1, honest...)
	}
	switch to {
	case program.StageTraining:
		p.round(1)
	case program.StageSelecting:
		for p.run(1).Phase == training.Working {
			p.round(1)
		}
	case program.StageSealing:
		p.train(1)
	}
}
