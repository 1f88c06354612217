package program_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// fate draws what happens in a world: what people do well, badly, or not at
// all. It logs every message, so that a history can be played again.
type fate struct {
	*rapid.T
	*world
	log   []crescendo.Message // nil: the end of a block
	light bool                // refusals are taken at their word: TestInvariants compares the store
}

// Whatever people send, and in whatever order: money is conserved, every pot
// holds what is owed from it, refusals change nothing, and blocks always end.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		w, err := newWorld(spec)
		if err != nil {
			t.Fatal(err)
		}
		f := &fate{T: t, world: w}
		f.prologue()
		for range rapid.IntRange(20, 120).Draw(t, "steps") {
			f.act()
		}
		f.replay(spec)
	})
}

func drawSpec(t *rapid.T) program.Spec {
	spec := testSpec()
	if rapid.IntRange(0, 2).Draw(t, "contested") == 0 {
		spec = contested()
	}
	for i := range spec.Rungs {
		r := &spec.Rungs[i].Training
		r.Rounds = rapid.Uint32Range(1, 3).Draw(t, "rounds")
		r.MinTrainers = rapid.Uint32Range(1, 2).Draw(t, "min")
		r.Probation = rapid.Uint32Range(0, 2).Draw(t, "probation")
		r.CommitBlocks, r.RevealBlocks, r.VoteBlocks = 3, 3, 3
		r.Bond = crescendo.Amount(rapid.IntRange(0, 50_000).Draw(t, "bond"))
	}
	spec.Evaluation.MinEvaluators = rapid.Uint32Range(1, 2).Draw(t, "evaluators")
	spec.Evaluation.Bond = crescendo.Amount(rapid.IntRange(0, 30_000).Draw(t, "evaluator bond"))
	spec.Rungs[0].Sealing.Policy = rapid.SampledFrom([]string{program.Open, program.SealedUntilRepaid, program.Sealed}).Draw(t, "policy")
	return spec
}

func (f *fate) who(label string) crescendo.Account { return rapid.SampledFrom(people).Draw(f.T, label) }

// some draws about three in four of the given accounts.
func (f *fate) some(from []crescendo.Account) []crescendo.Account {
	var out []crescendo.Account
	for _, a := range from {
		if rapid.IntRange(0, 3).Draw(f.T, "takes part") > 0 {
			out = append(out, a)
		}
	}
	return out
}

// try sends a message and checks what must hold after it.
func (f *fate) try(m crescendo.Message) {
	f.log = append(f.log, m)
	var before bytes.Buffer
	if !f.light {
		dump(&before, f.Store)
	}
	_, err := f.send(m)
	var refused *crescendo.Error
	switch {
	case err == nil:
	case !errors.As(err, &refused):
		f.Fatalf("%T: an error without a code: %v", m, err)
	case refused.Code == crescendo.CodeInternal:
		f.Fatalf("%T: broken invariant: %v", m, err)
	case !f.light:
		var after bytes.Buffer
		if dump(&after, f.Store); !bytes.Equal(before.Bytes(), after.Bytes()) {
			f.Fatalf("%T was refused and changed the state", m)
		}
	}
	if err == nil {
		f.check(m)
	}
}

func (f *fate) check(after any) {
	if err := f.books(); err != nil {
		f.Fatalf("height %d, after %T: %v", f.Env.Height, after, err)
	}
}

func (f *fate) blockEnds(n int) {
	for range n {
		f.log = append(f.log, nil)
		if _, err := f.block(); err != nil {
			f.Fatalf("end of block: %v", err)
		}
		f.check("end of block")
	}
}

func (f *fate) prologue() {
	for _, e := range []crescendo.Account{"val", "wes", "xia"} {
		f.try(&evaluation.MsgRegister{Sender: e})
	}
	f.try(&sealing.MsgRegisterKeeper{Sender: organiser, Keeper: "kim"})
	f.try(&sealing.MsgRegisterKeeper{Sender: "kim", SealKey: []byte("kim's key")})
	f.try(&sealing.MsgAllow{Sender: organiser, Measurement: []byte("good")})
	f.try(enclave.register(f.world, "good"))
}

// act does one thing in one rung: mostly what its stage calls for.
func (f *fate) act() {
	rung := crescendo.RungID(rapid.IntRange(1, 2).Draw(f.T, "rung"))
	if rapid.IntRange(0, 5).Draw(f.T, "garbage") == 0 {
		f.try(f.garbage())
		return
	}
	if rapid.IntRange(0, 11).Draw(f.T, "assembly") == 0 {
		f.assemble(rung)
	}
	state, err := program.StateOf(f.Store, rung)
	if err != nil {
		f.Fatal(err)
	}
	switch state.Stage {
	case program.StageAnnounced:
		f.try(&program.MsgOpenRaise{Sender: organiser, Rung: rung})
	case program.StageRaising:
		if f.undecided(rung) {
			f.hold(rung)
		}
		f.fund(rung)
	case program.StageCompeting:
		if f.undecided(rung) {
			f.hold(rung)
		}
		f.compete(rung)
	case program.StageTraining:
		f.train(rung)
	case program.StageSelecting:
		f.audit(rung)
	case program.StageSealing:
		f.try(enclave.seal(f.world, rung, 4))
	case program.StageServing, program.StageOpened:
		f.serve(rung)
	case program.StageRefunding:
		f.try(&funding.MsgRefund{Sender: f.who("holder"), Rung: rung})
	}
	f.blockEnds(rapid.IntRange(0, 2).Draw(f.T, "blocks"))
}

func (f *fate) fund(rung crescendo.RungID) {
	room, _ := funding.Room(f.Store, rung)
	amount := rapid.SampledFrom([]crescendo.Amount{room, room / 3, room + 1, 7}).Draw(f.T, "amount")
	f.try(&funding.MsgContribute{Sender: f.who("funder"), Rung: rung, Amount: amount})
	if rung == 2 {
		f.try(&revenue.MsgClaim{Sender: f.who("claimant"), Rung: 1, Reinvest: 2})
	}
	if rapid.IntRange(0, 9).Draw(f.T, "wait") == 0 {
		f.blockEnds(25)
	}
}

func (f *fate) compete(rung crescendo.RungID) {
	recipe := name("recipe", rung)
	f.try(&research.MsgRegister{Sender: "rita", Rung: rung, Recipe: recipe})
	f.try(&research.MsgAdopt{Sender: organiser, Rung: rung, Recipe: recipe})
	for _, a := range f.some(people[1:8]) {
		f.try(&training.MsgJoin{Sender: a, Rung: rung})
	}
	f.try(&training.MsgStart{Sender: organiser, Rung: rung, Corpus: name("corpus"), Root: name("root"), Base: name("base", rung), Error: name("error", rung)})
}

func (f *fate) train(rung crescendo.RungID) {
	run := f.run(rung)
	panel, _ := evaluation.Panels.Get(f.Store, uint32(rung), uint32(run.Round))
	switch run.Phase {
	case training.Waiting:
		f.try(&training.MsgJoin{Sender: f.who("joiner"), Rung: rung})
		f.try(&evaluation.MsgRegister{Sender: f.who("evaluator")})
	case training.Working:
		for _, a := range f.some(people[1:8]) {
			if ok, _ := training.Works.Has(f.Store, uint32(rung), uint32(run.Round), string(a)); !ok {
				f.try(f.commit(rung, a))
			}
		}
		f.coming(rung)
	case training.Revealing:
		for _, a := range f.some(people[1:8]) {
			r := f.reveals[a]
			r.Sender, r.Rung, r.Round = a, rung, run.Round
			f.try(&r)
		}
		for _, e := range f.some(panel.Members) {
			f.attest(rung, e)
		}
	case training.Voting:
		for _, e := range f.some(panel.Members) {
			v := f.vote(rung, map[crescendo.Account]int64{"eve": -5, "ada": rapid.Int64Range(-90_000, 90_000).Draw(f.T, "gain")})
			if rapid.IntRange(0, 7).Draw(f.T, "wrong") == 0 {
				v.Update = name("wrong")
			}
			f.try(f.commitVote(rung, e, v))
		}
	case training.Unveiling:
		for _, e := range f.some(panel.Members) {
			m := f.votes[e]
			f.try(&m)
		}
	}
	f.audit(rung)
}

func (f *fate) coming(rung crescendo.RungID) {
	switch rapid.IntRange(0, 5).Draw(f.T, "coming and going") {
	case 0:
		f.try(&training.MsgLeave{Sender: f.who("leaver"), Rung: rung})
	case 1:
		f.try(&training.MsgJoin{Sender: f.who("joiner"), Rung: rung})
	}
}

func (f *fate) attest(rung crescendo.RungID, by crescendo.Account) {
	round := f.run(rung).Round
	works, _ := training.Works.List(f.Store, nil, 100, uint32(rung), uint32(round))
	var held []crescendo.Account
	for _, w := range works {
		if w.Value.Revealed && !slices.Contains(w.Value.Holders, by) {
			held = append(held, training.Account(w.Rest))
		}
	}
	f.try(&training.MsgAttest{Sender: by, Rung: rung, Round: round, Attempt: f.run(rung).Attempt, Trainers: held})
}

func (f *fate) audit(rung crescendo.RungID) {
	for _, x := range f.windows(rung) {
		panel, _ := evaluation.Panels.Get(f.Store, uint32(rung), uint32(x.round))
		for _, e := range f.some(panel.Members) {
			guilty := x.trainer == rider || x.trainer == "fay"
			lies := rapid.IntRange(0, 7).Draw(f.T, "lies") == 0
			f.try(f.report(rung, e, x, guilty == lies))
		}
	}
}

func (f *fate) serve(rung crescendo.RungID) {
	switch rapid.IntRange(0, 6).Draw(f.T, "service") {
	case 0:
		f.try(&inference.MsgOpen{Sender: f.who("client"), Rung: rung, Vault: enclave.id(),
			Escrow: crescendo.Amount(rapid.IntRange(1, 900_000).Draw(f.T, "escrow")), Key: enclave.public()})
	case 1, 2:
		c, _ := inference.Counters.Get(f.Store)
		id := rapid.Uint64Range(1, max(1, c.Next)).Draw(f.T, "session")
		tokens := rapid.Uint64Range(0, 400).Draw(f.T, "tokens")
		f.try(&inference.MsgSettle{Sender: rapid.SampledFrom([]crescendo.Account{"olu", "carl"}).Draw(f.T, "settler"), Final: rapid.Bool().Draw(f.T, "final"),
			Receipts: []inference.SignedReceipt{enclave.receipt(f.world, id, 0, tokens, crescendo.Amount(2000*tokens))}})
	case 3:
		c, _ := inference.Counters.Get(f.Store)
		f.try(&inference.MsgClose{Sender: f.who("closer"), Session: c.Next})
	case 4, 5:
		f.try(&revenue.MsgClaim{Sender: f.who("claimant"), Rung: rung})
	case 6:
		f.try(&sealing.MsgPublishKey{Sender: f.who("publisher"), Rung: rung, Key: rungKey(rung)})
	}
}

// garbage is any message at all, filled with what might matter.
func (f *fate) garbage() crescendo.Message {
	m := rapid.SampledFrom(program.Messages()).Draw(f.T, "message")
	f.fill(reflect.ValueOf(m).Elem(), 0)
	return m
}

func (f *fate) fill(v reflect.Value, depth int) {
	switch {
	case v.Type() == reflect.TypeFor[crescendo.Account]():
		v.SetString(string(rapid.SampledFrom(append([]crescendo.Account{"", "@funding/1", "@treasury", "\x00", "ada\x00"}, people...)).Draw(f.T, "account")))
	case v.Type() == reflect.TypeFor[crescendo.Hash]():
		run := f.run(1)
		v.Set(reflect.ValueOf(rapid.SampledFrom([]crescendo.Hash{{}, run.Base, run.Final, enclave.id(), name("recipe", 1), name("x")}).Draw(f.T, "hash")))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), depth+1)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(f.T, "bytes"))
	case v.Kind() == reflect.Slice:
		n := rapid.IntRange(0, 2).Draw(f.T, "length")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(v.Index(i), depth+1)
		}
	case v.Kind() == reflect.Bool:
		v.SetBool(rapid.Bool().Draw(f.T, "flag"))
	case v.Kind() == reflect.String:
		v.SetString(rapid.StringN(0, 8, 80).Draw(f.T, "text"))
	case v.CanUint():
		n := rapid.SampledFrom([]uint64{0, 1, 2, 3, 1000, 1 << 31, 1<<63 - 1, 1<<64 - 1}).Draw(f.T, "number")
		if v.OverflowUint(n) {
			n = 1<<v.Type().Bits() - 1
		}
		v.SetUint(n)
	case v.CanInt():
		v.SetInt(rapid.SampledFrom([]int64{0, 1, -1, 1 << 40, -1 << 63, 1<<63 - 1}).Draw(f.T, "integer"))
	default:
		panic(fmt.Sprintf("cannot fill %s", v.Type()))
	}
}

// replay plays the log in a fresh world: equal messages leave equal bytes. On
// the way, every message survives its encoding.
func (f *fate) replay(spec program.Spec) {
	again, err := newWorld(spec)
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range f.log {
		if m == nil {
			again.block()
			continue
		}
		decoded, err := program.Decode(m.TypeURL(), canon.Encode(m))
		if err == nil {
			m = decoded
		}
		again.send(m)
	}
	var a, b bytes.Buffer
	dump(&a, f.Store)
	dump(&b, again.Store)
	if !bytes.Equal(a.Bytes(), b.Bytes()) || f.Bank.String() != again.Bank.String() {
		f.Fatal("the same messages left two states")
	}
}

// dump writes a whole store.
func dump(b *bytes.Buffer, s kv.Reader) {
	pairs, err := s.Range(nil, nil, 1<<20)
	if err != nil {
		panic(err)
	}
	for _, p := range pairs {
		fmt.Fprintf(b, "%x=%x\n", p.Key, p.Value)
	}
}
