// Package sim plays a whole programme in one goroutine: hundreds of trainers,
// evaluators, vaults, keepers, funders and clients, the real rules, a real
// book of balances, and between them a network that delays, drops, doubles
// and reorders what they say. Actors crash and forget, are cut off, come late
// and cheat. Everything follows from a seed: the same seed gives the same
// history, event for event, on any machine.
//
// After every block it checks what must never break. What takes processor time
// in the product is only named here: a payload is a hash, a replay compares
// hashes. So it says nothing about models, files, sockets or goroutines; it is
// about rules and the order in which things reach them.
package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"lukechampine.com/blake3"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
)

// Config says what is played. Zero values are drawn from the seed, except
// where a remark says otherwise.
type Config struct {
	Seed     uint64
	Trainers int              // 4 to 400
	MaxBlock int              // give up after so many; zero: 6,000
	Calm     bool             // no faults and no cheaters at all
	Misses   crescendo.RungID // its raise misses the soft cap; zero: drawn, mostly none
	Exodus   crescendo.RungID // all trainers leave for good while this rung trains; zero: they stay
	Log      io.Writer        // every event on a line; nil: none
}

// Report is what a run came to.
type Report struct {
	Seed     uint64
	Blocks   int
	Events   uint64 // of the simulation: notices, messages, results, faults
	Messages uint64 // executed
	Refused  uint64
	Doubled  uint64 // copies of a message that arrived again
	Lost     uint64 // messages the network dropped
	Stale    uint64 // messages that came in the attempt after the one they were for
	Crashes  uint64
	Deaths   int
	Cuts     uint64
	Rounds   int
	Voids    int
	Expelled int
	Slashed  int
	Cheaters int
	Settled  int // receipts chains
	Adopted  int // by competitions
	Copies   int // found
	Refuted  int // runners who lied about a trial

	Seasons     int // that ended with a decision
	Challengers int // adopted recipes that beat the programme's own
	Stages      []program.Stage
	Trainers    int
	Honest      Share // trainers' pay and loss, by what they are
	Cheating    Share
	Trace       crescendo.Hash // of every event in order, and of the final state
}

// Share is what a group of trainers earned and lost.
type Share struct {
	People int
	Paid   crescendo.Amount
	Burned crescendo.Amount
}

// A Violation is an invariant that broke, or an actor that never got what it
// is due. Error begins with the command that plays it again.
type Violation struct {
	Config Config
	Height crescendo.Height
	Text   string
}

// Error implements error.
func (v *Violation) Error() string {
	again := fmt.Sprintf("go test ./sim -run TestProgramme -seed=%d", v.Config.Seed)
	if v.Config.Trainers != 0 {
		again += fmt.Sprintf(" -trainers=%d", v.Config.Trainers)
	}
	switch {
	case v.Config.Exodus != 0:
		again = strings.Replace(again, "TestProgramme", "TestExodus", 1)
	case v.Config.Misses != 0:
		again = strings.Replace(again, "TestProgramme", "TestMissedSoftCap", 1)
	}
	if v.Config.Calm {
		again += " -calm"
	}
	return fmt.Sprintf("block %d: %s\n  again: %s", v.Height, v.Text, again)
}

// blockTicks is the virtual time between two blocks.
const blockTicks = 10

const defaultMaxBlock = 6000

// world is the state of one run.
type world struct {
	Config
	asked  Config // as the caller gave it
	rng    *rand.Rand
	queue  queue
	now    int64 // ticks
	chain  *chain
	actors []*actor
	cast   cast
	sky    weather
	books  books
	past   history
	hasher *blake3.Hasher
	report Report
	broken error
	over   bool
}

// Run plays a programme to its end. The error is a *Violation unless the
// configuration is unusable.
func Run(c Config) (Report, error) {
	w, err := newWorld(c)
	if err != nil {
		return Report{Seed: c.Seed}, err
	}
	for w.broken == nil && !w.over {
		w.step()
	}
	w.finishReport()
	return w.report, w.broken
}

func newWorld(c Config) (*world, error) {
	if c.Trainers < 0 || c.Trainers > 400 || c.MaxBlock < 0 || max(c.Exodus, c.Misses) > rungs {
		return nil, fmt.Errorf("simulate: %d trainers, %d blocks, exodus from rung %d, rung %d misses: want at most 400 trainers and %d rungs", c.Trainers, c.MaxBlock, c.Exodus, c.Misses, rungs)
	}
	w := &world{Config: c, asked: c, rng: rand.New(rand.NewPCG(c.Seed, 0x637265736365)), hasher: blake3.New(32, nil)}
	w.report.Seed = c.Seed
	if w.MaxBlock == 0 {
		w.MaxBlock = defaultMaxBlock
	}
	if err := w.setUp(); err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	w.schedule(blockTicks, "block", nil, w.block)
	return w, nil
}

// step lets the next event happen.
func (w *world) step() {
	e, ok := w.queue.pop()
	if !ok {
		w.fail("nothing is left to happen")
		return
	}
	w.now = e.at
	w.report.Events++
	w.trace(e)
	e.do()
}

// fail notes the first thing that broke; the run ends with it.
func (w *world) fail(format string, args ...any) {
	if w.broken == nil {
		v := &Violation{Config: w.asked, Text: fmt.Sprintf(format, args...)}
		if w.chain != nil {
			v.Height = w.chain.env.Height
		}
		w.broken = v
	}
}

// schedule has do called after so many ticks, for an actor or nobody.
func (w *world) schedule(after int64, name string, who *actor, do func()) {
	w.queue.push(event{at: w.now + max(after, 1), name: name, who: who, do: do})
}

// trace adds an event to the run's hash and log.
func (w *world) trace(e event) {
	who := ""
	if e.who != nil {
		who = string(e.who.name)
	}
	w.note("%d %s %s", e.at, e.name, who)
}

// note adds a line to the run's hash and log.
func (w *world) note(format string, args ...any) {
	line := fmt.Appendf(nil, format, args...)
	line = append(line, '\n')
	w.hasher.Write(line)
	if w.Log != nil {
		if _, err := w.Log.Write(line); err != nil && w.broken == nil {
			w.broken = fmt.Errorf("write log: %w", err)
		}
	}
}

// one reports true once in n times.
func (w *world) one(n int) bool { return w.rng.IntN(n) == 0 }

// between draws from lo to hi, both included.
func (w *world) between(lo, hi int) int { return lo + w.rng.IntN(hi-lo+1) }

func (w *world) height() crescendo.Height { return w.chain.env.Height }

// block makes a block, tells everybody, and sees what may have broken.
func (w *world) block() {
	w.weather()
	w.exodus()
	w.chain.block(w)
	w.report.Blocks++
	if w.broken != nil {
		return
	}
	w.books.check(w)
	w.past.checkProgress(w)
	for _, a := range w.actors {
		w.notify(a)
	}
	switch {
	case w.finished():
		w.checkEnd()
		w.over = true
	case w.report.Blocks >= w.MaxBlock:
		w.fail("the programme has not ended after %d blocks (pending: %s; plans %v): %s", w.report.Blocks, w.pending(), w.cast.plans(), w.chain.situation())
	default:
		w.schedule(blockTicks, "block", nil, w.block)
	}
}

func (w *world) finishReport() {
	r := &w.report
	if w.chain != nil {
		for i := range w.chain.rungs {
			r.Stages = append(r.Stages, w.chain.rungs[i].state.Stage)
		}
		w.chain.store.hashInto(w.hasher)
		io.WriteString(w.hasher, w.chain.bank.String())
	}
	w.hasher.Sum(r.Trace[:0])
}
