package sim

import (
	"bytes"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
)

// The same seed gives the same history, event for event.
func TestSameSeedSameTrace(t *testing.T) {
	c := Config{Seed: 77, Trainers: 16}
	var logs [2]bytes.Buffer
	var reports [2]Report
	for i := range reports {
		c.Log = &logs[i]
		var err error
		if reports[i], err = Run(c); err != nil {
			t.Fatal(err)
		}
	}
	if reports[0].Trace != reports[1].Trace {
		a, b := strings.Split(logs[0].String(), "\n"), strings.Split(logs[1].String(), "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("line %d differs:\n%s\n%s", i+1, a[i], b[i])
			}
		}
		t.Fatalf("traces differ: %s and %s", reports[0].Trace, reports[1].Trace)
	}
	c.Seed, c.Log = 78, nil
	if other, err := Run(c); err != nil || other.Trace == reports[0].Trace {
		t.Errorf("another seed gives the same trace (%v)", err)
	}
}

// With nobody cheating and nothing broken, nobody is punished, no round is
// void, and the whole ladder comes into service.
func TestCalm(t *testing.T) {
	r, err := Run(Config{Seed: 5, Trainers: 20, Calm: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Voids != 0 || r.Expelled != 0 || r.Slashed != 0 || r.Honest.Burned != 0 || r.Lost != 0 {
		t.Errorf("a calm programme has %d void rounds, %d expelled, %d slashed, %d burned, %d lost messages", r.Voids, r.Expelled, r.Slashed, r.Honest.Burned, r.Lost)
	}
	for i, s := range r.Stages {
		if s != program.StageServing && s != program.StageOpened {
			t.Errorf("rung %d ends %s", i+1, s)
		}
	}
}

// A raise that misses its soft cap is refunded to the last unit, bonds
// included, and the ladder ends there; the rungs below go on serving.
func TestMissedSoftCap(t *testing.T) {
	for _, rung := range []crescendo.RungID{1, 3} {
		r, err := Run(Config{Seed: 40 + uint64(rung), Trainers: 16, Misses: rung})
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range r.Stages {
			served := got == program.StageServing || got == program.StageOpened
			switch id := crescendo.RungID(i + 1); {
			case id < rung && !served, id == rung && got != program.StageRefunding, id > rung && got != program.StageAnnounced:
				t.Errorf("rung %d misses its soft cap: rung %d ends %s", rung, id, got)
			}
		}
	}
}

// All trainers of a rung go away for good: it is given up in the end, bonds and
// earned pay go back to members, and holders get what was not spent.
func TestExodus(t *testing.T) {
	if testing.Short() {
		t.Skip("waits out the patience of a rung: thousands of blocks")
	}
	r, err := Run(Config{Seed: 9, Trainers: 12, Calm: true, Exodus: 2, MaxBlock: 20_000})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Stages[1]; got != program.StageRefunding {
		t.Errorf("rung 2 ends %s, want refunding", got)
	}
	if got := r.Stages[2]; got != program.StageAnnounced {
		t.Errorf("rung 3 is %s, want announced: the rung before it failed", got)
	}
}

// A check that never fails checks nothing: each kind of damage is noticed in
// the block in which it is done.
func TestDamageIsNoticed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(*world)
		want   string
	}{
		{"money from a pot", func(w *world) {
			pay(w, crescendo.Pot("funding", 1), "funder-0", 1)
		}, "its rule owes"},
		{"money into a pot", func(w *world) {
			pay(w, "funder-0", training.Pot(1), 1)
		}, "its rule owes"},
		{"money burned", func(w *world) {
			pay(w, "funder-0", crescendo.Burn, 1)
		}, "the supply is"},
		{"a closed round written again", func(w *world) {
			r, _ := training.Rounds.Get(w.chain.store, uint32(1), uint32(1))
			r.Tokens++
			write(training.Rounds.Set(w.chain.store, r, uint32(1), uint32(1)))
		}, "closed round changed"},
		{"a bond forgotten", func(w *world) {
			m, _ := training.Members.Get(w.chain.store, uint32(1), "trainer-0")
			m.Bond++
			write(training.Members.Set(w.chain.store, m, uint32(1), "trainer-0"))
		}, "its rule owes"},
		{"an honest trainer expelled", func(w *world) {
			out, err := training.Expel(w.chain.env, w.chain.store, w.chain.spec.Terms(1), "trainer-1", "replay mismatch in round 1")
			write(err)
			write(w.chain.bank.Execute(out.Transfers))
			w.happened(out)
		}, "did not cheat"},
		{"a round that closes twice", func(w *world) {
			w.past.event(w, crescendo.NewEvent("training.round-closed", 1, "round", 1, "paid", 0))
		}, "happened twice"},
		{"an honest evaluator slashed", func(w *world) {
			w.past.event(w, crescendo.NewEvent("evaluation.slashed", 1, "round", 1, "evaluator", "evaluator-0", "reason", "accused without cause"))
		}, "is slashed"},
		{"nothing happening", func(w *world) {
			// The rung has been silent for as long as nobody may be.
			w.chain.env.Height += 4 * patience
			w.past.checkProgress(w)
		}, "nothing goes forward"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := newWorld(Config{Seed: 3, Trainers: 8, Calm: true, MaxBlock: 6000})
			if err != nil {
				t.Fatal(err)
			}
			for w.broken == nil && !w.over && w.chain.rungs[0].run.Round < 2 {
				w.step()
			}
			if w.broken != nil {
				t.Fatalf("before the damage: %v", w.broken)
			}
			tt.damage(w)
			for from := w.height(); w.broken == nil && w.height() < from+2; {
				w.step()
			}
			if w.broken == nil || !strings.Contains(w.broken.Error(), tt.want) {
				t.Errorf("the checks say %v, want %q", w.broken, tt.want)
			}
		})
	}
}

func pay(w *world, from, to crescendo.Account, amount crescendo.Amount) {
	write(w.chain.bank.Execute([]crescendo.Transfer{{From: from, To: to, Amount: amount}}))
}

func write(err error) {
	if err != nil {
		panic(err)
	}
}

// Times never run backwards, and events of one moment keep their order.
func TestQueue(t *testing.T) {
	var q queue
	for i, at := range []int64{5, 3, 9, 3, 0, 5, 3, 7, 1, 9} {
		q.push(event{at: at, name: string(rune('a' + i))})
	}
	var got strings.Builder
	for e, ok := q.pop(); ok; e, ok = q.pop() {
		got.WriteString(e.name)
	}
	if want := "eibdgafhcj"; got.String() != want {
		t.Errorf("events come as %s, want %s", got.String(), want)
	}
}
