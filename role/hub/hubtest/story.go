package hubtest

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// Story plays a programme on a Chain. Its people sign with keys made from
// their names.
type Story struct {
	*Chain
	people  map[crescendo.Account]*Signer
	reveals map[crescendo.Account]training.MsgReveal
	vault   ed25519.PrivateKey
}

// ChainID is the chain that stories are told on.
const ChainID = "crescendo-dev-hubtest"

// The people of a story.
var (
	Funders    = []string{"fred", "gina", "hugo"}
	Trainers   = []string{"ada", "bob", "cyd", "rex"} // rex is caught
	Evaluators = []string{"val", "wes"}
	others     = []string{"olga", "olu", "kim", "carl"} // organiser, vault operator, keeper, client
)

// Account is somebody's account.
func Account(name string) crescendo.Account { return NewSigner(name).Account() }

// Spec is a programme of two small rungs.
func Spec() program.Spec {
	rung := program.Rung{
		Name: "tiny", Model: program.Model{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Context: 8, Tied: true},
		Raise: program.Raise{SoftCap: 10_000, HardCap: 100_000, Blocks: 50},
		Training: program.Training{Rounds: 3, Steps: 2, Sequences: 2, Eager: 1, MinTrainers: 3, Seats: 8, Keep: 3, Codec: "q2", Probation: 3, AuditPerMille: 500,
			Bond: 1_000, CommitBlocks: 20, RevealBlocks: 20, VoteBlocks: 20, TrainersBP: 6_000, EvaluatorsBP: 1_000, OperatorBP: 1_000,
			Optimizer: program.Optimizer{Kind: "muon", LRMillionths: 24_000, MatrixLRMillionths: 20_000}},
		Sealing:   program.Sealing{Policy: program.SealedUntilRepaid, FinalSteps: 4},
		Inference: program.Inference{InputPrice: 1_000_000, OutputPrice: 2_000_000, GraceBlocks: 5},
		Revenue:   program.Revenue{OperatorsBP: 1_000, HoldersBP: 5_000, HoldersCapBP: 12_000, ContributorsBP: 3_000, RoyaltyBP: 1_000},
	}
	second := rung
	second.Name, second.Model.Dim, second.Raise.HardCap = "small", 32, 150_000
	second.Inference.Weights = inference.WeightsQ8
	return program.Spec{Name: "story", Denom: "udemo", Organiser: Account("olga"), Simulated: true,
		Corpus:     program.Corpus{Source: "go", Vocabulary: 512, HeldOutPerMille: 40},
		Evaluation: program.Evaluation{MinEvaluators: 2, Bond: 10_000, Sequences: 4}, Rungs: []program.Rung{rung, second}}
}

// Rules take evidence of the form "measurement" + binding.
func Rules() program.Rules {
	return program.Rules{Appraise: func(evidence, binding []byte, simulated bool, _ string, _ int64) (sealing.Appraisal, error) {
		n := len(evidence) - len(binding)
		if n <= 0 || string(evidence[n:]) != string(binding) || !simulated {
			return sealing.Appraisal{}, errors.New("not bound to these keys")
		}
		return sealing.Appraisal{Kind: "sim", Assurance: "simulated: the operator can read everything", Measurement: evidence[:n], Trust: sealing.Trust{Kind: sealing.TrustKey}}, nil
	}}
}

// NewStory begins a story: a genesis, and no block yet.
func NewStory() (*Story, error) { return newStory(Spec()) }

func newStory(spec program.Spec) (*Story, error) {
	s := &Story{people: map[crescendo.Account]*Signer{}, reveals: map[crescendo.Account]training.MsgReveal{}, vault: ed25519.NewKeyFromSeed(slices.Repeat([]byte{7}, 32))}
	var accounts []crescendo.Account
	for _, group := range [][]string{Funders, Trainers, Evaluators, others} {
		for _, name := range group {
			signer := NewSigner(name)
			s.people[signer.Account()] = signer
			accounts = append(accounts, signer.Account())
		}
	}
	slices.Sort(accounts)
	var err error
	s.Chain, err = NewChain(ChainID, spec, Rules(), accounts, 1_000_000)
	return s, err
}

// Say sends messages, each as a transaction, and closes the block.
func (s *Story) Say(msgs ...crescendo.Message) error {
	for _, m := range msgs {
		if err := s.Do(s.people[m.From()], m); err != nil {
			return fmt.Errorf("%T by %s in block %d: %w", m, m.From(), s.Env().Height, err)
		}
	}
	return s.Close()
}

// Raise sells a rung out to the funders.
func (s *Story) Raise(rung crescendo.RungID) error {
	if err := s.Say(&program.MsgOpenRaise{Sender: Account("olga"), Rung: rung}); err != nil {
		return err
	}
	return s.fill(rung)
}

// Begin adopts a recipe, seats everybody and starts training.
func (s *Story) Begin(rung crescendo.RungID) error {
	var msgs []crescendo.Message
	for _, name := range Evaluators {
		msgs = append(msgs, &evaluation.MsgRegister{Sender: Account(name), Name: name})
	}
	for _, name := range Trainers {
		msgs = append(msgs, &training.MsgJoin{Sender: Account(name), Rung: rung, Name: name})
	}
	if err := s.Say(msgs...); err != nil {
		return err
	}
	recipe := made("recipe", rung)
	if err := s.Say(&research.MsgRegister{Sender: Account("olga"), Rung: rung, Recipe: recipe}); err != nil {
		return err
	}
	if err := s.Say(&research.MsgAdopt{Sender: Account("olga"), Rung: rung, Recipe: recipe}); err != nil {
		return err
	}
	return s.Say(&training.MsgStart{Sender: Account("olga"), Rung: rung, Corpus: made("corpus"), Root: made("root"), Base: made("base", rung), Error: made("error", rung)})
}

func made(parts ...any) crescendo.Hash { return digest.Sum("hubtest/made", fmt.Append(nil, parts...)) }

func (s *Story) run(rung crescendo.RungID) training.Run {
	run, _ := training.Runs.Get(s.Store, uint32(rung))
	return run
}

// seated are the trainers in good standing.
func (s *Story) seated(rung crescendo.RungID) []crescendo.Account {
	var out []crescendo.Account
	for _, name := range Trainers {
		m, err := training.Members.Get(s.Store, uint32(rung), string(Account(name)))
		if err == nil && m.Fault == "" && !m.Left {
			out = append(out, Account(name))
		}
	}
	return out
}

// Commit has all trainers commit to their work of the open round.
func (s *Story) Commit(rung crescendo.RungID) error {
	run := s.run(rung)
	var msgs []crescendo.Message
	for _, who := range s.seated(rung) {
		m, _ := training.Members.Get(s.Store, uint32(rung), string(who))
		r := training.MsgReveal{Sender: who, Rung: rung, Round: run.Round, Salt: made("salt", who, run.Round), Base: run.Base, Payload: made("payload", who, run.Round),
			Size: 1000, Start: m.State, End: made("end", who, run.Round), Tokens: Spec().Rungs[rung-1].RoundTokens()}
		if !m.State.IsZero() {
			r.Eager = Spec().Rungs[rung-1].Training.Eager
		}
		s.reveals[who] = r
		msgs = append(msgs, &training.MsgCommit{Sender: who, Rung: rung, Round: run.Round, Attempt: run.Attempt, Commitment: training.Commitment(s.ID, rung, run.Round, who, r)})
	}
	return s.Say(msgs...)
}

// Round plays a whole round; cheat names a trainer whose replay differs.
func (s *Story) Round(rung crescendo.RungID, cheat string) error {
	if err := s.Commit(rung); err != nil {
		return err
	}
	round := s.run(rung).Round
	var msgs []crescendo.Message
	trainers := s.seated(rung)
	for _, who := range trainers {
		r := s.reveals[who]
		msgs = append(msgs, &r)
	}
	if err := s.Say(msgs...); err != nil {
		return err
	}
	msgs = nil
	for _, name := range Evaluators {
		msgs = append(msgs, &training.MsgAttest{Sender: Account(name), Rung: rung, Round: round, Attempt: s.run(rung).Attempt, Trainers: trainers})
	}
	if err := s.Say(msgs...); err != nil {
		return err
	}
	if err := s.vote(rung); err != nil {
		return err
	}
	return s.replay(rung, cheat)
}

// vote has both evaluators find the same.
func (s *Story) vote(rung crescendo.RungID) error {
	const targets = 1000
	run := s.run(rung)
	before := 8_000_000 - int64(run.Round)*100_000
	v := evaluation.Vote{Before: crescendo.MicroNats(before * targets), Targets: targets, Update: made("update", rung, run.Round),
		Checkpoint: made("checkpoint", rung, run.Round), Error: made("error", rung, run.Round)}
	payloads, err := training.Payloads(s.Store, rung)
	if err != nil {
		return err
	}
	for i, p := range payloads {
		v.Scores = append(v.Scores, evaluation.Score{Trainer: p, After: crescendo.MicroNats((before - 50_000 - int64(1000*i)) * targets)})
	}
	evaluation.MarkIncluded(&v)
	var commits, reveals []crescendo.Message
	for _, name := range Evaluators {
		who := Account(name)
		m := &evaluation.MsgRevealVote{Sender: who, Rung: rung, Round: run.Round, Salt: made("vote", who, run.Round), Vote: v}
		reveals = append(reveals, m)
		commits = append(commits, &evaluation.MsgCommitVote{Sender: who, Rung: rung, Round: run.Round, Attempt: run.Attempt,
			Commitment: evaluation.VoteCommitment(s.ID, rung, run.Round, who, m.Salt, v)})
	}
	if err := s.Say(commits...); err != nil {
		return err
	}
	return s.Say(reveals...)
}

// replay has evaluators replay the windows that are open.
func (s *Story) replay(rung crescendo.RungID, cheat string) error {
	windows, err := training.Windows.List(s.Store, nil, kv.MaxPage, uint32(rung))
	if err != nil {
		return err
	}
	for _, e := range windows {
		trainer, round, _ := training.WindowKey(e.Rest)
		work, err := training.Works.Get(s.Store, uint32(rung), uint32(round), string(trainer))
		if err != nil {
			return err
		}
		end := work.End
		if cheat != "" && trainer == Account(cheat) {
			end = made("other end", round)
		}
		for _, name := range Evaluators {
			if open, err := training.Windows.Has(s.Store, uint32(rung), string(trainer), uint32(round)); err != nil || !open {
				continue
			}
			m := &evaluation.MsgReplay{Sender: Account(name), Rung: rung, Round: round, Attempt: work.Attempt, Trainer: trainer, End: end, Payload: work.Payload}
			if err := s.Do(s.people[m.Sender], m); err != nil && crescendo.CodeOf(err) != crescendo.CodeWrongTime { // another evaluator's window
				return fmt.Errorf("replay of round %d of %s: %w", round, trainer, err)
			}
		}
	}
	return s.Close()
}

// Serve seals a rung, sells answers from it and pays a claim.
func (s *Story) Serve(rung crescendo.RungID) error {
	public, sealKey := s.vault.Public().(ed25519.PublicKey), slices.Repeat([]byte{7}, 40)
	operator, id := Account("olu"), sealing.VaultID(s.vault.Public().(ed25519.PublicKey), sealKey)
	binding := sealing.EvidenceBinding(s.ID, operator, public, sealKey, crescendo.Hash{})
	if err := s.Say(&sealing.MsgAllow{Sender: Account("olga"), Measurement: []byte("vault one")}, &sealing.MsgRegisterKeeper{Sender: Account("olga"), Keeper: Account("kim")}); err != nil {
		return err
	}
	if err := s.Say(&sealing.MsgRegisterVault{Sender: operator, Evidence: append([]byte("vault one"), binding...), SignKey: public, SealKey: sealKey},
		&sealing.MsgRegisterKeeper{Sender: Account("kim"), SealKey: []byte("kim's key")}); err != nil {
		return err
	}
	m := &sealing.MsgSeal{Sender: operator, Rung: rung, Vault: id, Version: 1, Base: s.run(rung).Final, Container: made("container", rung), Manifest: made("manifest", rung),
		KeyCheck: sealing.KeyCheck(slices.Repeat([]byte{byte(rung)}, sealing.KeySize)), Steps: Spec().Rungs[rung-1].Sealing.FinalSteps, Loss: 3_000_000,
		Shares: []sealing.Share{{Keeper: Account("kim"), Sealed: []byte("share")}}}
	d := sealing.SealDigest(s.ID, *m)
	m.Signature = ed25519.Sign(s.vault, d[:])
	if err := s.Say(m); err != nil {
		return err
	}
	if err := s.Say(&inference.MsgOpen{Sender: Account("carl"), Rung: rung, Vault: id, Key: public, Escrow: 60_000}); err != nil {
		return err
	}
	session, err := inference.Sessions.Get(s.Store, uint64(1))
	if err != nil {
		return err
	}
	r := inference.Receipt{Chain: s.ID, Session: 1, Sequence: session.Sequence + 1, Previous: session.Last, Requests: 1, Input: 10, Output: 10, Charged: 30_000}
	digest := inference.Digest(r)
	if err := s.Say(&inference.MsgSettle{Sender: operator, Receipts: []inference.SignedReceipt{{Receipt: r, Signature: ed25519.Sign(s.vault, digest[:])}}}); err != nil {
		return err
	}
	return s.Say(&revenue.MsgClaim{Sender: Account("fred"), Rung: rung}, &revenue.MsgClaim{Sender: Account("ada"), Rung: rung})
}

// Whole is a story from the first raise to the second: rex cheats in round 2
// and is expelled, the rest is served, paid and shared.
func Whole() (*Story, error) {
	s, err := NewStory()
	if err != nil {
		return nil, err
	}
	return s, errors.Join(err, s.whole())
}

func (s *Story) whole() error {
	for _, step := range []func() error{
		s.Close, func() error { return s.Raise(1) }, func() error { return s.Begin(1) },
		func() error { return s.Round(1, "") }, func() error { return s.Round(1, "rex") }, func() error { return s.Round(1, "") },
		func() error { return s.replay(1, "") }, func() error { return s.Serve(1) },
		func() error { return s.Say(&program.MsgOpenRaise{Sender: Account("olga"), Rung: 2}) },
		func() error { return s.Say(&funding.MsgContribute{Sender: Account("fred"), Rung: 2, Amount: 20_000}) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
