package program_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/transcript"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// testSpec is a programme of two small rungs.
func testSpec() program.Spec {
	rung := program.Rung{
		Name:  "one",
		Model: program.Model{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Context: 8, Tied: true},
		Raise: program.Raise{SoftCap: 10_000, HardCap: 100_000, Blocks: 20},
		Training: program.Training{Rounds: 3, Steps: 2, Sequences: 2, Eager: 1, MinTrainers: 3, Seats: 8, Keep: 3, Codec: "q2",
			Probation: 2, AuditPerMille: 500, Bond: 1_000, CommitBlocks: 10, RevealBlocks: 10, VoteBlocks: 10,
			TrainersBP: 6_000, EvaluatorsBP: 1_000, OperatorBP: 1_000,
			Optimizer: program.Optimizer{Kind: "muon", LRMillionths: 24_000, MatrixLRMillionths: 20_000}},
		Sealing:   program.Sealing{Policy: program.SealedUntilRepaid, FinalSteps: 4},
		Inference: program.Inference{InputPrice: 1_000_000, OutputPrice: 2_000_000, GraceBlocks: 5},
		Revenue:   program.Revenue{OperatorsBP: 1_000, HoldersBP: 5_000, HoldersCapBP: 12_000, ContributorsBP: 3_000, RoyaltyBP: 1_000},
	}
	second := rung
	second.Name, second.Model.Dim, second.Raise.HardCap = "two", 32, 150_000
	return program.Spec{
		Name: "test", Denom: "udemo", Organiser: organiser, Simulated: true,
		Corpus:     program.Corpus{Source: "go", Vocabulary: 512, HeldOutPerMille: 40},
		Evaluation: program.Evaluation{MinEvaluators: 2, Bond: 10_000, Sequences: 4},
		Governance: program.Governance{VoteBlocks: 5, QuorumBP: 4_000, ThresholdBP: 6_000, Deposit: 500},
		Rungs:      []program.Rung{rung, second},
	}
}

// player drives a world; every refusal fails the test.
type player struct {
	t testing.TB
	*world
	events []crescendo.Event
}

func newPlayer(t testing.TB, spec program.Spec) *player {
	t.Helper()
	w, err := newWorld(spec)
	if err != nil {
		t.Fatal(err)
	}
	return &player{t: t, world: w}
}

func (p *player) must(msgs ...crescendo.Message) {
	p.t.Helper()
	for _, m := range msgs {
		out, err := p.send(m)
		if err != nil {
			p.t.Fatalf("height %d, %T by %s: %v", p.Env.Height, m, m.From(), err)
		}
		p.events = append(p.events, out.Events...)
	}
}

func (p *player) end() {
	p.t.Helper()
	out, err := p.block()
	if err != nil {
		p.t.Fatal(err)
	}
	p.events = append(p.events, out.Events...)
}

func (p *player) stage(rung crescendo.RungID, want program.Stage) {
	p.t.Helper()
	state, err := program.StateOf(p.Store, rung)
	if err != nil || state.Stage != want {
		p.t.Fatalf("height %d: rung %d is %s, want %s (%v)", p.Env.Height, rung, state.Stage, want, err)
	}
}

var (
	honest     = []crescendo.Account{"ada", "bob", "cyd", "dan"}
	rider      = crescendo.Account("eve")
	evaluators = []crescendo.Account{"val", "wes"}
	enclave    = newVault("olu", 7)
)

// raise sells a rung out, to the given buyers in equal parts.
func (p *player) raise(rung crescendo.RungID, buyers ...crescendo.Account) {
	p.t.Helper()
	p.must(&program.MsgOpenRaise{Sender: organiser, Rung: rung})
	p.sellOut(rung, buyers...)
}

func (p *player) sellOut(rung crescendo.RungID, buyers ...crescendo.Account) {
	p.t.Helper()
	for i, b := range buyers {
		room, err := funding.Room(p.Store, rung)
		if err != nil {
			p.t.Fatal(err)
		}
		p.must(&funding.MsgContribute{Sender: b, Rung: rung, Amount: room / crescendo.Amount(len(buyers)-i)})
	}
	p.end()
	p.stage(rung, program.StageCompeting)
}

func (p *player) start(rung crescendo.RungID, trainers ...crescendo.Account) {
	p.t.Helper()
	recipe := name("recipe", rung)
	p.must(&research.MsgRegister{Sender: "rita", Rung: rung, Recipe: recipe},
		&research.MsgAdopt{Sender: organiser, Rung: rung, Recipe: recipe})
	p.startContested(rung, trainers...)
}

// startContested starts a rung whose recipe is adopted already.
func (p *player) startContested(rung crescendo.RungID, trainers ...crescendo.Account) {
	p.t.Helper()
	for _, a := range trainers {
		p.must(&training.MsgJoin{Sender: a, Rung: rung, Name: string(a)})
	}
	p.must(&training.MsgStart{Sender: organiser, Rung: rung, Corpus: name("corpus"), Root: name("root"), Base: name("base", rung), Error: name("error", rung)})
	p.end()
	p.stage(rung, program.StageTraining)
}

// round plays the open round with everybody in time.
func (p *player) round(rung crescendo.RungID) {
	p.t.Helper()
	run := p.run(rung)
	if run.Phase != training.Working {
		p.t.Fatalf("rung %d round %d is %s, want working", rung, run.Round, run.Phase)
	}
	var active []crescendo.Account
	members, _ := training.Members.List(p.Store, nil, training.MaxMembers, uint32(rung))
	for _, e := range members {
		if e.Value.Standing() && e.Value.Joined <= run.Round {
			active = append(active, training.Account(e.Rest))
		}
	}
	for _, a := range active {
		p.must(p.commit(rung, a))
	}
	p.end()
	for _, a := range active {
		r := p.reveals[a]
		p.must(&r)
	}
	for _, e := range evaluators {
		p.must(&training.MsgAttest{Sender: e, Rung: rung, Round: run.Round, Attempt: run.Attempt, Trainers: active})
	}
	p.end()
	for _, e := range evaluators {
		p.must(p.world.commitVote(rung, e, p.vote(rung, map[crescendo.Account]int64{rider: 10_000})))
	}
	p.end()
	for _, e := range evaluators {
		m := p.votes[e]
		p.must(&m)
	}
	p.end()
}

// replays settles all drawn windows; the rider's do not match.
func (p *player) replays(rung crescendo.RungID) {
	p.t.Helper()
	for len(p.windows(rung)) > 0 {
		x := p.windows(rung)[0]
		first := p.designated(rung, x)
		p.must(p.report(rung, first, x, x.trainer != rider))
		for _, e := range evaluators {
			if e != first && x.trainer == rider {
				p.must(p.report(rung, e, x, false))
			}
		}
	}
}

// train plays all rounds of a rung up to its sealing.
func (p *player) train(rung crescendo.RungID) {
	p.t.Helper()
	for p.run(rung).Phase == training.Working {
		p.round(rung)
		p.replays(rung)
	}
	p.end()
	p.stage(rung, program.StageSealing)
}

// serve sells one request of a session and settles it.
func (p *player) serve(rung crescendo.RungID, escrow, charged crescendo.Amount) {
	p.t.Helper()
	p.must(&inference.MsgOpen{Sender: "carl", Rung: rung, Vault: enclave.id(), Escrow: escrow, Key: enclave.public()})
	c, err := inference.Counters.Get(p.Store)
	if err != nil {
		p.t.Fatal(err)
	}
	tokens := uint64(charged) / 2000
	p.must(&inference.MsgSettle{Sender: "olu", Final: true, Receipts: []inference.SignedReceipt{
		enclave.receipt(p.world, c.Next, 0, tokens, crescendo.Amount(tokens*2000))}})
	p.end()
}

// TestLifeOfTwoRungs plays the whole programme: fund, research, train,
// evaluate, seal, serve, share, reinvest, and open what was repaid.
func TestLifeOfTwoRungs(t *testing.T) {
	p := playLife(t)
	first, _ := program.StateOf(p.Store, 1)
	if d := cmp.Diff([]crescendo.Account{"dan", "cyd", "bob"}, first.Kept); d != "" {
		t.Errorf("kept in rung 1: %s", d)
	}
	if !slices.Contains(first.Dropped, rider) {
		t.Errorf("the free rider is not among the dropped: %v", first.Dropped)
	}
	m := p.member(1, rider)
	if m.Paid != 0 || m.Burned < 1000 || m.Fault == "" {
		t.Errorf("free rider: %+v", m)
	}
	raise, _ := funding.Raises.Get(p.Store, uint32(2))
	if raise.Reinvested == 0 {
		t.Error("nothing was reinvested in rung 2")
	}
	p.stage(1, program.StageOpened)
	p.stage(2, program.StageServing)
	p.conserved()
}

func playLife(t testing.TB) *player {
	p := newPlayer(t, testSpec())
	p.must(&sealing.MsgRegisterKeeper{Sender: organiser, Keeper: "kim"},
		&sealing.MsgRegisterKeeper{Sender: "kim", SealKey: []byte("kim's key")},
		&sealing.MsgAllow{Sender: organiser, Measurement: []byte("good")},
		enclave.register(p.world, "good"))
	for _, e := range evaluators {
		p.must(&evaluation.MsgRegister{Sender: e, Name: string(e)})
	}
	p.raise(1, "fred", "gina")
	p.start(1, append(slices.Clone(honest), rider)...)
	p.train(1)
	p.must(enclave.seal(p.world, 1, 4))
	p.end()
	p.stage(1, program.StageServing)
	p.serve(1, 200_000, 100_000)
	p.must(propose("fred", 1, governance.Statement), &governance.MsgVote{Sender: "fred", Proposal: 1, Yes: true})

	p.must(&program.MsgOpenRaise{Sender: organiser, Rung: 2},
		&revenue.MsgClaim{Sender: "fred", Rung: 1, Reinvest: 2},
		&revenue.MsgClaim{Sender: "dan", Rung: 1})
	p.sellOut(2, "gina", "hugo")
	p.serve(1, 400_000, 300_000) // repaid to the cap
	p.must(&sealing.MsgPublishKey{Sender: "gus", Rung: 1, Key: rungKey(1)})

	kept, _ := program.StateOf(p.Store, 1)
	p.start(2, kept.Kept...)
	p.train(2)
	p.must(enclave.seal(p.world, 2, 4))
	p.end()
	p.serve(2, 50_000, 20_000)
	return p
}

// conserved checks that no money came or went but what was burned, and that
// every pot holds exactly what is owed from it.
func (p *player) conserved() {
	p.t.Helper()
	if err := p.books(); err != nil {
		p.t.Error(err)
	}
}

// books compares the bank with what the rules say their pots hold.
func (w *world) books() error {
	var burned crescendo.Amount
	treasury, _ := program.Treasuries.Get(w.Store)
	want := map[crescendo.Account]crescendo.Amount{funding.Treasury: treasury.Balance, evaluation.Pot: 0}
	all, _ := evaluation.Evaluators.List(w.Store, nil, evaluation.MaxEvaluators)
	for _, e := range all {
		want[evaluation.Pot] += e.Value.Bond
		burned += e.Value.Burned
	}
	for rung := crescendo.RungID(1); rung <= 2; rung++ {
		members, _ := training.Members.List(w.Store, nil, training.MaxMembers, uint32(rung))
		for _, e := range members {
			want[training.Pot(rung)] += e.Value.Bond + e.Value.Escrow
			burned += e.Value.Burned
		}
		if raise, err := funding.Raises.Get(w.Store, uint32(rung)); err == nil {
			want[crescendo.Pot("funding", rung)] = raise.Held()
		}
		for _, at := range []research.Contest{research.Contest(rung), research.SeasonOf(rung)} {
			want[research.Pot(at)], _ = research.Held(w.Store, at)
			if c, err := research.Competitions.Get(w.Store, uint32(at)); err == nil {
				burned += c.Burned
			}
		}
		deposits, _ := governance.Held(w.Store, rung)
		want[governance.Pot(rung)] = deposits
		usage, _ := inference.UsageOf(w.Store, rung)
		want[crescendo.Pot("inference", rung)] = usage.Escrowed
		if b, err := revenue.Books.Get(w.Store, uint32(rung)); err == nil {
			want[crescendo.Pot("revenue", rung)] = b.Received - b.NextRung - b.Claimed
		}
	}
	for pot, amount := range want {
		if got := w.Bank.Balance(pot); got != amount {
			return fmt.Errorf("%s holds %d, the rules say %d", pot, got, amount)
		}
	}
	if got := w.Bank.Supply(); got != w.genesis-burned {
		return fmt.Errorf("supply is %d, genesis %d less %d burned", got, w.genesis, burned)
	}
	return nil
}

// The same messages leave the same bytes, whatever else the process does.
func TestLifeIsDeterministic(t *testing.T) {
	a, b := playLife(t), playLife(t)
	if transcript.Dump(a.Store) != transcript.Dump(b.Store) {
		t.Error("two runs of the same messages left different stores")
	}
	if d := cmp.Diff(fmt.Sprint(a.events), fmt.Sprint(b.events)); d != "" {
		t.Error(d)
	}
}
