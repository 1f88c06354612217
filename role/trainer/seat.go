package trainer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/blocks"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/delta"
	"github.com/crescendo-network/crescendo/training/outer"
	"github.com/crescendo-network/crescendo/training/start"
)

// seat is a trainer's membership in one rung: what it has of the rung, and how
// far it is with the open round.
type seat struct {
	Config
	rung  crescendo.RungID
	spec  program.Spec
	plan  outer.Plan
	chain string

	// Set up once the rung has been started.
	journal  *journal
	orders   chan order
	finished chan finished
	optimize int // length of the optimizer state

	base     []float32 // parameters of baseHash
	baseHash crescendo.Hash

	ordered   crescendo.Hash     // seed of the attempt that was last ordered
	cancel    context.CancelFunc // of that order
	uploaded  crescendo.Hash     // seed of the attempt whose blobs are published
	ready     bool               // the journal holds the product of the ordered attempt, or of one before a restart
	diverged  bool               // the last round ended in numbers that are not finite
	askedJoin crescendo.Height
	retry     bool // something failed that may work at the next block
}

// train takes part in one rung until its training is finished.
func (c Config) train(ctx context.Context, news <-chan ledger.Block, rung crescendo.RungID) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &seat{Config: c, rung: rung, chain: c.Ledger.ChainID(), cancel: func() {}}
	for due := true; ; {
		if due {
			due = false
			done, err := s.act(ctx)
			if err := s.tolerate(ctx, err); err != nil || done {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b, ok := <-news:
			if !ok {
				return errors.Join(ctx.Err(), blocks.ErrClosed)
			}
			due = due || s.retry || s.concerned(b)
			s.retry = false
		case f := <-s.finished:
			if err := s.tolerate(ctx, s.keep(ctx, f)); err != nil {
				return err
			}
			due = true
		}
	}
}

// concerned reports whether a block may have changed what there is to do. Now
// and then any block does, because deadlines pass without a word.
func (s *seat) concerned(b ledger.Block) bool {
	for _, e := range b.Events {
		if e.Rung == s.rung {
			return true
		}
	}
	return b.Height%16 == 0
}

// tolerate sorts errors: what another block may cure is logged and tried again.
// A refusal is no reason to leave: the state says what it is about.
func (s *seat) tolerate(ctx context.Context, err error) error {
	var refusal *crescendo.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrExpelled), errors.Is(err, ErrNoSeat), errors.Is(err, blob.ErrDiskFull), errors.Is(err, ledger.ErrWrongChain),
		errors.Is(err, start.ErrForged), errors.Is(err, start.ErrTokenizer):
		return err
	case errors.As(err, &refusal) && (refusal.Code == crescendo.CodeWrongTime || refusal.Code == crescendo.CodeDuplicate || refusal.Code == crescendo.CodeNotFound):
		s.Log.Debug("refused", "rung", s.rung, "reason", err)
	case errors.As(err, &refusal) && refusal.Code == crescendo.CodeInvalid:
		s.Log.Warn("this round's work is refused", "rung", s.rung, "error", err)
		s.ready = false
	default:
		s.Log.Warn("try again at the next block", "rung", s.rung, "error", err)
		s.retry = true
	}
	return nil
}

// act does what the newest state asks for; it reports whether the rung's
// training is finished.
func (s *seat) act(ctx context.Context) (done bool, err error) {
	state, err := s.Ledger.State(ctx)
	if err != nil {
		return false, err
	}
	me := string(s.Signer.Account())
	member, err := optional(training.Members.Get(state, uint32(s.rung), me))
	if err != nil {
		return false, err
	}
	run, err := optional(training.Runs.Get(state, uint32(s.rung)))
	if err != nil {
		return false, err
	}
	if member.Fault != "" {
		return false, fmt.Errorf("%w: %s", ErrExpelled, member.Fault)
	}
	if run.Phase == training.Finished {
		return true, nil
	}
	if member.Joined == 0 || member.Left {
		return false, s.join(ctx, state, run)
	}
	if run.Base.IsZero() || run.Phase == training.Auditing {
		return false, nil
	}
	if err := s.prepare(ctx, state, run); err != nil {
		return false, err
	}
	work, err := optional(training.Works.Get(state, uint32(s.rung), uint32(run.Round), me))
	if err != nil {
		return false, err
	}
	if member.Joined > run.Round {
		return false, nil
	}
	switch run.Phase {
	case training.Working:
		return false, s.working(ctx, state, run, member, work)
	case training.Revealing:
		return false, s.revealing(ctx, run, work)
	}
	return false, nil
}

// join asks for a seat, once every few blocks.
func (s *seat) join(ctx context.Context, state ledger.State, run training.Run) error {
	if run.Phase >= training.Auditing || s.askedJoin != 0 && state.Height() < s.askedJoin+8 {
		return nil
	}
	s.askedJoin = state.Height()
	_, err := s.Ledger.Submit(ctx, s.Signer, &training.MsgJoin{Sender: s.Signer.Account(), Rung: s.rung, Name: s.Name})
	switch crescendo.CodeOf(err) {
	case crescendo.CodeForbidden, crescendo.CodeFunds, crescendo.CodeInvalid:
		return fmt.Errorf("%w: %w", ErrNoSeat, err)
	}
	return err
}

// prepare sets up what needs the corpus, once.
func (s *seat) prepare(ctx context.Context, state ledger.State, run training.Run) error {
	if s.journal != nil {
		return nil
	}
	var err error
	if s.spec, err = program.Planned(state, s.rung); err != nil {
		return err
	}
	if s.plan, err = outer.PlanOf(s.spec, s.rung); err != nil {
		return err
	}
	reader, err := s.Corpus(ctx, run.Corpus)
	if err != nil {
		return err
	}
	if m := reader.Manifest(); m.Root != run.Root || m.Vocab > s.plan.Shape.Vocab {
		return fmt.Errorf("corpus %s: it is not the one the rung was started with", run.Corpus)
	}
	if err := outer.CheckCorpus(ctx, s.spec, s.rung, state, run.Corpus, s.Corpus); err != nil {
		return err
	}
	if err := s.checkStart(ctx, state, run); err != nil {
		return err
	}
	windows, err := s.plan.Text(ctx, reader)
	if err != nil {
		return err
	}
	model, err := s.Engine.New(s.plan.Shape)
	if err != nil {
		return err
	}
	worker, err := outer.NewWorker(model, s.plan, windows)
	if err != nil {
		return err
	}
	hand, err := s.Craft(Bench{s.plan, worker, s.Signer.Account(), s.Ledger, s.Blobs, s.Log})
	if err != nil {
		return err
	}
	j, err := openJournal(s.Home, s.chain, s.rung, s.Local)
	if err != nil {
		return err
	}
	s.optimize = worker.OptimizerLen()
	s.orders, s.finished = make(chan order, 1), make(chan finished, 1)
	s.journal, s.ready = j, j.entry.Reveal.Round != 0
	go labour(ctx, hand, s.orders, s.finished, s.Log)
	return nil
}

// working orders the round's work, or commits what it came to.
func (s *seat) working(ctx context.Context, state ledger.State, run training.Run, member training.Member, work training.Work) error {
	if !work.Commitment.IsZero() {
		return s.publish(ctx, run.Seed)
	}
	if s.ready && s.journal.entry.Seed == run.Seed {
		if err := s.commit(ctx, run.Attempt); err != nil {
			return err
		}
		return s.publish(ctx, run.Seed)
	}
	if s.ordered == run.Seed {
		return nil
	}
	s.cancel() // whatever the last order was, its round has moved on
	if err := s.catchUp(ctx, run); err != nil {
		return err
	}
	job := Job{Round: run.Round, Attempt: run.Attempt, Base: s.base, BaseHash: s.baseHash, Seed: run.Seed, Start: member.State}
	if s.diverged {
		job.Start, s.diverged = crescendo.Hash{}, false
	}
	if run.Round > 1 {
		last, err := training.Rounds.Get(state, uint32(s.rung), uint32(run.Round-1))
		if err != nil {
			return err
		}
		job.Previous = last.Seed
	}
	job.Load = func(ctx context.Context) (*outer.State, crescendo.Hash, error) { return s.load(ctx, job.Start) }
	s.order(ctx, job)
	return nil
}

// commit binds the trainer to what the journal holds. If the round has moved on
// meanwhile the rules refuse it.
func (s *seat) commit(ctx context.Context, attempt uint32) error {
	e, me := s.journal.entry, s.Signer.Account()
	_, err := s.Ledger.Submit(ctx, s.Signer, &training.MsgCommit{Sender: me, Rung: s.rung, Round: e.Reveal.Round, Attempt: attempt, Commitment: e.commitment(s.chain, me)})
	return err
}

func (s *seat) order(ctx context.Context, job Job) {
	ctx, s.cancel = context.WithCancel(ctx)
	select {
	case <-s.orders: // never begun
	default:
	}
	s.orders <- order{ctx, job}
	s.ordered = job.Seed
}

// catchUp gets hold of the round's base: by the last update if the base before
// it is here, else whole.
func (s *seat) catchUp(ctx context.Context, run training.Run) error {
	if s.baseHash == run.Base {
		return nil
	}
	round := run.Round - 1
	if s.baseHash == run.Previous && !run.Previous.IsZero() {
		update, err := s.Blobs.Get(ctx, run.LastUpdate, int64(s.plan.Codec.Size(s.plan.Layout)))
		if err != nil {
			return fmt.Errorf("fetch update of round %d: %w", round, err)
		}
		params, checkpoint, err := outer.Advance(s.plan, round, s.base, update)
		if err == nil && blob.Sum(checkpoint) == run.Base {
			s.base, s.baseHash = params, run.Base
			return nil
		}
		s.Log.Warn("update does not lead to the base; fetch the checkpoint", "rung", s.rung, "round", round, "error", err)
	}
	data, err := s.Blobs.Get(ctx, run.Base, outer.VectorSize(s.plan.Shape))
	if err != nil {
		return fmt.Errorf("fetch base of round %d: %w", run.Round, err)
	}
	v, err := outer.DecodeCheckpoint(s.plan.Shape, data)
	if err != nil {
		return fmt.Errorf("base of round %d: %w", run.Round, err)
	}
	s.base, s.baseHash = v.Values, run.Base
	return nil
}

// load finds a carried state: here, else where it was published. A state that
// is lost or broken is given up for a fresh one.
func (s *seat) load(ctx context.Context, root crescendo.Hash) (*outer.State, crescendo.Hash, error) {
	if root.IsZero() {
		return nil, root, nil
	}
	size := outer.StateSize(s.plan.Shape, s.optimize)
	data, err := s.Local.Get(ctx, root, size)
	if err != nil {
		data, err = s.Blobs.Get(ctx, root, size)
	}
	if err == nil {
		var state *outer.State
		if state, err = outer.DecodeState(s.plan.Shape, s.optimize, data); err == nil {
			return state, root, nil
		}
	}
	if ctx.Err() != nil {
		return nil, crescendo.Hash{}, ctx.Err()
	}
	s.Log.Warn("carried state is lost; going on with a fresh one", "rung", s.rung, "state", root.Short(), "error", err)
	return nil, crescendo.Hash{}, nil
}

// keep makes a finished round durable, then commits to it.
func (s *seat) keep(ctx context.Context, f finished) error {
	if f.job.Seed != s.ordered {
		return nil // an old order that was cancelled
	}
	if f.err != nil {
		if !errors.Is(f.err, context.Canceled) {
			s.Log.Warn("round failed", "rung", s.rung, "round", f.job.Round, "error", f.err)
			s.diverged = errors.Is(f.err, engine.ErrNotFinite) || errors.Is(f.err, delta.ErrNotFinite)
		}
		return nil
	}
	var salt crescendo.Hash
	if _, err := rand.Read(salt[:]); err != nil {
		return fmt.Errorf("draw salt: %w", err)
	}
	p := f.product
	r := reveal{
		Round: f.job.Round, Salt: salt, Base: f.job.BaseHash, Payload: blob.Sum(p.Payload), Size: uint64(len(p.Payload)),
		Start: p.Start, End: blob.Sum(p.State), Eager: p.Eager, Tokens: s.plan.Tokens(),
	}
	s.ready = false
	if err := s.journal.record(ctx, f.job.Seed, r, p.Payload, p.State); err != nil {
		return err
	}
	s.ready = true
	s.Log.Info("round worked", "rung", s.rung, "round", r.Round, "loss", float64(p.Loss)/1e6, "bytes", r.Size, "eager", r.Eager)
	if err := s.commit(ctx, f.job.Attempt); err != nil {
		return err
	}
	return s.publish(ctx, f.job.Seed)
}

// publish puts payload and state where others can fetch them. It comes after
// the commitment, so that nobody can pass the payload off as its own.
func (s *seat) publish(ctx context.Context, attempt crescendo.Hash) error {
	e := s.journal.entry
	if !s.ready || e.Seed != attempt || s.uploaded == attempt {
		return nil
	}
	names := []crescendo.Hash{e.Reveal.Payload}
	if uint32(e.Reveal.Round) < s.plan.Rounds {
		names = append(names, e.Reveal.End) // the next window starts from it
	}
	for _, h := range names {
		data, err := s.Local.Get(ctx, h, 0)
		if err != nil {
			return fmt.Errorf("publish round %d: %w", e.Reveal.Round, err)
		}
		if _, err := s.Blobs.Put(ctx, data); err != nil {
			return fmt.Errorf("publish round %d: %w", e.Reveal.Round, err)
		}
	}
	s.uploaded = attempt
	return nil
}

// revealing opens the commitment.
func (s *seat) revealing(ctx context.Context, run training.Run, work training.Work) error {
	me := s.Signer.Account()
	// To reveal work that was made for another attempt would be a fault; not to
	// is only a round missed.
	ours := s.ready && s.journal.entry.Seed == run.Seed && s.journal.entry.commitment(s.chain, me) == work.Commitment
	if !ours {
		if s.ordered == run.Seed {
			s.cancel() // too late for this round
		}
		return nil
	}
	if work.Revealed {
		return nil
	}
	if err := s.publish(ctx, run.Seed); err != nil {
		return err
	}
	_, err := s.Ledger.Submit(ctx, s.Signer, s.journal.entry.message(me))
	return err
}
