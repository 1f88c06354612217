package auditor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/training/delta"
	"github.com/crescendo-network/crescendo/training/outer"
)

// A window is one trainer's part in one round.
type windowKey struct {
	trainer crescendo.Account
	round   crescendo.Round
}

// report is what evaluators told the ledger about a window.
type report struct {
	match, mismatch int
}

// readReports counts the replays that evaluators reported.
func readReports(r kv.Reader, id crescendo.RungID, key windowKey) (report, error) {
	all, err := evaluation.Replays.All(r, uint32(id), uint32(key.round), string(key.trainer))
	var out report
	for _, e := range all {
		if e.Value.Match {
			out.match++
		} else {
			out.mismatch++
		}
	}
	return out, err
}

// guiltyOf reports whether a trainer was expelled for this window.
func guiltyOf(m member, number crescendo.Round) bool {
	return m.Fault == fmt.Sprintf("replay mismatch in round %d", number)
}

// choose decides which windows are replayed: all that are paid for or that
// evaluators have spoken about, or a sample of them and what the sample needs.
// The draw follows from the newest block, which no trainer knew.
func (r *rehearsal) choose(ctx context.Context, perMille uint32, seed []byte) {
	r.need, r.want = map[windowKey]bool{}, map[windowKey]bool{}
	for _, m := range r.members {
		pending := crescendo.Hash{} // a start state that must be reached
		for i := len(r.rounds) - 1; i >= 0; i-- {
			w, ok := r.workOf(i, m.account)
			if !ok {
				continue
			}
			key := windowKey{m.account, r.rounds[i].number}
			if r.claimed(m, i, w) && drawn(seed, r, key, perMille) {
				r.want[key] = true
			}
			reaches := !pending.IsZero() && w.End == pending
			if !r.want[key] && !reaches {
				continue
			}
			r.need[key] = true
			pending = w.Start
			if perMille >= 1000 || pending.IsZero() {
				continue
			}
			if has, err := r.blobs.Has(ctx, pending); err == nil && has {
				pending = crescendo.Hash{} // it is published: begin there
			}
		}
	}
}

func drawn(seed []byte, r *rehearsal, key windowKey, perMille uint32) bool {
	h := digest.Sum("crescendo/audit/sample/v1", seed, fmt.Append(nil, r.id, key.round), []byte(key.trainer))
	return perMille >= 1000 || binary.BigEndian.Uint64(h[:8])%1000 < uint64(perMille)
}

// workOf returns a trainer's part in a closed round if it counted there.
func (r *rung) workOf(i int, who crescendo.Account) (work, bool) {
	for _, w := range r.rounds[i].works {
		if w.account == who {
			return w, w.Available
		}
	}
	return work{}, false
}

// claimed reports whether something rests on a window: pay that was kept, a
// report of an evaluator, or an expulsion.
func (r *rehearsal) claimed(m member, i int, w work) bool {
	if guiltyOf(m, r.rounds[i].number) {
		return true
	}
	return m.Fault == "" || r.replay(windowKey{m.account, r.rounds[i].number}).match > 0
}

// window replays one window, if it is needed, and compares it with what the
// trainer revealed.
func (r *rehearsal) window(ctx context.Context, m member, i int, base []float32) error {
	x := &r.rounds[i]
	key := windowKey{m.account, x.number}
	if !r.need[key] {
		return nil
	}
	defer r.step()
	w, _ := r.workOf(i, m.account)
	state := r.states[m.account]
	payload, root, end, err := r.rework(ctx, m.account, i, w, base, state)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	*state = carried{}
	if err == nil && root == w.End && end != nil {
		*state = carried{root, end}
	}
	if !r.want[key] {
		return nil
	}
	same := payload == w.Payload && root == w.End
	switch {
	case guiltyOf(m, x.number) && err == nil && same:
		err = fmt.Errorf("it replays exactly, yet the trainer was expelled for it")
	case guiltyOf(m, x.number) && err == nil, err != nil:
	case !same && !w.Drawn:
		err = mismatch(w, payload, root, "it was never drawn, so nobody had checked it")
	case !same && !w.Settled && r.height < w.DrawnAt+evaluation.ReplayBlocks:
		err = fmt.Errorf("evaluators have not decided yet: %w", ErrGone)
	case !same && !w.Settled:
		err = mismatch(w, payload, root, "evaluators have left it undecided")
	case !same && r.replay(key).match > 0:
		err = mismatch(w, payload, root, "an evaluator reported that it matches")
	case !same:
		err = mismatch(w, payload, root, "no evaluator confirmed it")
	}
	r.findings.settle(Recomputed, err, "window of %s in round %d of rung %d", m.account, x.number, r.id)
	return nil
}

func mismatch(w work, payload, root crescendo.Hash, remark string) error {
	var parts []string
	if payload != w.Payload {
		parts = append(parts, fmt.Sprintf("payload %s, replayed it is %s", w.Payload, payload))
	}
	if root != w.End {
		parts = append(parts, fmt.Sprintf("end state %s, replayed it is %s", w.End, root))
	}
	return fmt.Errorf("the trainer revealed %s; %s", strings.Join(parts, ", "), remark)
}

// rework does a window again. Zero hashes without an error mean that no honest
// round could have gone as the trainer says.
func (r *rehearsal) rework(ctx context.Context, trainer crescendo.Account, i int, w work, base []float32, have *carried) (payload, root crescendo.Hash, end *outer.State, err error) {
	switch {
	case base == nil:
		return payload, root, nil, fmt.Errorf("the base is not known: %w", ErrGone)
	case r.train == nil:
		return payload, root, nil, fmt.Errorf("the corpus is not there: %w", ErrGone)
	}
	model, err := r.benches.take(r.plan.Shape)
	if err != nil {
		return payload, root, nil, err
	}
	defer r.benches.give(model)
	worker, err := outer.NewWorker(model, r.plan, r.train)
	if err != nil {
		return payload, root, nil, err
	}
	task := outer.Task{Round: r.rounds[i].number, Trainer: trainer, Base: base, Seed: r.rounds[i].Seed, Previous: r.previous(i), Eager: w.Eager}
	switch {
	case w.Start.IsZero():
	case have.state != nil && have.root == w.Start:
		task.Start = have.state
	default:
		if task.Start, err = r.published(ctx, w.Start, worker.OptimizerLen()); errors.Is(err, outer.ErrMalformed) || errors.Is(err, blob.ErrTooLarge) {
			return payload, root, nil, nil
		} else if err != nil {
			return payload, root, nil, fmt.Errorf("start state: %w", err)
		}
	}
	data, end, err := outer.Work(ctx, worker, task)
	var encoded []byte
	if err == nil {
		encoded, err = outer.EncodeState(r.plan.Shape, end)
	}
	if errors.Is(err, outer.ErrTask) || errors.Is(err, engine.ErrNotFinite) || errors.Is(err, delta.ErrNotFinite) {
		return payload, root, nil, nil
	}
	if err != nil {
		return payload, root, nil, err
	}
	return blob.Sum(data), blob.Sum(encoded), end, nil
}

func (r *rehearsal) published(ctx context.Context, root crescendo.Hash, optimizer int) (*outer.State, error) {
	data, err := r.blobs.Get(ctx, root, outer.StateSize(r.plan.Shape, optimizer))
	if err != nil {
		return nil, err
	}
	return outer.DecodeState(r.plan.Shape, optimizer, data)
}
