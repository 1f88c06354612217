package sim

import (
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
)

// weather decides which faults happen. Storms come and go until the last one;
// after it everything works, and everybody must get what it is due.
type weather struct {
	storm  bool
	until  crescendo.Height // the storm, or the calm, lasts until then
	last   crescendo.Height // no faults from here on
	fault  crescendo.Height // when a fault last touched anything
	settle bool             // everything has been put right after the last storm
	held   []*transaction   // kept for a later attempt at their round
}

// weather is called before every block.
func (w *world) weather() {
	h := w.height()
	w.deliverHeld()
	if h >= w.sky.last {
		w.clear()
		return
	}
	if h >= w.sky.until {
		w.sky.storm = !w.sky.storm
		span := w.between(60, 240)
		if w.sky.storm {
			span = w.between(15, 70)
		}
		w.sky.until = h + crescendo.Height(span)
		w.note("storm %t until %d", w.sky.storm, w.sky.until)
	}
	if !w.sky.storm {
		return
	}
	w.sky.fault = h
	for range w.between(0, 1+len(w.actors)/60) {
		w.crash(w.actors[w.rng.IntN(len(w.actors))])
	}
	if w.one(20) {
		w.partition()
	}
	for _, a := range w.cast.doomed {
		if w.one(100) {
			w.die(a)
		}
	}
}

// clear ends all faults.
func (w *world) clear() {
	if w.sky.settle {
		return
	}
	w.sky.settle, w.sky.storm = true, false
	w.sky.fault = w.height()
	for _, a := range w.cast.doomed {
		w.die(a)
	}
	for _, a := range w.actors {
		w.restart(a)
		w.heal(a)
	}
}

// crash stops a process at once. It comes back some blocks later with what it
// had persisted; one in eight has lost its disk as well.
func (w *world) crash(a *actor) {
	if a.down {
		return
	}
	disk := w.one(8)
	w.report.Crashes++
	w.note("crash %s disk=%t", a.name, disk)
	a.down, a.hurt = true, w.height()
	a.epoch++
	clear(a.sent)
	a.mind.forget(w, disk)
	w.schedule(int64(w.between(1, 45)*blockTicks), "restart", a, func() { w.restart(a) })
}

// die takes an actor away for good.
func (w *world) die(a *actor) {
	if a.gone {
		return
	}
	w.report.Deaths++
	w.note("gone %s", a.name)
	a.gone, a.down, a.hurt = true, true, never
	a.epoch++
}

func (w *world) restart(a *actor) {
	if a.down && !a.gone {
		a.down, a.hurt = false, w.height()
		w.sky.fault = w.height()
	}
}

// partition cuts a random part of all actors off; now and then most of one
// kind, as when they share a provider.
func (w *world) partition() {
	share := w.between(3, 12) // one in so many
	kind := ""
	if w.one(2) {
		share, kind = 2, []string{"evaluator", "trainer"}[w.rng.IntN(2)]
	}
	span := int64(w.between(5, 40) * blockTicks)
	w.report.Cuts++
	for _, a := range w.actors {
		if a.cut || !strings.HasPrefix(string(a.name), kind) || !w.one(share) {
			continue
		}
		a.cut, a.hurt, a.healed = true, w.height(), w.now+span
		w.schedule(span, "heal", a, func() {
			if a.healed <= w.now {
				w.heal(a)
			}
		})
	}
}

func (w *world) heal(a *actor) {
	if a.cut {
		a.cut, a.hurt = false, w.height()
		w.sky.fault = w.height()
	}
}

// exodus takes all trainers away once the rung it is about has closed a round.
func (w *world) exodus() {
	if w.Exodus == 0 {
		return
	}
	if v := &w.chain.rungs[w.Exodus-1]; v.state.Stage == program.StageTraining && v.run.Round > 1 {
		for _, t := range w.cast.trainers {
			w.die(t.self)
		}
	}
}
