package up

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/node/control"
	"github.com/crescendo-network/crescendo/node/supervise"
	"github.com/crescendo-network/crescendo/role/hub/desk"
	"github.com/crescendo-network/crescendo/training"
)

// cheatOfTheWorkshop is how a free rider that a button adds cheats: it does
// nothing, and sends what looks like work.
const cheatOfTheWorkshop = "nothing"

// buttons lets a hub on this machine break things on purpose. Without a
// socket there are no buttons, and everything else goes on.
func (u *run) buttons(ctx context.Context) {
	if !u.Actors || !strings.HasPrefix(u.net.ChainID, devPrefix) {
		return
	}
	if err := control.Serve(ctx, u.Home.Path(control.Socket), u.workshop(), u.log); err != nil {
		u.log.Warn("there are no development buttons", "error", err)
	}
}

// workshop does what buttons say. It is called by one at a time.
type workshop struct {
	u       *run
	damaged *damaged
}

// damaged are the blobs that a button has changed and that are not right again.
type damaged struct {
	mu    sync.Mutex
	blobs map[crescendo.Hash]bool // guarded by mu
}

func (d *damaged) has(h crescendo.Hash) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.blobs[h]
}

func (d *damaged) set(h crescendo.Hash, is bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if is {
		d.blobs[h] = true
	} else {
		delete(d.blobs, h)
	}
}

func (u *run) workshop() workshop {
	return workshop{u, &damaged{blobs: map[crescendo.Hash]bool{}}}
}

// Press implements desk.Machine.
func (w workshop) Press(ctx context.Context, button string) (desk.Pressed, error) {
	w.u.log.Info("development button", "button", button)
	switch button {
	case "kill-trainer":
		return w.killTrainer()
	case "add-cheat":
		return w.addCheat(ctx)
	case "corrupt-blob":
		return w.corruptBlob(ctx)
	}
	return desk.Pressed{}, crescendo.Errorf(crescendo.CodeNotFound, "press %.64q: there is no such button", button)
}

// killTrainer kills one of the trainers' processes that this run started.
func (w workshop) killTrainer() (desk.Pressed, error) {
	e, ok := victim(w.u.running())
	if !ok {
		return desk.Pressed{}, crescendo.Errorf(crescendo.CodeWrongTime, "kill a trainer: none is running").WithHint("wait until a rung trains")
	}
	if err := syscall.Kill(e.PID, syscall.SIGKILL); err != nil {
		return desk.Pressed{}, fmt.Errorf("kill %s: %w", e.Name, err)
	}
	w.u.Say("%s has been killed by a development button", e.Name)
	return desk.Pressed{Done: fmt.Sprintf("Demo %s has been killed (process %d).", e.Name, e.PID), Watch: "/network"}, nil
}

// victim is the trainer that has run longest: the first of the list, so that
// the next press meets the same one unless it has not come back yet.
func victim(running []supervise.Entry) (supervise.Entry, bool) {
	i := slices.IndexFunc(running, func(e supervise.Entry) bool { return e.Role == "trainer" && e.PID > 0 })
	if i < 0 {
		return supervise.Entry{}, false
	}
	return running[i], true
}

// running lists the processes of this run.
func (u *run) running() []supervise.Entry {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.entries)
}

// addCheat starts a trainer who does nothing. Seats are given out from the raise
// of rung 1 to the end of its training; later rungs take only whom the one
// before kept.
func (w workshop) addCheat(ctx context.Context) (desk.Pressed, error) {
	state, err := w.u.ledger.State(ctx)
	if err != nil {
		return desk.Pressed{}, err
	}
	run, err := training.Runs.Get(state, uint32(1)) // none: nobody has joined yet
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return desk.Pressed{}, err
	}
	if run.Phase >= training.Auditing {
		return desk.Pressed{}, crescendo.Errorf(crescendo.CodeWrongTime, "add a free rider: rung 1 has been trained").
			WithHint("newcomers join until rung 1 is trained: press early, or start the programme over with `make clean-home run`")
	}
	if seats := w.u.Spec.Rungs[0].Training.Seats; run.Seated >= seats {
		return desk.Pressed{}, crescendo.Errorf(crescendo.CodeWrongTime, "add a free rider: all %d seats are taken", seats).
			WithHint("wait until somebody is expelled or leaves")
	}
	p, err := w.newcomer(state)
	if err != nil {
		return desk.Pressed{}, err
	}
	w.u.narrator.Name(p.Account, fmt.Sprintf("demo %s (free rider: %s, from a button)", p.Name, p.Cheat))
	if _, err := w.u.sup.Start(w.u.launcher.trainer(p)); err != nil {
		return desk.Pressed{}, err
	}
	w.u.Say("%s, a free rider, has been added by a development button", p.Name)
	return desk.Pressed{
		Done:  fmt.Sprintf("%s joins as a trainer and does nothing.", p.Name),
		Watch: "/contributor/" + string(p.Account),
	}, nil
}

// newcomer is the next of the workshop's people who has not joined yet.
func (w workshop) newcomer(state ledger.State) (part, error) {
	running := w.u.running()
	for _, p := range w.u.cast.Workshop {
		member, err := training.Members.Has(state, uint32(1), string(p.Account))
		if err != nil {
			return part{}, err
		}
		started := slices.ContainsFunc(running, func(e supervise.Entry) bool { return e.Name == p.Name })
		if !member && !started {
			p.Cheat = cheatOfTheWorkshop
			return p, nil
		}
	}
	return part{}, crescendo.Errorf(crescendo.CodeWrongTime, "add a free rider: all %d of this run have been added", len(w.u.cast.Workshop)).
		WithHint("start the programme over with `make clean-home run`")
}

// damage is how long a corrupted blob stays corrupted.
const damage = 30 * time.Second

// corruptBlob flips a bit of the delta that a trainer revealed last, on the
// archive's disk, and asks the archive for it. The file is put right after a
// while: the run is to survive the demonstration.
func (w workshop) corruptBlob(ctx context.Context) (desk.Pressed, error) {
	d, err := w.lastPayload(ctx)
	if err != nil {
		return desk.Pressed{}, err
	}
	name := d.blob.String()
	path := w.u.Home.Path("archive", "blobs", name[:2], name[2:])
	restore, err := flip(path)
	if err != nil {
		return desk.Pressed{}, err
	}
	w.damaged.set(d.blob, true)
	time.AfterFunc(damage, func() {
		if err := restore(); err != nil {
			w.u.log.Warn("put a blob right again", "blob", name, "error", err)
			return
		}
		w.damaged.set(d.blob, false)
	})
	said := "the archive handed it out: this is a bug"
	if _, err := w.u.blobs.Get(ctx, d.blob, 0); err != nil {
		said = "asked for it, the store answers: " + err.Error()
	}
	w.u.Say("one bit of blob %s has been flipped by a development button", d.blob.Short())
	return desk.Pressed{
		Done:  fmt.Sprintf("One bit of the delta %s of round %d has been flipped for %s; %s.", d.blob.Short(), d.round, damage, said),
		Watch: "/network",
	}, nil
}

// lookBack is how many rounds before the open one are looked through.
const lookBack = 8

// lastPayload is a delta of the newest closed round that the archive holds. The
// open round is spared: its evaluators are just fetching what they need. So is a
// delta that is damaged already: what undoes that would undo the first flip, and
// then bring it back for good.
func (w workshop) lastPayload(ctx context.Context) (delta, error) {
	state, err := w.u.ledger.State(ctx)
	if err != nil {
		return delta{}, err
	}
	for rung := crescendo.RungID(len(w.u.Spec.Rungs)); rung >= 1; rung-- {
		run, err := training.Runs.Get(state, uint32(rung))
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil {
			return delta{}, err
		}
		for back := crescendo.Round(1); back <= lookBack && back < run.Round; back++ {
			d := delta{rung: rung, round: run.Round - back}
			works, err := training.Works.List(state, nil, kv.MaxPage, uint32(rung), uint32(d.round))
			if err != nil {
				return delta{}, err
			}
			for _, work := range works {
				d.blob = work.Value.Payload
				if !work.Value.Available || w.damaged.has(d.blob) {
					continue // nobody has to be able to fetch it, or nobody can
				}
				if held, err := w.u.blobs.Has(ctx, d.blob); err == nil && held && !d.blob.IsZero() {
					return d, nil
				}
			}
		}
	}
	return delta{}, crescendo.Errorf(crescendo.CodeWrongTime, "corrupt a blob: no closed round has one left").WithHint("wait for the end of a round, or until what was damaged is right again")
}

// delta is a payload and the round it was revealed in.
type delta struct {
	rung  crescendo.RungID
	round crescendo.Round
	blob  crescendo.Hash
}

// flip changes one bit of a file and returns what undoes it.
func flip(path string) (restore func() error, err error) {
	whole, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("corrupt blob: %w", err)
	}
	if len(whole) == 0 {
		return nil, fmt.Errorf("corrupt blob %s: it is empty", path)
	}
	broken := slices.Clone(whole)
	broken[len(broken)/2] ^= 1
	if err := rewrite(path, broken); err != nil {
		return nil, err
	}
	return func() error { return rewrite(path, whole) }, nil
}

// rewrite replaces a read-only file at once.
func rewrite(path string, data []byte) error {
	next := path + ".workshop"
	if err := os.WriteFile(next, data, 0o444); err != nil {
		return fmt.Errorf("rewrite blob: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("rewrite blob: %w", err)
	}
	return nil
}
