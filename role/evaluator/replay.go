package evaluator

import (
	"cmp"
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
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/delta"
	"github.com/crescendo-network/crescendo/training/outer"
)

// window is one trainer's round that waits for a replay, with all it takes.
type window struct {
	round    crescendo.Round
	trainer  crescendo.Account
	drawnAt  crescendo.Height
	work     training.Work
	seed     crescendo.Hash
	previous crescendo.Hash

	mine     bool // designated to this evaluator
	disputed bool
	reported bool // by this evaluator, or none of its business
}

type windowKey struct {
	round   crescendo.Round
	trainer crescendo.Account
	drawnAt crescendo.Height
}

// replays keeps the list of windows and works it off on a goroutine of its own.
type replays struct {
	Config
	rung   crescendo.RungID
	plan   outer.Plan
	worker *outer.Worker
	states *stateCache
	stop   context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	known  map[windowKey]*window // guarded by mu
	height crescendo.Height      // guarded by mu
	bases  []vector              // of the last rounds; guarded by mu
	wake   chan struct{}
	change bool // a window was reported since refresh; guarded by mu
}

// keptBases is how many rounds' parameters stay in memory for replays.
const keptBases = 3

func newReplays(ctx context.Context, c Config, rung crescendo.RungID, plan outer.Plan, train outer.Windows) (*replays, error) {
	model, err := c.Engine.New(plan.Shape)
	if err != nil {
		return nil, err
	}
	worker, err := outer.NewWorker(model, plan, train)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	r := &replays{
		Config: c, rung: rung, plan: plan, worker: worker, stop: stop, ended: make(chan struct{}),
		states: newStateCache(c.CacheBytes, outer.StateSize(plan.Shape, worker.OptimizerLen())),
		known:  map[windowKey]*window{}, wake: make(chan struct{}, 1),
	}
	go r.run(ctx)
	return r, nil
}

func (r *replays) close() {
	r.stop()
	<-r.ended
}

func (r *replays) moved() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.change
}

// remember keeps a round's parameters for its replays.
func (r *replays) remember(base vector) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.bases, func(b vector) bool { return b.hash == base.hash }) {
		return
	}
	r.bases = append(r.bases, base)
	r.bases = slices.Delete(r.bases, 0, max(0, len(r.bases)-keptBases))
}

// refresh brings the list of windows up to date with the ledger.
func (r *replays) refresh(state ledger.State, run training.Run, b ledger.Block) error {
	r.mu.Lock()
	r.change = false
	r.mu.Unlock()
	open, err := training.Windows.List(state, nil, kv.MaxPage, uint32(r.rung))
	if err != nil {
		return err
	}
	listed := map[windowKey]bool{}
	for _, e := range open {
		trainer, round, ok := training.WindowKey(e.Rest)
		if !ok {
			return fmt.Errorf("read windows of rung %d: key of %d bytes", r.rung, len(e.Rest))
		}
		key := windowKey{round, trainer, e.Value.Drawn}
		listed[key] = true
		if err := r.learn(state, run, key); err != nil {
			return err
		}
	}
	r.mu.Lock()
	r.height = b.Height
	for key, w := range r.known {
		if !listed[key] {
			delete(r.known, key)
			continue
		}
		w.disputed = w.disputed || disputes(b, r.rung, w)
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return nil
}

// disputes reports whether a dispute about the window was opened in a block.
func disputes(b ledger.Block, rung crescendo.RungID, w *window) bool {
	for _, e := range b.Events {
		if e.Kind == "evaluation.disputed" && e.Rung == rung &&
			e.Get("round") == fmt.Sprint(w.round) && e.Get("trainer") == string(w.trainer) {
			return true
		}
	}
	return false
}

// learn reads what there is to know about a window, once.
func (r *replays) learn(state ledger.State, run training.Run, key windowKey) error {
	r.mu.Lock()
	_, ok := r.known[key]
	r.mu.Unlock()
	if ok {
		return nil
	}
	rung, round, me := uint32(r.rung), uint32(key.round), r.Signer.Account()
	w := &window{round: key.round, trainer: key.trainer, drawnAt: key.drawnAt}
	var err error
	if w.work, err = training.Works.Get(state, rung, round, string(key.trainer)); err != nil {
		return err
	}
	if w.seed = run.Seed; key.round != run.Round || run.Phase == training.Waiting || run.Phase == training.Auditing {
		closed, err := training.Rounds.Get(state, rung, round)
		if err != nil {
			return err
		}
		w.seed = closed.Seed
	}
	if key.round > 1 {
		before, err := training.Rounds.Get(state, rung, round-1)
		if err != nil {
			return err
		}
		w.previous = before.Seed
	}
	seats, err := optional(evaluation.Panels.Get(state, rung, round))
	if err != nil {
		return err
	}
	if w.reported = !slices.Contains(seats.Members, me); !w.reported {
		w.mine = evaluation.Designated(w.work.Draw, key.trainer, seats.Members) == me
		if w.reported, err = evaluation.Replays.Has(state, rung, round, string(key.trainer), string(me)); err != nil {
			return err
		}
		if w.disputed, err = evaluation.Disputes.Has(state, rung, round, string(key.trainer)); err != nil {
			return err
		}
	}
	r.mu.Lock()
	r.known[key] = w
	r.mu.Unlock()
	return nil
}

// due picks the next window to replay: disputes first, then by round.
func (r *replays) due(skip map[*window]bool) *window {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*window
	for _, w := range r.known {
		if !w.reported && !skip[w] && (w.mine || w.disputed || r.height >= w.drawnAt+evaluation.ReplayBlocks) {
			list = append(list, w)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return slices.MinFunc(list, func(a, b *window) int {
		switch {
		case a.disputed != b.disputed && a.disputed:
			return -1
		case a.disputed != b.disputed:
			return 1
		}
		return cmp.Or(cmp.Compare(a.round, b.round), cmp.Compare(a.trainer, b.trainer))
	})
}

// run replays windows until ctx ends. One that cannot be replayed now is put
// aside until the next block.
func (r *replays) run(ctx context.Context) {
	defer close(r.ended)
	skip := map[*window]bool{}
	for ctx.Err() == nil {
		w := r.due(skip)
		if w == nil {
			select {
			case <-ctx.Done():
			case <-r.wake:
				clear(skip)
			}
			continue
		}
		err := r.settle(ctx, w)
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("replay", "rung", r.rung, "round", w.round, "trainer", w.trainer, "error", err)
		}
		if err != nil {
			skip[w] = true
			continue
		}
		r.mu.Lock()
		w.reported, r.change = true, true
		r.mu.Unlock()
	}
}

// settle replays a window and reports the outcome. A refusal by the rules ends
// the matter too: the window was settled meanwhile, or its round was void.
func (r *replays) settle(ctx context.Context, w *window) error {
	began := time.Now()
	payload, root, err := r.replay(ctx, w, true)
	if err == nil && (payload != w.work.Payload || root != w.work.End) {
		// Before an accusation the doubt falls on the own memory.
		payload, root, err = r.replay(ctx, w, false)
	}
	if err != nil {
		return err
	}
	me := r.Signer.Account()
	match := payload == w.work.Payload && root == w.work.End
	_, err = r.Ledger.Submit(ctx, r.Signer, &evaluation.MsgReplay{Sender: me, Rung: r.rung, Round: w.round, Attempt: w.work.Attempt, Trainer: w.trainer, End: root, Payload: payload})
	var refusal *crescendo.Error
	if errors.As(err, &refusal) && refusal.Code != crescendo.CodeInternal && refusal.Code != crescendo.CodeFunds {
		r.Log.Debug("replay not needed", "round", w.round, "trainer", w.trainer, "reason", err)
		return nil
	}
	if err == nil {
		r.Log.Info("window replayed", "rung", r.rung, "round", w.round, "trainer", w.trainer, "match", match, "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

// replay does a trainer's round again. Zero hashes without an error mean that
// it cannot be done again, and that this is the trainer's fault.
func (r *replays) replay(ctx context.Context, w *window, cached bool) (payload, root crescendo.Hash, err error) {
	start, err := r.start(ctx, w, cached)
	if errors.Is(err, errGuilty) {
		r.Log.Warn("window cannot be replayed", "rung", r.rung, "round", w.round, "trainer", w.trainer, "reason", err)
		return payload, root, nil
	}
	if err != nil {
		return payload, root, err
	}
	base, err := r.base(ctx, w.work.Base)
	if err != nil {
		return payload, root, err
	}
	data, end, err := outer.Work(ctx, r.worker, outer.Task{
		Round: w.round, Trainer: w.trainer, Start: start, Base: base, Seed: w.seed, Previous: w.previous, Eager: w.work.Eager,
	})
	if err != nil {
		if errors.Is(err, outer.ErrTask) || errors.Is(err, engine.ErrNotFinite) || errors.Is(err, delta.ErrNotFinite) {
			return payload, root, nil // no honest round ends like this
		}
		return payload, root, err
	}
	encoded, err := outer.EncodeState(r.plan.Shape, end)
	if err != nil {
		if errors.Is(err, engine.ErrNotFinite) {
			return payload, root, nil
		}
		return payload, root, err
	}
	payload, root = blob.Sum(data), blob.Sum(encoded)
	if payload == w.work.Payload && root == w.work.End {
		r.states.put(root, end)
	}
	return payload, root, nil
}

var errGuilty = errors.New("the trainer cannot show where it started")

// start finds the state that a window starts from.
func (r *replays) start(ctx context.Context, w *window, cached bool) (*outer.State, error) {
	root := w.work.Start
	if root.IsZero() {
		return nil, nil
	}
	if state := r.states.get(root); cached && state != nil {
		return state, nil
	}
	optimizer := r.worker.OptimizerLen()
	data, err := r.Blobs.Get(ctx, root, outer.StateSize(r.plan.Shape, optimizer))
	if errors.Is(err, blob.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %w", errGuilty, err)
	}
	if err != nil {
		r.mu.Lock()
		late := r.height > w.drawnAt+r.Patience
		r.mu.Unlock()
		if late && errors.Is(err, blob.ErrNotFound) {
			return nil, fmt.Errorf("%w: %w", errGuilty, err)
		}
		return nil, fmt.Errorf("fetch start state: %w", err)
	}
	state, err := outer.DecodeState(r.plan.Shape, optimizer, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errGuilty, err)
	}
	return state, nil
}

// base finds the parameters a window started from.
func (r *replays) base(ctx context.Context, h crescendo.Hash) ([]float32, error) {
	r.mu.Lock()
	i := slices.IndexFunc(r.bases, func(b vector) bool { return b.hash == h })
	if i >= 0 {
		defer r.mu.Unlock()
		return r.bases[i].values, nil
	}
	r.mu.Unlock()
	data, err := r.Blobs.Get(ctx, h, outer.VectorSize(r.plan.Shape))
	if err != nil {
		return nil, fmt.Errorf("fetch base: %w", err)
	}
	v, err := outer.DecodeCheckpoint(r.plan.Shape, data)
	if err != nil {
		return nil, fmt.Errorf("fetch base: %w", err)
	}
	r.remember(vector{h, v.Values})
	return v.Values, nil
}

// stateCache keeps replayed states by root, the newest ones, within a bound.
// Replays of a trainer's next window then need no download.
type stateCache struct {
	room   int
	order  []crescendo.Hash
	states map[crescendo.Hash]*outer.State
}

func newStateCache(bytes, each int64) *stateCache {
	return &stateCache{room: int(max(1, bytes/max(1, each))), states: map[crescendo.Hash]*outer.State{}}
}

func (c *stateCache) get(root crescendo.Hash) *outer.State { return c.states[root] }

func (c *stateCache) put(root crescendo.Hash, s *outer.State) {
	if _, ok := c.states[root]; ok {
		return
	}
	for len(c.order) >= c.room {
		delete(c.states, c.order[0])
		c.order = c.order[1:]
	}
	c.order = append(c.order, root)
	c.states[root] = s
}
