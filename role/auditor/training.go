package auditor

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/training/outer"
)

// batchBytes bounds the parameters of rounds that are kept in memory at once.
const batchBytes = 256 << 20

// rehearsal plays a rung's training again: the chain of bases from the initial
// checkpoint on, what evaluators must have voted, and every trainer's windows
// from its own chain of states.
type rehearsal struct {
	*rung
	blobs    blob.Store
	findings *findings
	benches  benches
	threads  int
	height   crescendo.Height      // of the newest block
	advance  func(done, total int) // progress in windows and rounds

	base   []float32 // of the next round; nil: not known
	error  []float32 // the aggregator's before the next round; nil: not known
	states map[crescendo.Account]*carried
	need   map[windowKey]bool // windows to replay
	want   map[windowKey]bool // of them, those that are claims
	replay func(windowKey) report

	mu    sync.Mutex
	done  int // guarded by mu
	total int
}

// carried is where a trainer's chain of states stands.
type carried struct {
	root  crescendo.Hash
	state *outer.State
}

// benches lends models; each belongs to one goroutine at a time.
type benches struct {
	engine engine.Engine
	mu     sync.Mutex
	free   []engine.Model // guarded by mu
}

func (b *benches) take(shape engine.Shape) (engine.Model, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		m := b.free[n-1]
		b.free = b.free[:n-1]
		return m, nil
	}
	return b.engine.New(shape)
}

func (b *benches) give(m engine.Model) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, m)
}

// play plays all closed rounds, some at a time.
func (r *rehearsal) play(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	r.states = map[crescendo.Account]*carried{}
	for _, m := range r.members {
		r.states[m.account] = &carried{}
	}
	r.total = len(r.need) + len(r.rounds)
	size := max(1, batchBytes/(4*r.plan.Shape.Parameters()))
	for from := 0; from < len(r.rounds); {
		bases, err := r.bases(ctx, from, min(size, len(r.rounds)-from))
		if err != nil {
			return err
		}
		if err := r.batch(ctx, from, bases); err != nil {
			return err
		}
		from += len(bases)
	}
	return nil
}

// bases computes the parameters that up to n rounds start from, each by the
// update of the round before. It stops where an update is missing: then the
// recomputed aggregate of that round leads on.
func (r *rehearsal) bases(ctx context.Context, from, n int) ([][]float32, error) {
	var out [][]float32
	for i := from; i < from+n; i++ {
		x := &r.rounds[i]
		if r.base == nil {
			r.base, _ = r.checkpoint(ctx, x.Base)
		}
		out = append(out, r.base)
		next, err := r.next(ctx, i)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.base = next
		r.findings.settle(Recomputed, err, "base and update of round %d of rung %d (blob %s)", x.number, r.id, x.Update)
		if err != nil {
			break
		}
	}
	return out, nil
}

// next is the checkpoint that a round's update makes of its base.
func (r *rehearsal) next(ctx context.Context, i int) ([]float32, error) {
	closed := &r.rounds[i]
	if r.base == nil {
		return nil, fmt.Errorf("the base is not known: %w", ErrGone)
	}
	update, err := r.blobs.Get(ctx, closed.Update, int64(r.plan.Codec.Size(r.plan.Layout)))
	if err != nil {
		return nil, err
	}
	params, checkpoint, err := outer.Advance(r.plan, closed.number, r.base, update)
	if err != nil {
		return nil, err
	}
	if got := blob.Sum(checkpoint); got != closed.Checkpoint {
		err = fmt.Errorf("base and update make %s, the ledger says %s", got, closed.Checkpoint)
		if stored, stop := r.checkpoint(ctx, closed.Checkpoint); stop == nil {
			params = stored // go on with what the ledger went on with
		}
	}
	return params, err
}

func (r *rehearsal) checkpoint(ctx context.Context, h crescendo.Hash) ([]float32, error) {
	data, err := r.blobs.Get(ctx, h, outer.VectorSize(r.plan.Shape))
	if err != nil {
		return nil, err
	}
	v, err := outer.DecodeCheckpoint(r.plan.Shape, data)
	return v.Values, err
}

// batch plays the rounds from the given one on, one for each base: judging in
// one task, each trainer in another.
func (r *rehearsal) batch(ctx context.Context, from int, bases [][]float32) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.threads)
	g.Go(func() error {
		for i, base := range bases {
			if err := r.judge(ctx, from+i, base); err != nil {
				return err
			}
			r.step()
		}
		return nil
	})
	for _, m := range r.members {
		g.Go(func() error {
			for i, base := range bases {
				if err := r.window(ctx, m, from+i, base); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (r *rehearsal) step() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if r.advance != nil {
		r.advance(r.done, r.total)
	}
}

// judge computes what the evaluators of a round must have voted.
func (r *rehearsal) judge(ctx context.Context, i int, base []float32) error {
	x := &r.rounds[i]
	ballot := outer.Ballot{Round: x.number, Base: base, Error: r.error, Draw: x.Draw, HeldOut: r.heldOut}
	missing := error(nil)
	switch {
	case base == nil:
		missing = fmt.Errorf("the base is not known: %w", ErrGone)
	case r.error == nil:
		missing = fmt.Errorf("the aggregator's error is not known: %w", ErrGone)
	case r.heldOut == nil:
		missing = fmt.Errorf("the corpus is not there: %w", ErrGone)
	}
	for _, w := range x.works {
		if !w.Available {
			continue
		}
		data, err := r.payload(ctx, w)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.findings.settle(Recomputed, err, "payload of %s in round %d of rung %d (blob %s)", w.account, x.number, r.id, w.Payload)
		missing = errors.Join(missing, err)
		ballot.Submissions = append(ballot.Submissions, outer.Submission{Trainer: w.account, Payload: data})
	}
	if missing != nil {
		return r.unjudged(ctx, x, missing)
	}
	model, err := r.benches.take(r.plan.Shape)
	if err != nil {
		return err
	}
	defer r.benches.give(model)
	v, err := outer.Judge(ctx, model, r.plan, ballot, blob.Sum)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return r.unjudged(ctx, x, err)
	}
	r.compare(x, v)
	r.error = v.Error
	if r.base == nil && i+1 < len(r.rounds) && v.Vote.Checkpoint == x.Checkpoint {
		r.base = v.Params // its update was missing
	}
	if v.Vote.Error != x.Error {
		if stored, err := r.errorState(ctx, x.Error); err == nil {
			r.error = stored
		}
	}
	return nil
}

func (r *rehearsal) payload(ctx context.Context, w work) ([]byte, error) {
	data, err := r.blobs.Get(ctx, w.Payload, 0)
	if err == nil && uint64(len(data)) != w.Size {
		err = fmt.Errorf("it has %d bytes, %d were revealed", len(data), w.Size)
	}
	return data, err
}

// unjudged settles a round that cannot be judged here, and goes on with the
// aggregator's error that the ledger went on with, if it is stored.
func (r *rehearsal) unjudged(ctx context.Context, x *round, reason error) error {
	for _, what := range judged {
		r.findings.settle(Recomputed, fmt.Errorf("cannot be recomputed: %w", reason), what+" of round %d of rung %d", x.number, r.id)
	}
	r.error, _ = r.errorState(ctx, x.Error)
	return ctx.Err()
}

// judged is what a vote says of a round.
var judged = []string{"scores", "update", "checkpoint", "aggregator error"}

func (r *rehearsal) errorState(ctx context.Context, h crescendo.Hash) ([]float32, error) {
	data, err := r.blobs.Get(ctx, h, outer.VectorSize(r.plan.Shape))
	if err != nil {
		return nil, err
	}
	v, err := outer.DecodeError(r.plan.Shape, data)
	return v.Values, err
}

// compare settles what a vote says against what was computed here.
func (r *rehearsal) compare(x *round, v outer.Verdict) {
	differ := func(what string, computed, recorded any) error {
		if computed == recorded {
			return nil
		}
		return fmt.Errorf("%s: the ledger says %v, recomputed it is %v", what, recorded, computed)
	}
	scores := errors.Join(
		differ("loss before", v.Vote.Before, x.vote.Before),
		differ("targets", v.Vote.Targets, x.vote.Targets),
		differ("number of payloads", len(v.Vote.Scores), len(x.vote.Scores)),
	)
	for k := range min(len(v.Vote.Scores), len(x.vote.Scores)) {
		a, b := v.Vote.Scores[k], x.vote.Scores[k]
		scores = errors.Join(scores, differ("score of "+string(b.Trainer), a, b))
	}
	results := []error{
		scores,
		errors.Join(differ("vote", v.Vote.Update, x.vote.Update), differ("round", v.Vote.Update, x.Update)),
		errors.Join(differ("vote", v.Vote.Checkpoint, x.vote.Checkpoint), differ("round", v.Vote.Checkpoint, x.Checkpoint)),
		errors.Join(differ("vote", v.Vote.Error, x.vote.Error), differ("round", v.Vote.Error, x.Error)),
	}
	for k, what := range judged {
		r.findings.settle(Recomputed, results[k], what+" of round %d of rung %d", x.number, r.id)
	}
}
