package program_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/transcript"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// Each file in testdata is a conversation with the whole programme: read them
// as its specification. After a change on purpose, run
// go test ./program -rewrite, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &stageplay{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return short(s.command(d))
		})
	})
}

var longHash = regexp.MustCompile(`\b([0-9a-f]{8})[0-9a-f]{56}\b`)

// short leaves eight digits of every hash.
func short(s string) string { return longHash.ReplaceAllString(s, "$1") }

// stageplay is a transcript's world.
type stageplay struct {
	t *testing.T
	*player
}

func (s *stageplay) command(d *datadriven.TestData) string {
	if d.Cmd == "programme" {
		s.player = newPlayer(s.t, s.spec(d))
		return "ok\n"
	}
	if d.Cmd == "first-rung" {
		s.first()
		return "ok\n"
	}
	if d.Cmd == "given" {
		return s.given(d)
	}
	if d.Cmd == "block" {
		return s.blocks(d)
	}
	if d.Cmd == "show" {
		return s.show(d)
	}
	if said, ok := s.competed(d); ok {
		return said
	}
	var out strings.Builder
	for _, who := range s.by(d) {
		m := s.message(d, who)
		if m == nil {
			d.Fatalf(s.t, "unknown command %q", d.Cmd)
		}
		o, err := s.send(m)
		out.WriteString(transcript.Format(o, err))
	}
	return out.String()
}

// message makes the message that a command stands for.
func (s *stageplay) message(d *datadriven.TestData, who crescendo.Account) crescendo.Message {
	rung := crescendo.RungID(number(d, "rung", 1))
	switch d.Cmd {
	case "open-raise":
		return &program.MsgOpenRaise{Sender: who, Rung: rung}
	case "contribute":
		return &funding.MsgContribute{Sender: who, Rung: rung, Amount: crescendo.Amount(number(d, "amount", 0))}
	case "refund":
		return &funding.MsgRefund{Sender: who, Rung: rung}
	case "register-recipe":
		return &research.MsgRegister{Sender: who, Rung: rung, Recipe: name("recipe", rung)}
	case "adopt":
		return &research.MsgAdopt{Sender: who, Rung: rung, Recipe: name("recipe", rung)}
	case "claim":
		return &revenue.MsgClaim{Sender: who, Rung: rung, Reinvest: crescendo.RungID(number(d, "reinvest", 0))}
	case "session":
		return &inference.MsgOpen{Sender: who, Rung: rung, Vault: enclave.id(), Escrow: crescendo.Amount(number(d, "escrow", 0)), Key: enclave.public()}
	case "settle":
		tokens := number(d, "tokens", 0)
		return &inference.MsgSettle{Sender: who, Final: d.HasArg("final"), Receipts: []inference.SignedReceipt{
			enclave.receipt(s.world, number(d, "session", 1), 0, tokens, crescendo.Amount(2000*tokens))}}
	}
	if m := governed(d, who, rung); m != nil {
		return m
	}
	if m := s.work(d, who, rung); m != nil {
		return m
	}
	return s.sealed(d, who, rung)
}

// work makes the messages of training and evaluation. With the argument late
// they were meant for the attempt before the open one.
func (s *stageplay) work(d *datadriven.TestData, who crescendo.Account, rung crescendo.RungID) crescendo.Message {
	m := s.workNow(d, who, rung)
	if !d.HasArg("late") {
		return m
	}
	switch m := m.(type) {
	case *training.MsgCommit:
		m.Attempt--
	case *training.MsgAttest:
		m.Attempt--
	case *evaluation.MsgCommitVote:
		m.Attempt--
	case *evaluation.MsgReplay:
		m.Attempt--
		m.End = name("end", m.Trainer, m.Round, m.Attempt)
	}
	return m
}

func (s *stageplay) workNow(d *datadriven.TestData, who crescendo.Account, rung crescendo.RungID) crescendo.Message {
	round := s.run(rung).Round
	switch d.Cmd {
	case "join":
		return &training.MsgJoin{Sender: who, Rung: rung, Name: string(who)}
	case "leave":
		return &training.MsgLeave{Sender: who, Rung: rung}
	case "start":
		m := &training.MsgStart{Sender: who, Rung: rung, Corpus: name(text(d, "corpus", "corpus")), Root: name("root"), Base: name("base", rung), Error: name("error", rung)}
		if d.HasArg("base") {
			m.Base = name(text(d, "base", ""))
		}
		return m
	case "commit":
		return s.commit(rung, who)
	case "reveal":
		r := s.reveals[who]
		r.Sender, r.Rung, r.Round = who, rung, round
		if d.HasArg("altered") {
			r.Payload = name("another payload")
		}
		return &r
	case "attest":
		return &training.MsgAttest{Sender: who, Rung: rung, Round: round, Attempt: s.run(rung).Attempt, Trainers: accounts(d, "for")}
	case "evaluator":
		return &evaluation.MsgRegister{Sender: who, Name: string(who)}
	case "vote":
		return s.commitVote(rung, who, s.verdict(d, rung))
	case "unveil":
		m := s.votes[who]
		m.Sender, m.Rung, m.Round = who, rung, round
		return &m
	case "replay":
		x := window{accounts(d, "of")[0], crescendo.Round(number(d, "round", uint64(round)))}
		return s.report(rung, s.role(rung, x, who), x, !d.HasArg("mismatch"))
	}
	return nil
}

// verdict is the vote of an honest evaluator, or of one that errs, with the
// gains that arguments of the form ada=50000 name.
func (s *stageplay) verdict(d *datadriven.TestData, rung crescendo.RungID) evaluation.Vote {
	gains := map[crescendo.Account]int64{}
	for _, a := range d.CmdArgs {
		if slices.Contains(people, crescendo.Account(a.Key)) && len(a.Vals) == 1 {
			gains[crescendo.Account(a.Key)], _ = strconv.ParseInt(a.Vals[0], 10, 64)
		}
	}
	v := s.vote(rung, gains)
	if d.HasArg("wrong") {
		v.Checkpoint = name("wrong")
	}
	for _, who := range accounts(d, "unsound") {
		for i := range v.Scores {
			if v.Scores[i].Trainer == who {
				v.Scores[i].After, v.Scores[i].Fault = 0, "not canonical"
			}
		}
		evaluation.MarkIncluded(&v)
	}
	return v
}

// role resolves "designated" and "other" to evaluators of a window.
func (s *stageplay) role(rung crescendo.RungID, x window, who crescendo.Account) crescendo.Account {
	switch who {
	case "designated":
		return s.designated(rung, x)
	case "other":
		panel, _ := evaluation.Panels.Get(s.Store, uint32(rung), uint32(x.round))
		for _, e := range panel.Members {
			if e != s.designated(rung, x) {
				return e
			}
		}
	}
	return who
}

func (s *stageplay) sealed(d *datadriven.TestData, who crescendo.Account, rung crescendo.RungID) crescendo.Message {
	switch d.Cmd {
	case "allow", "deny":
		return &sealing.MsgAllow{Sender: who, Measurement: []byte(text(d, "measurement", "good")), Deny: d.Cmd == "deny"}
	case "vault":
		v := enclave
		v.operator = who
		return v.register(s.world, text(d, "measurement", "good"))
	case "appoint":
		return &sealing.MsgRegisterKeeper{Sender: who, Keeper: accounts(d, "keeper")[0]}
	case "keeper":
		return &sealing.MsgRegisterKeeper{Sender: who, SealKey: []byte("a sealing key")}
	case "seal":
		m := enclave.seal(s.world, rung, uint32(number(d, "steps", 4)))
		m.Sender = who
		if d.HasArg("forged") {
			m.Loss--
		}
		return m
	case "request-key":
		return &sealing.MsgRequestKey{Sender: who, Rung: rung, Vault: enclave.id(), Nonce: name("nonce", number(d, "nonce", 1))}
	case "hand-over":
		return &sealing.MsgHandOver{Sender: who, Rung: rung, Vault: enclave.id(), Nonce: name("nonce", number(d, "nonce", 1)), Sealed: []byte("share")}
	case "publish":
		return &sealing.MsgPublishKey{Sender: who, Rung: rung, Key: rungKey(crescendo.RungID(number(d, "key", uint64(rung))))}
	}
	return nil
}

// spec is the test programme with the arguments' changes to rung 1.
func (s *stageplay) spec(d *datadriven.TestData) program.Spec {
	spec := testSpec()
	if d.HasArg("contested") {
		spec = contested()
	}
	if d.HasArg("seasoned") {
		spec = seasoned()
		if d.HasArg("narrow") {
			spec.Rungs[1].Model.Dim, spec.Rungs[1].Model.FFN = 16, 16
		}
	}
	if d.HasArg("imported") {
		spec = imported()
	}
	r := &spec.Rungs[0]
	fields := map[string]*uint32{"rounds": &r.Training.Rounds, "min-trainers": &r.Training.MinTrainers, "seats": &r.Training.Seats, "keep": &r.Training.Keep,
		"probation": &r.Training.Probation, "audit-per-mille": &r.Training.AuditPerMille, "min-evaluators": &spec.Evaluation.MinEvaluators, "tasks-bp": &r.Competition.TasksBP}
	for _, a := range d.CmdArgs {
		switch f, ok := fields[a.Key]; {
		case ok:
			*f = uint32(number(d, a.Key, 0))
		case a.Key == "contested", a.Key == "seasoned", a.Key == "narrow", a.Key == "imported":
		case a.Key == "policy":
			r.Sealing.Policy = a.Vals[0]
		case a.Key == "weights":
			r.Inference.Weights = a.Vals[0]
		case a.Key == "open-blocks":
			r.Sealing.OpenBlocks = number(d, a.Key, 0)
		default:
			d.Fatalf(s.t, "unknown setting %q", a.Key)
		}
	}
	return spec
}

// given plays, silently, everything up to a stage.
func (s *stageplay) given(d *datadriven.TestData) string {
	stages := map[string]program.Stage{"competing": program.StageCompeting, "training": program.StageTraining, "sealing": program.StageSealing, "serving": program.StageServing}
	to, ok := stages[text(d, "stage", "")]
	if !ok {
		d.Fatalf(s.t, "no stage given")
	}
	s.must(&sealing.MsgAllow{Sender: organiser, Measurement: []byte("good")}, enclave.register(s.world, "good"),
		&sealing.MsgRegisterKeeper{Sender: organiser, Keeper: "kim"}, &sealing.MsgRegisterKeeper{Sender: "kim", SealKey: []byte("kim's key")})
	for _, e := range accounts(d, "evaluators") {
		s.must(&evaluation.MsgRegister{Sender: e, Name: string(e)})
	}
	s.raise(1, "fred", "gina")
	if to == program.StageCompeting {
		return "ok\n"
	}
	s.start(1, accounts(d, "trainers")...)
	if to == program.StageTraining {
		return "ok\n"
	}
	s.train(1)
	if to == program.StageServing {
		s.must(enclave.seal(s.world, 1, 4))
		s.end()
	}
	return "ok\n"
}

func (s *stageplay) blocks(d *datadriven.TestData) string {
	var out strings.Builder
	for range number(d, "n", 1) {
		o, err := s.block()
		if err != nil || len(o.Events) > 0 {
			fmt.Fprintf(&out, "-- height %d\n%s", s.Env.Height-1, transcript.Format(o, err))
		}
	}
	if err := s.books(); err != nil {
		fmt.Fprintln(&out, "books:", err)
	}
	if out.Len() == 0 {
		return "ok\n"
	}
	return out.String()
}

func (s *stageplay) show(d *datadriven.TestData) string {
	rung := crescendo.RungID(number(d, "rung", 1))
	var out strings.Builder
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "member":
			for _, who := range a.Vals {
				m := s.member(rung, crescendo.Account(who))
				fmt.Fprintf(&out, "%s bond=%d escrow=%d paid=%d burned=%d rounds=%d missed=%d left=%t fault=%q\n",
					who, m.Bond, m.Escrow, m.Paid, m.Burned, m.Rounds, m.Missed, m.Left, m.Fault)
			}
		case "run":
			r := s.run(rung)
			fmt.Fprintf(&out, "round %d attempt %d %s, %d members, %d windows open\n", r.Round, r.Attempt, r.Phase, r.Seated, r.Open)
		case "rung":
		case "kept":
			st, _ := program.StateOf(s.Store, rung)
			fmt.Fprintf(&out, "kept %v dropped %v\n", st.Kept, st.Dropped)
		case "balance":
			for _, who := range a.Vals {
				fmt.Fprintf(&out, "%s %d\n", who, s.Bank.Balance(crescendo.Account(who)))
			}
		case "windows":
			for _, x := range s.windows(rung) {
				fmt.Fprintf(&out, "round %d of %s, for %s\n", x.round, x.trainer, s.designated(rung, x))
			}
		default:
			d.Fatalf(s.t, "nothing to show for %q", a.Key)
		}
	}
	return out.String()
}

// by lists who sends a command's messages; the organiser by default.
func (s *stageplay) by(d *datadriven.TestData) []crescendo.Account {
	if who := accounts(d, "by"); len(who) > 0 {
		return who
	}
	return []crescendo.Account{organiser}
}

func accounts(d *datadriven.TestData, key string) []crescendo.Account {
	var out []crescendo.Account
	for _, a := range d.CmdArgs {
		if a.Key == key {
			for _, v := range a.Vals {
				out = append(out, crescendo.Account(v))
			}
		}
	}
	return out
}

func text(d *datadriven.TestData, key, otherwise string) string {
	if who := accounts(d, key); len(who) > 0 {
		return string(who[0])
	}
	return otherwise
}

func number(d *datadriven.TestData, key string, otherwise uint64) uint64 {
	n, err := strconv.ParseUint(text(d, key, ""), 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}
