package evaluator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

// panel is an evaluator's part in judging one rung.
type panel struct {
	Config
	rung    crescendo.RungID
	plan    outer.Plan
	heldOut outer.Windows
	model   engine.Model // for scores; replays have their own
	gate    *gate        // closed to replays while scores are computed
	replays *replays

	base      vector
	error     vector
	payloads  map[crescendo.Hash][]byte // of the open round
	round     crescendo.Round           // that payloads are of
	heard     hearsay
	judged    crescendo.Hash // question that verdict answers
	verdict   outer.Verdict
	published crescendo.Hash // checkpoint of the verdict whose blobs are stored
}

// vector is a blob's contents with its name.
type vector struct {
	hash   crescendo.Hash
	values []float32
}

func newPanel(ctx context.Context, c Config, state ledger.State, rung crescendo.RungID, run training.Run) (*panel, error) {
	p := &panel{Config: c, rung: rung, gate: &gate{}, payloads: map[crescendo.Hash][]byte{}}
	spec, err := program.Planned(state, rung)
	if err != nil {
		return nil, err
	}
	if p.plan, err = outer.PlanOf(spec, rung); err != nil {
		return nil, err
	}
	reader, err := c.Corpus(ctx, run.Corpus)
	if err != nil {
		return nil, err
	}
	if m := reader.Manifest(); m.Root != run.Root || m.Vocab > p.plan.Shape.Vocab {
		return nil, fmt.Errorf("corpus %s: it is not the one the rung was started with", run.Corpus)
	}
	if err := outer.CheckCorpus(ctx, spec, rung, state, run.Corpus, c.Corpus); err != nil {
		return nil, err
	}
	if err := c.checkStart(ctx, state, spec, rung, run); err != nil {
		return nil, err
	}
	if p.heldOut, err = reader.HeldOut().WithContext(p.plan.Shape.Context); err != nil {
		return nil, err
	}
	train, err := p.plan.Text(ctx, reader)
	if err != nil {
		return nil, err
	}
	if p.model, err = c.Engine.New(p.plan.Shape); err != nil {
		return nil, err
	}
	p.replays, err = newReplays(ctx, c, rung, p.plan, gated{train, p.gate})
	return p, err
}

func (p *panel) close() { p.replays.close() }

// pending reports whether replays wait for a block to be looked at.
func (p *panel) pending() bool { return p.replays.moved() }

// act does what the phase of the open round asks for, then looks after replays.
func (p *panel) act(ctx context.Context, state ledger.State, run training.Run, b ledger.Block) error {
	phaseErr := p.phase(ctx, state, run)
	return errors.Join(phaseErr, p.replays.refresh(state, run, b))
}

func (p *panel) phase(ctx context.Context, state ledger.State, run training.Run) error {
	if run.Phase != training.Revealing && run.Phase != training.Voting && run.Phase != training.Unveiling {
		return nil
	}
	seats, err := optional(evaluation.Panels.Get(state, uint32(p.rung), uint32(run.Round)))
	if err != nil {
		return err
	}
	if !slices.Contains(seats.Members, p.Signer.Account()) {
		return nil
	}
	works, err := training.Works.List(state, nil, training.MaxMembers, uint32(p.rung), uint32(run.Round))
	if err != nil {
		return err
	}
	p.turnTo(run.Round)
	var list []trainerWork
	for _, w := range works {
		list = append(list, trainerWork{training.Account(w.Rest), w.Value})
	}
	switch run.Phase {
	case training.Revealing:
		return p.attest(ctx, run, list)
	case training.Voting:
		return p.vote(ctx, state, run, list)
	}
	return p.open(ctx, state, run, list)
}

// turnTo drops the payloads of another round.
func (p *panel) turnTo(round crescendo.Round) {
	if p.round != round {
		p.round = round
		clear(p.payloads)
	}
}

type trainerWork struct {
	trainer crescendo.Account
	work    training.Work
}

// payload fetches what a trainer has revealed.
func (p *panel) payload(ctx context.Context, w training.Work) ([]byte, error) {
	if data, ok := p.payloads[w.Payload]; ok {
		return data, nil
	}
	data, err := p.Blobs.Get(ctx, w.Payload, int64(w.Size))
	if err != nil {
		return nil, err
	}
	if uint64(len(data)) != w.Size {
		return nil, fmt.Errorf("payload %s has %d bytes, %d were announced", w.Payload.Short(), len(data), w.Size)
	}
	p.payloads[w.Payload] = data
	return data, nil
}

// attest says which payloads it holds, as far as it has not yet. It withholds
// its word where the start state is not in the store, so that no window is
// drawn that could not be replayed.
func (p *panel) attest(ctx context.Context, run training.Run, list []trainerWork) error {
	me := p.Signer.Account()
	m := &training.MsgAttest{Sender: me, Rung: p.rung, Round: run.Round, Attempt: run.Attempt}
	var missing error
	for _, t := range list {
		if !t.work.Revealed || slices.Contains(t.work.Holders, me) || len(m.Trainers) >= training.MaxAttested {
			continue
		}
		if _, err := p.payload(ctx, t.work); err != nil {
			missing = errors.Join(missing, fmt.Errorf("fetch payload of %s: %w", t.trainer, err))
			continue
		}
		if err := p.startsInStore(ctx, t.work); err != nil {
			missing = errors.Join(missing, fmt.Errorf("start state of %s: %w", t.trainer, err))
			continue
		}
		m.Trainers = append(m.Trainers, t.trainer)
	}
	if len(m.Trainers) > 0 {
		if _, err := p.Ledger.Submit(ctx, p.Signer, m); err != nil {
			return errors.Join(missing, err)
		}
	}
	return missing
}

func (p *panel) startsInStore(ctx context.Context, w training.Work) error {
	if w.Start.IsZero() {
		return nil
	}
	has, err := p.Blobs.Has(ctx, w.Start)
	if err == nil && !has {
		err = blob.ErrNotFound
	}
	return err
}

// vote judges the round and commits to the outcome.
func (p *panel) vote(ctx context.Context, state ledger.State, run training.Run, list []trainerWork) error {
	me := p.Signer.Account()
	done, err := evaluation.Ballots.Has(state, uint32(p.rung), uint32(run.Round), string(me))
	if err != nil || done {
		return err
	}
	return p.commit(ctx, questionOf(run, list))
}

// commit judges the round and binds the evaluator to the outcome.
func (p *panel) commit(ctx context.Context, q question) error {
	if err := p.judge(ctx, q); err != nil {
		return err
	}
	salt, err := p.salt(q)
	if err != nil {
		return err
	}
	me := p.Signer.Account()
	_, err = p.Ledger.Submit(ctx, p.Signer, &evaluation.MsgCommitVote{
		Sender: me, Rung: p.rung, Round: q.round, Attempt: q.attempt,
		Commitment: evaluation.VoteCommitment(p.Ledger.ChainID(), p.rung, q.round, me, salt, p.verdict.Vote),
	})
	if err != nil {
		return err
	}
	return p.publish(ctx)
}

// open opens the vote that it has committed to, once its blobs are stored.
func (p *panel) open(ctx context.Context, state ledger.State, run training.Run, list []trainerWork) error {
	me := p.Signer.Account()
	ballot, err := optional(evaluation.Ballots.Get(state, uint32(p.rung), uint32(run.Round), string(me)))
	if err != nil || ballot.Commitment.IsZero() || ballot.Opened {
		return err
	}
	q := questionOf(run, list)
	if err := p.judge(ctx, q); err != nil { // again, after a restart
		return err
	}
	salt, err := p.salt(q)
	if err != nil {
		return err
	}
	if err := p.publish(ctx); err != nil {
		return err
	}
	_, err = p.Ledger.Submit(ctx, p.Signer, &evaluation.MsgRevealVote{Sender: me, Rung: p.rung, Round: run.Round, Salt: salt, Vote: p.verdict.Vote})
	return err
}

// salt hides a vote until it is opened. It follows from the key, so that a
// restarted evaluator can open what it has committed to. The document cannot
// be mistaken for a transaction: no protocol buffer begins with a "c".
func (p *panel) salt(q question) (crescendo.Hash, error) {
	name := digest.Sum("crescendo/evaluator/salt/v1", []byte(p.Ledger.ChainID()), q.seed[:], q.draw[:])
	signature, err := p.Signer.Sign([]byte("crescendo/evaluator/salt/v1/" + name.String()))
	if err != nil {
		return crescendo.Hash{}, fmt.Errorf("derive salt: %w", err)
	}
	return digest.Sum("crescendo/evaluator/salt/v1", signature), nil
}

// question is what a verdict depends on.
type question struct {
	round           crescendo.Round
	attempt         uint32
	base, aggregate crescendo.Hash // checkpoint and aggregator's error
	seed, draw      crescendo.Hash
	works           []trainerWork // available, in account order
}

func questionOf(run training.Run, list []trainerWork) question {
	q := question{round: run.Round, attempt: run.Attempt, base: run.Base, aggregate: run.Error, seed: run.Seed, draw: run.Draw}
	for _, t := range list {
		if t.work.Available {
			q.works = append(q.works, t)
		}
	}
	return q
}

func (q question) digest() crescendo.Hash {
	parts := [][]byte{q.base[:], q.aggregate[:], q.seed[:], q.draw[:]}
	for _, t := range q.works {
		parts = append(parts, []byte(t.trainer), t.work.Payload[:])
	}
	return digest.Sum("crescendo/evaluator/question/v1", parts...)
}

// judge computes the verdict on a question, unless it has it.
func (p *panel) judge(ctx context.Context, q question) error {
	name := q.digest()
	if p.judged == name {
		return nil
	}
	began := time.Now()
	if err := p.fetchBase(ctx, q); err != nil {
		return err
	}
	ballot := outer.Ballot{Round: q.round, Base: p.base.values, Error: p.error.values, Draw: q.draw, HeldOut: p.heldOut}
	for _, t := range q.works {
		data, err := p.payload(ctx, t.work)
		if err != nil {
			return fmt.Errorf("fetch payload of %s: %w", t.trainer, err)
		}
		ballot.Submissions = append(ballot.Submissions, outer.Submission{Trainer: t.trainer, Payload: data})
	}
	p.gate.close()
	defer p.gate.open()
	verdict, err := outer.Judge(ctx, p.model, p.plan, ballot, blob.Sum)
	if err != nil {
		return err
	}
	p.verdict, p.judged = verdict, name
	v := verdict.Vote
	p.Log.Info("round judged", "rung", p.rung, "round", q.round, "payloads", len(v.Scores),
		"loss", float64(v.Before)/1e6/float64(v.Targets), "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// fetchBase gets hold of base and aggregator's error: from its own last
// verdict, or from the store.
func (p *panel) fetchBase(ctx context.Context, q question) error {
	if v := p.verdict.Vote; v.Checkpoint == q.base {
		p.base = vector{q.base, p.verdict.Params}
	}
	if v := p.verdict.Vote; v.Error == q.aggregate {
		p.error = vector{q.aggregate, p.verdict.Error}
	}
	size := outer.VectorSize(p.plan.Shape)
	if p.base.hash != q.base {
		v, err := p.fetch(ctx, q.base, size, outer.DecodeCheckpoint)
		if err != nil {
			return fmt.Errorf("fetch base of round %d: %w", q.round, err)
		}
		p.base = v
	}
	if p.error.hash != q.aggregate {
		v, err := p.fetch(ctx, q.aggregate, size, outer.DecodeError)
		if err != nil {
			return fmt.Errorf("fetch aggregator error of round %d: %w", q.round, err)
		}
		p.error = v
	}
	p.replays.remember(p.base)
	return nil
}

func (p *panel) fetch(ctx context.Context, h crescendo.Hash, size int64, decode func(engine.Shape, []byte) (outer.Vector, error)) (vector, error) {
	data, err := p.Blobs.Get(ctx, h, size)
	if err != nil {
		return vector{}, err
	}
	v, err := decode(p.plan.Shape, data)
	return vector{h, v.Values}, err
}

// publish stores what the vote names, so that trainers can go on the moment it
// carries.
func (p *panel) publish(ctx context.Context) error {
	if p.published == p.verdict.Vote.Checkpoint {
		return nil
	}
	for _, b := range []struct {
		hash crescendo.Hash
		data []byte
	}{{p.verdict.Vote.Update, p.verdict.Update}, {p.verdict.Vote.Checkpoint, p.verdict.Checkpoint}, {p.verdict.Vote.Error, p.verdict.AggregatorError}} {
		has, err := p.Blobs.Has(ctx, b.hash)
		if err == nil && !has {
			_, err = p.Blobs.Put(ctx, b.data)
		}
		if err != nil {
			return fmt.Errorf("publish verdict: %w", err)
		}
	}
	p.published = p.verdict.Vote.Checkpoint
	p.verdict.Checkpoint, p.verdict.AggregatorError = nil, nil
	return nil
}

// gate lets scores go before replays: windows are read through it, one each
// step, and not while it is closed.
type gate struct{ mu sync.RWMutex }

func (g *gate) close() { g.mu.Lock() }
func (g *gate) open()  { g.mu.Unlock() }

type gated struct {
	inner outer.Windows
	gate  *gate
}

// Windows implements outer.Windows.
func (g gated) Windows() int { return g.inner.Windows() }

// Window implements outer.Windows.
func (g gated) Window(ctx context.Context, i int) ([]int32, error) {
	g.gate.mu.RLock()
	defer g.gate.mu.RUnlock()
	return g.inner.Window(ctx, i)
}
