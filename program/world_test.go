package program_test

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

const organiser crescendo.Account = "olga"

// world is a ledger in a test: rules, a bank, and blocks made by hand.
type world struct {
	*transcript.World
	rules   program.Rules
	genesis crescendo.Amount
	reveals map[crescendo.Account]training.MsgReveal // of the open round
	votes   map[crescendo.Account]evaluation.MsgRevealVote
}

// people that tests speak of, with what they own at genesis.
var people = []crescendo.Account{organiser, "ada", "bob", "cyd", "dan", "eve", "fay", "gus",
	"val", "wes", "xia", "fred", "gina", "hugo", "kim", "olu", "carl", "rita"}

func newWorld(spec program.Spec) (*world, error) {
	balances := map[crescendo.Account]crescendo.Amount{}
	for _, p := range people {
		balances[p] = 1_000_000
	}
	base, err := transcript.New(balances)
	if err != nil {
		return nil, err
	}
	w := &world{World: base, rules: program.Rules{Appraise: appraise}, genesis: base.Bank.Supply(),
		reveals: map[crescendo.Account]training.MsgReveal{}, votes: map[crescendo.Account]evaluation.MsgRevealVote{}}
	w.Env.Beacon = beacon(w.Env.Height)
	return w, program.Genesis(w.Store, spec)
}

func beacon(h crescendo.Height) crescendo.Hash { return digest.Sum("test/beacon", fmt.Append(nil, h)) }

// appraise takes evidence of the form "measurement" + binding.
func appraise(evidence, binding []byte, simulated bool, chainID string, now int64) (sealing.Appraisal, error) {
	n := len(evidence) - len(binding)
	if n <= 0 || string(evidence[n:]) != string(binding) || !simulated {
		return sealing.Appraisal{}, fmt.Errorf("not bound to these keys")
	}
	return sealing.Appraisal{Kind: "sim", Assurance: "simulated", Measurement: evidence[:n], Trust: sealing.Trust{Kind: sealing.TrustKey}}, nil
}

// watch, if set, sees every message before it is sent.
var watch func(*world, crescendo.Message)

// send applies one message.
func (w *world) send(m crescendo.Message) (crescendo.Outcome, error) {
	if watch != nil {
		watch(w, m)
	}
	return w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return w.rules.Apply(env, s, m) })
}

// block ends the block and begins the next.
func (w *world) block() (crescendo.Outcome, error) {
	out, err := w.Do(w.rules.EndBlock)
	w.Env.Height++
	w.Env.Beacon = beacon(w.Env.Height)
	return out, err
}

func (w *world) run(rung crescendo.RungID) training.Run {
	run, err := training.Runs.Get(w.Store, uint32(rung))
	if err != nil {
		return training.Run{}
	}
	return run
}

func (w *world) member(rung crescendo.RungID, who crescendo.Account) training.Member {
	m, err := training.Members.Get(w.Store, uint32(rung), string(who))
	if err != nil {
		panic(fmt.Sprintf("%s in rung %d: %v", who, rung, err))
	}
	return m
}

func name(parts ...any) crescendo.Hash { return digest.Sum("test/name", fmt.Append(nil, parts...)) }

// commit prepares a trainer's reveal of the open round and commits to it.
func (w *world) commit(rung crescendo.RungID, who crescendo.Account) *training.MsgCommit {
	run := w.run(rung)
	spec, _ := program.Planned(w.Store, rung)
	var state crescendo.Hash
	if m, err := training.Members.Get(w.Store, uint32(rung), string(who)); err == nil {
		state = m.State
	}
	r := training.MsgReveal{Sender: who, Rung: rung, Round: run.Round, Salt: name("salt", who, run.Round), Base: run.Base,
		Payload: name("payload", who, run.Round, run.Attempt), Size: 100, Start: state,
		End: name("end", who, run.Round, run.Attempt), Tokens: spec.Rungs[rung-1].RoundTokens()}
	if !state.IsZero() {
		r.Eager = spec.Rungs[rung-1].Training.Eager
	}
	w.reveals[who] = r
	return &training.MsgCommit{Sender: who, Rung: rung, Round: run.Round, Attempt: run.Attempt, Commitment: training.Commitment(w.Env.ChainID, rung, run.Round, who, r)}
}

// before is the held-out loss of a round's base per target, in micro-nats.
func before(round crescendo.Round) int64 { return 8_000_000 - int64(round)*100_000 }

const targets = 1000

// vote is what an honest evaluator finds. Gains say by how much each payload
// lowers the loss per target; without an entry, by 50,000 and a bit by name.
func (w *world) vote(rung crescendo.RungID, gains map[crescendo.Account]int64) evaluation.Vote {
	run := w.run(rung)
	v := evaluation.Vote{Before: crescendo.MicroNats(before(run.Round) * targets), Targets: targets,
		Update: name("update", rung, run.Round), Checkpoint: name("checkpoint", rung, run.Round), Error: name("error", rung, run.Round)}
	payloads, _ := training.Payloads(w.Store, rung)
	for _, p := range payloads {
		gain, ok := gains[p]
		if !ok {
			gain = 50_000 + int64(p[0]) + 1000*int64(run.Round%2)
		}
		v.Scores = append(v.Scores, evaluation.Score{Trainer: p, After: crescendo.MicroNats((before(run.Round) - gain) * targets)})
	}
	evaluation.MarkIncluded(&v)
	return v
}

func (w *world) commitVote(rung crescendo.RungID, who crescendo.Account, v evaluation.Vote) *evaluation.MsgCommitVote {
	round := w.run(rung).Round
	m := evaluation.MsgRevealVote{Sender: who, Rung: rung, Round: round, Salt: name("salt", who, round), Vote: v}
	w.votes[who] = m
	return &evaluation.MsgCommitVote{Sender: who, Rung: rung, Round: round, Attempt: w.run(rung).Attempt,
		Commitment: evaluation.VoteCommitment(w.Env.ChainID, rung, round, who, m.Salt, v)}
}

// window is a drawn window that waits for its replay.
type window struct {
	trainer crescendo.Account
	round   crescendo.Round
}

func (w *world) windows(rung crescendo.RungID) []window {
	all, err := training.Windows.List(w.Store, nil, kv.MaxPage, uint32(rung))
	if err != nil {
		panic(err)
	}
	var out []window
	for _, e := range all {
		trainer, round, _ := training.WindowKey(e.Rest)
		out = append(out, window{trainer, round})
	}
	return out
}

// report is an evaluator's replay of a window, equal to what was revealed or
// not.
func (w *world) report(rung crescendo.RungID, by crescendo.Account, x window, match bool) *evaluation.MsgReplay {
	work, err := training.Works.Get(w.Store, uint32(rung), uint32(x.round), string(x.trainer))
	if err != nil {
		return &evaluation.MsgReplay{Sender: by, Rung: rung, Round: x.round, Attempt: 1, Trainer: x.trainer}
	}
	m := &evaluation.MsgReplay{Sender: by, Rung: rung, Round: x.round, Attempt: work.Attempt, Trainer: x.trainer, End: work.End, Payload: work.Payload}
	if !match {
		m.End = name("other end", x.trainer, x.round)
	}
	return m
}

func (w *world) designated(rung crescendo.RungID, x window) crescendo.Account {
	work, _ := training.Works.Get(w.Store, uint32(rung), uint32(x.round), string(x.trainer))
	panel, _ := evaluation.Panels.Get(w.Store, uint32(rung), uint32(x.round))
	return evaluation.Designated(work.Draw, x.trainer, panel.Members)
}

// vault is an enclave with its keys.
type vault struct {
	operator crescendo.Account
	sign     ed25519.PrivateKey
	sealKey  []byte
}

func newVault(operator crescendo.Account, seed byte) vault {
	return vault{operator, ed25519.NewKeyFromSeed(slices.Repeat([]byte{seed}, 32)), slices.Repeat([]byte{seed}, 40)}
}

func (v vault) id() crescendo.Hash { return sealing.VaultID(v.public(), v.sealKey) }
func (v vault) public() []byte     { return v.sign.Public().(ed25519.PublicKey) }

func (v vault) register(w *world, measurement string) *sealing.MsgRegisterVault {
	binding := sealing.EvidenceBinding(w.Env.ChainID, v.operator, v.public(), v.sealKey, crescendo.Hash{})
	return &sealing.MsgRegisterVault{Sender: v.operator, Evidence: append([]byte(measurement), binding...), SignKey: v.public(), SealKey: v.sealKey}
}

func rungKey(rung crescendo.RungID) []byte { return slices.Repeat([]byte{byte(rung)}, sealing.KeySize) }

func (v vault) seal(w *world, rung crescendo.RungID, steps uint32) *sealing.MsgSeal {
	m := &sealing.MsgSeal{Sender: v.operator, Rung: rung, Vault: v.id(), Version: 1, Base: w.run(rung).Final,
		Container: name("container", rung), Manifest: name("manifest", rung), KeyCheck: sealing.KeyCheck(rungKey(rung)),
		Steps: steps, Loss: 3_000_000, Shares: []sealing.Share{{Keeper: "kim", Sealed: []byte("share")}}}
	v.resign(w, m)
	return m
}

func (v vault) resign(w *world, m *sealing.MsgSeal) {
	d := sealing.SealDigest(w.Env.ChainID, *m)
	m.Signature = ed25519.Sign(v.sign, d[:])
}

// receipt continues a session by one request.
func (v vault) receipt(w *world, session, input, output uint64, charged crescendo.Amount) inference.SignedReceipt {
	s, _ := inference.Sessions.Get(w.Store, session)
	r := inference.Receipt{Chain: w.Env.ChainID, Session: session, Sequence: s.Sequence + 1, Previous: s.Last,
		Requests: s.Requests + 1, Input: s.Input + input, Output: s.Output + output, Charged: s.Settled + charged}
	d := inference.Digest(r)
	return inference.SignedReceipt{Receipt: r, Signature: ed25519.Sign(v.sign, d[:])}
}
