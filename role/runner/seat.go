package runner

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
)

// messagesPerTransaction bounds what is submitted at once: one refusal refuses
// all of it.
const messagesPerTransaction = 8

// retryBlocks pass before a trial that failed is begun again: others shall not
// wait for one whose contributed text cannot be fetched.
const retryBlocks = 8

// maxDuties bounds the trials looked at; more than that wait.
const maxDuties = 256

// seat is a runner's place in one contest.
type seat struct {
	at      research.Contest
	journal *journal
	reader  *corpus.Reader
	text    trial.Text
	asked   crescendo.Height                // when it last asked to join
	failed  map[trial.Name]string           // trials that cannot be done here
	later   map[trial.Name]crescendo.Height // when a trial may be begun again, if it fails
	seen    view                            // what it last went by
}

// job is one trial in the works.
type job struct {
	at   research.Contest
	name trial.Name
}

type done struct {
	job    job
	result trial.Result
	err    error
}

// attend does what a competition that is not decided yet asks of the runner.
func (r *runner) attend(ctx context.Context, state ledger.State, at research.Contest, c research.Competition) error {
	s := r.seats[at]
	if s == nil {
		j, err := openJournal(r.Home, r.Ledger.ChainID(), at)
		if err != nil {
			return err
		}
		s = &seat{at: at, journal: j, failed: map[trial.Name]string{}, later: map[trial.Name]crescendo.Height{}}
		r.seats[at] = s
	}
	me := string(r.Signer.Account())
	mine, err := research.Runners.Get(state, uint32(at), me)
	switch {
	case errors.Is(err, kv.ErrNotFound) || err == nil && mine.Away:
		return r.join(ctx, state, s)
	case err != nil:
		return err
	case mine.Fault != "":
		return fmt.Errorf("%w: %s", ErrExpelled, mine.Fault)
	case c.Phase != research.Trialling:
		return r.fetch(ctx, state, s)
	}
	duties, err := dutiesOf(state, at, me)
	if err != nil {
		return err
	}
	s.seen = view{state, c, duties}
	// Begin first: the machine shall not wait for blocks.
	if err := r.begin(ctx, state, s, c, duties); err != nil {
		return err
	}
	return r.deliver(ctx, state, s, duties)
}

// join asks for a runner's seat, once every few blocks.
func (r *runner) join(ctx context.Context, state ledger.State, s *seat) error {
	if s.asked != 0 && state.Height() < s.asked+8 {
		return nil
	}
	s.asked = state.Height()
	_, err := r.Ledger.Submit(ctx, r.Signer, &research.MsgRun{Sender: r.Signer.Account(), Rung: s.at.Rung(), Season: s.at.IsSeason()})
	if crescendo.CodeOf(err) == crescendo.CodeFunds {
		return fmt.Errorf("%w: %w", ErrNoBond, err)
	}
	return err
}

// dutiesOf lists the trials an account is designated to.
func dutiesOf(state kv.Reader, at research.Contest, account string) ([]trial.Name, error) {
	page, err := research.Duties.List(state, nil, maxDuties, uint32(at), account)
	if err != nil {
		return nil, err
	}
	var names []trial.Name
	for _, e := range page {
		n, ok := parseName(e.Rest)
		if !ok {
			return nil, fmt.Errorf("duty with a key of %d bytes", len(e.Rest))
		}
		names = append(names, n)
	}
	return names, nil
}

// parseName reads a trial's name from a key: stage, recipe, seed.
func parseName(rest []byte) (n trial.Name, ok bool) {
	if len(rest) != 4+len(n.Recipe)+4 {
		return n, false
	}
	n.Stage = binary.BigEndian.Uint32(rest)
	copy(n.Recipe[:], rest[4:])
	n.Seed = binary.BigEndian.Uint32(rest[4+len(n.Recipe):])
	return n, true
}

// deliver commits to finished trials and shows those that enough runners have
// committed to.
func (r *runner) deliver(ctx context.Context, state ledger.State, s *seat, duties []trial.Name) error {
	var msgs []crescendo.Message
	for _, n := range duties {
		e, ok := s.journal.find(n)
		if !ok {
			continue
		}
		m, err := r.next(state, s, e)
		if err != nil {
			return err
		}
		if m != nil {
			msgs = append(msgs, m)
		}
	}
	for part := range slices.Chunk(msgs, messagesPerTransaction) {
		if err := r.submit(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// submit sends messages together, and one by one if they are refused: what has
// changed for one of them says nothing about the others.
func (r *runner) submit(ctx context.Context, msgs []crescendo.Message) error {
	_, err := r.Ledger.Submit(ctx, r.Signer, msgs...)
	var refusal *crescendo.Error
	if len(msgs) == 1 || err == nil || !errors.As(err, &refusal) {
		return err
	}
	var errs []error
	for _, m := range msgs {
		_, err := r.Ledger.Submit(ctx, r.Signer, m)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// next is the message that a finished trial waits for; nil: none yet.
func (r *runner) next(state kv.Reader, s *seat, e entry) (crescendo.Message, error) {
	me, n := r.Signer.Account(), e.Name
	have, err := optional(research.Results.Get(state, uint32(s.at), n.Stage, n.Recipe[:], n.Seed, string(me)))
	if err != nil {
		return nil, err
	}
	t, err := research.Trials.Get(state, uint32(s.at), n.Stage, n.Recipe[:], n.Seed)
	if err != nil {
		return nil, err
	}
	reveal := e.message(me, s.at)
	commitment := research.TrialCommitment(r.Ledger.ChainID(), *reveal)
	switch {
	case have.Commitment.IsZero() && !t.Agreed && t.Committed < t.Wanted:
		return &research.MsgCommitTrial{Sender: me, Rung: s.at.Rung(), Season: s.at.IsSeason(), Stage: n.Stage, Recipe: n.Recipe, Seed: n.Seed, Commitment: commitment}, nil
	case have.Commitment == commitment && have.Digest.IsZero() && t.Shown:
		return reveal, nil
	}
	// Nothing is wanted, or not yet; or the journal of another commitment was
	// lost, and others are called in its place.
	return nil, nil
}

// begin starts the next trial, or stops one that nobody waits for any more.
func (r *runner) begin(ctx context.Context, state ledger.State, s *seat, c research.Competition, duties []trial.Name) error {
	if r.busy != nil {
		if r.busy.at == s.at && !slices.Contains(duties, r.busy.name) {
			r.cancel()
		}
		return nil
	}
	for _, n := range duties {
		if _, ok := s.journal.find(n); ok || s.failed[n] != "" || state.Height() < s.later[n] {
			continue
		}
		return r.try(ctx, state, s, c, n)
	}
	return nil
}

// try runs one trial on a goroutine of its own.
func (r *runner) try(ctx context.Context, state ledger.State, s *seat, c research.Competition, n trial.Name) error {
	if err := r.open(ctx, state, s); err != nil {
		return err
	}
	recipe, err := research.Contents.Get(state, n.Recipe[:])
	if err != nil {
		return fmt.Errorf("read recipe %s: %w", n.Recipe.Short(), err)
	}
	task, err := trial.TaskOf(r.Ledger.ChainID(), r.spec, s.at, recipe, n, c.Draw)
	if err != nil {
		return r.giveUp(s, n, err)
	}
	if task, err = task.Asking(state, n, c); err != nil {
		return err
	}
	if task, err = task.Begun(ctx, state, r.Ledger.ChainID(), r.Blobs, s.reader.Hash()); err != nil {
		return err
	}
	if err := s.journal.forget(n.Stage); err != nil {
		return err
	}
	ctx, r.cancel = context.WithCancel(ctx)
	j := job{s.at, n}
	r.busy, s.later[n] = &j, state.Height()+retryBlocks
	r.Log.Info("trial", "contest", s.at.String(), "trial", n.String(), "steps", task.Steps())
	go func() {
		result, err := r.Try(ctx, r.Engine, s.text, task)
		r.done <- done{j, result, err} // there is room: one trial at a time
	}()
	return nil
}

// fetch reads the text ahead of time, while entries are still taken.
func (r *runner) fetch(ctx context.Context, state ledger.State, s *seat) error {
	if named, err := research.Texts.Has(state, uint32(s.at.Rung())); err != nil || !named || s.text != nil {
		return err
	}
	if err := r.open(ctx, state, s); err != nil {
		return err
	}
	go func() {
		if err := s.reader.Train().Preload(ctx); err != nil && ctx.Err() == nil {
			r.Log.Info("read text ahead", "contest", s.at.String(), "error", err)
		}
	}()
	return nil
}

// open gets hold of the text that trials read, once.
func (r *runner) open(ctx context.Context, state ledger.State, s *seat) error {
	if s.text != nil {
		return nil
	}
	for _, other := range r.seats { // the season of a rung reads what its competition does
		if other.at.Rung() == s.at.Rung() && other.text != nil {
			s.reader, s.text = other.reader, other.text
			return nil
		}
	}
	named, err := research.Texts.Get(state, uint32(s.at.Rung()))
	if errors.Is(err, kv.ErrNotFound) {
		return crescendo.Errorf(crescendo.CodeWrongTime, "the corpus of rung %d is not named yet", s.at.Rung())
	}
	if err != nil {
		return err
	}
	reader, err := r.Corpus(ctx, named.Corpus)
	if err != nil {
		return err
	}
	if reader.Manifest().Root != named.Root {
		return fmt.Errorf("corpus %s: it is not the one the competition names", named.Corpus)
	}
	s.reader, s.text = reader, trial.OfCorpus(reader)
	return nil
}

func (r *runner) giveUp(s *seat, n trial.Name, err error) error {
	r.Log.Warn("trial cannot be run here", "contest", s.at.String(), "trial", n.String(), "error", err)
	s.failed[n] = err.Error()
	return nil
}

// keep makes a finished trial durable; the next look at the state commits.
func (r *runner) keep(d done) error {
	r.busy = nil
	r.cancel()
	s := r.seats[d.job.at]
	if s == nil || errors.Is(d.err, context.Canceled) {
		return nil
	}
	if d.err != nil {
		r.Log.Warn("trial failed", "contest", s.at.String(), "trial", d.job.name.String(), "error", d.err)
		r.retry = true
		return nil
	}
	e := entry{Name: d.job.name, Weights: d.result.Weights, Losses: d.result.Losses}
	if _, err := rand.Read(e.Salt[:]); err != nil {
		return fmt.Errorf("draw salt: %w", err)
	}
	return s.journal.record(e)
}
