package sim_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/sim"
)

var (
	oneSeed  = flag.Uint64("seed", 0, "play this seed only")
	seeds    = flag.Uint64("seeds", 5, "how many seeds to play")
	from     = flag.Uint64("from", 1, "the first seed to play")
	trainers = flag.Int("trainers", 0, "how many trainers; 0: drawn from the seed")
	calm     = flag.Bool("calm", false, "no faults and no cheats")
	logTo    = flag.String("log", "", "write every event of the run to this file")
)

// Whatever the weather and whoever cheats: what must never break holds after
// every block, and the programme comes to its end.
func TestProgramme(t *testing.T) {
	first, last := *from, *from+*seeds-1
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed
	}
	var events uint64
	var blocks, failed int
	var honest, cheating sim.Share
	began := time.Now()
	for seed := first; seed <= last; seed++ {
		r, err := play(t, seed)
		events, blocks = events+r.Events, blocks+r.Blocks
		add(&honest, r.Honest)
		add(&cheating, r.Cheating)
		if err != nil {
			t.Error(err)
			if failed++; failed >= 10 {
				break
			}
			continue
		}
		t.Logf("seed %d: %d blocks, %d events, %d trainers (%d cheats: %d of them expelled), %d rounds, %d void, %d stale, %d slashed, %d adopted (%d challengers, %d seasons, %d copies, %d refuted), %d crashes, %d cuts, stages %v, trace %s",
			r.Seed, r.Blocks, r.Events, r.Trainers, r.Cheaters, r.Expelled, r.Rounds, r.Voids, r.Stale, r.Slashed, r.Adopted, r.Challengers, r.Seasons, r.Copies, r.Refuted, r.Crashes, r.Cuts, r.Stages, r.Trace.Short())
	}
	t.Logf("an honest trainer is paid %d and loses %d on average (of %d), a cheating one is paid %d and loses %d (of %d)",
		mean(honest.Paid, honest), mean(honest.Burned, honest), honest.People, mean(cheating.Paid, cheating), mean(cheating.Burned, cheating), cheating.People)
	took := time.Since(began)
	t.Logf("%d seeds, %d blocks, %d events in %s: %.0f events a second", last-first+1, blocks, events, took.Round(time.Millisecond), float64(events)/took.Seconds())
}

func play(t *testing.T, seed uint64) (sim.Report, error) {
	t.Helper()
	c := sim.Config{Seed: seed, Trainers: *trainers, Calm: *calm}
	if *logTo != "" {
		f, err := os.Create(*logTo)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c.Log = f
	}
	return sim.Run(c)
}

func add(sum *sim.Share, s sim.Share) {
	sum.People += s.People
	sum.Paid += s.Paid
	sum.Burned += s.Burned
}

func mean(total crescendo.Amount, s sim.Share) crescendo.Amount {
	return total / crescendo.Amount(max(s.People, 1))
}
