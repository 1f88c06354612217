// Package runner is the seat of whoever lends a machine to competitions: it
// joins a rung's competition, does the trials it is designated to, commits to
// what they come to, and shows it once enough others have committed.
//
// What a trial computes is research/trial's business; who runs what, and what
// a result is worth, the rules decide. A runner keeps every result on disk
// before it commits, so that being killed costs it the trial it was at.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
	"github.com/crescendo-network/crescendo/role/blocks"
)

// Why a runner stops. Run returns nil when no competition is left.
var (
	// ErrNoBond means that the account cannot pay a runner's bond.
	ErrNoBond = errors.New("cannot pay the runner's bond")
	// ErrExpelled means that others have refuted a result of the runner.
	ErrExpelled = errors.New("expelled")

	errNoRung = errors.New("no such rung")
)

// Trier does trials. The one a contributor needs is Honest; tests have others.
type Trier func(ctx context.Context, e engine.Engine, text trial.Text, task trial.Task) (trial.Result, error)

// Honest does a trial as it is.
func Honest(ctx context.Context, e engine.Engine, text trial.Text, task trial.Task) (trial.Result, error) {
	return trial.Run(ctx, e, text, task, nil)
}

// Config wires a runner. All fields without a remark are needed.
type Config struct {
	Ledger ledger.Ledger
	Signer ledger.Signer
	Blobs  blob.Store // the corpus comes from it
	Engine engine.Engine
	Home   string                                                        // directory of the journal
	Corpus func(context.Context, crescendo.Hash) (*corpus.Reader, error) // nil: opened over Blobs
	Rung   crescendo.RungID                                              // 0: every rung's competition
	Try    Trier                                                         // nil: Honest
	Log    *slog.Logger                                                  // nil: silent
}

// Run takes part in competitions until there is none left, or ctx ends. It
// waits out an unreachable ledger.
func Run(ctx context.Context, c Config) error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Corpus == nil {
		c.Corpus = func(ctx context.Context, h crescendo.Hash) (*corpus.Reader, error) {
			return corpus.Open(ctx, c.Blobs, h)
		}
	}
	if c.Try == nil {
		c.Try = Honest
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &runner{Config: c, seats: map[research.Contest]*seat{}, done: make(chan done, 1), cancel: func() {}}
	news := blocks.Follow(ctx, c.Ledger, c.Log)
	for due := true; ; {
		if due {
			due = false
			over, err := r.act(ctx)
			if err := r.tolerate(ctx, err); err != nil || over {
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
			due = r.retry || concerned(b)
			r.retry = false
		case d := <-r.done:
			if err := r.tolerate(ctx, errors.Join(r.keep(d), r.goOn(ctx))); err != nil {
				return err
			}
			due = true
		}
	}
}

// runner is the seat over all rungs. At any time it does one trial.
type runner struct {
	Config
	spec  program.Spec
	seats map[research.Contest]*seat

	busy   *job // nil: idle
	cancel context.CancelFunc
	done   chan done
	retry  bool // something failed that may work at the next block
}

// concerned reports whether a block may have changed what there is to do. Now
// and then any block does, because deadlines pass without a word.
func concerned(b ledger.Block) bool {
	for _, e := range b.Events {
		if strings.HasPrefix(e.Kind, "research.") || strings.HasPrefix(e.Kind, "season.") || e.Kind == "program.stage" {
			return true
		}
	}
	return b.Height%16 == 0
}

// tolerate sorts errors: what another block may cure is logged and tried again.
func (r *runner) tolerate(ctx context.Context, err error) error {
	var refusal *crescendo.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrNoBond), errors.Is(err, ErrExpelled), errors.Is(err, errNoRung), errors.Is(err, blob.ErrDiskFull), errors.Is(err, ledger.ErrWrongChain):
		return err
	case errors.As(err, &refusal) && refusal.Code != crescendo.CodeInternal:
		r.Log.Debug("refused", "reason", err)
	default:
		r.Log.Warn("try again at the next block", "error", err)
		r.retry = true
	}
	return nil
}

// act does what the newest state asks for; it reports whether no competition
// is left to take part in.
func (r *runner) act(ctx context.Context) (over bool, err error) {
	state, err := r.Ledger.State(ctx)
	if err != nil {
		return false, err
	}
	if len(r.spec.Rungs) == 0 {
		if r.spec, err = program.Specs.Get(state); err != nil {
			return false, fmt.Errorf("read programme: %w", err)
		}
	}
	if int(r.Rung) > len(r.spec.Rungs) {
		return false, fmt.Errorf("run trials in rung %d: %w: the programme has %d", r.Rung, errNoRung, len(r.spec.Rungs))
	}
	over = true
	for _, at := range r.spec.Contests() {
		if r.Rung != 0 && r.Rung != at.Rung() {
			continue
		}
		c, err := optional(research.Competitions.Get(state, uint32(at)))
		if err != nil {
			return false, err
		}
		if c.Phase >= research.Decided {
			r.leave(at)
			continue
		}
		over = false
		if has, err := research.Competitions.Has(state, uint32(at)); err != nil || !has {
			return false, err // later rungs cannot be further
		}
		if err := r.attend(ctx, state, at, c); err != nil {
			return false, fmt.Errorf("competition of %s: %w", at, err)
		}
	}
	return over, nil
}

// leave drops what is left to do in a competition that is decided.
func (r *runner) leave(at research.Contest) {
	if r.busy != nil && r.busy.at == at {
		r.cancel()
	}
	delete(r.seats, at)
}

// optional turns an absent record into its zero value.
func optional[V any](v V, err error) (V, error) {
	if errors.Is(err, kv.ErrNotFound) {
		var zero V
		return zero, nil
	}
	return v, err
}
