package sim

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/program"
)

// cast is everybody who takes part, and what only the simulation knows about
// them.
type cast struct {
	byName    map[crescendo.Account]*actor
	trainers  []*trainer
	operators []*operator
	keepers   []*keeper
	clients   []*client
	fails     crescendo.RungID // its raise misses the soft cap; zero: none does
	doomed    []*actor         // will be gone before the last storm is over
	ending    bool             // all is done; it is time to take out what is due

	cheated map[deed]bool
	made    map[crescendo.Hash]made // payloads: what they are worth
	shown   map[crescendo.RungID][]crescendo.Hash
}

func (c *cast) actor(name crescendo.Account) *actor { return c.byName[name] }

func (c *cast) honest(name crescendo.Account) bool {
	a := c.byName[name]
	return a != nil && a.honest
}

// setUp draws programme and people from the seed.
func (w *world) setUp() error {
	if w.Trainers == 0 {
		w.Trainers = w.between(24, 260)
	}
	w.books, w.past = newBooks(), newHistory()
	w.cast = cast{byName: map[crescendo.Account]*actor{}, cheated: map[deed]bool{}, made: map[crescendo.Hash]made{}, shown: map[crescendo.RungID][]crescendo.Hash{}}
	if !w.Calm {
		w.sky.last = crescendo.Height(w.between(300, 1800))
		w.sky.until = crescendo.Height(w.between(10, 100))
		if w.one(4) {
			w.cast.fails = crescendo.RungID(w.between(1, rungs))
		}
	}
	if w.Misses != 0 {
		w.cast.fails = w.Misses
	}
	balances := map[crescendo.Account]crescendo.Amount{}
	add := func(honest bool, format string, args ...any) *actor {
		a := &actor{name: crescendo.Account(fmt.Sprintf(format, args...)), honest: honest, sent: map[purpose]crescendo.Height{}}
		w.actors = append(w.actors, a)
		w.cast.byName[a.name] = a
		balances[a.name] = 1_000_000_000_000
		return a
	}
	boss := add(true, "organiser")
	boss.mind = &organiser{boss}
	w.addWorkers(add)
	w.addBuyers(add)
	w.doom()
	chain, err := newChain(w.Seed, ladder(w, boss.name), balances, w.books.watch)
	w.chain = chain
	return err
}

// doom picks who will go away for good: so few evaluators that with the bad
// ones they are below a third, and one of everybody that there are several of.
func (w *world) doom() {
	if w.Calm {
		return
	}
	bad, panel := 0, 0
	var candidates []*actor
	for _, a := range w.actors {
		switch a.mind.(type) {
		case *evaluator:
			switch {
			case !a.honest:
				bad++
				panel++
			case a.mind.(*evaluator).joins == 0:
				candidates = append(candidates, a)
				panel++
			}
		case *trainer:
			if w.one(12) {
				w.cast.doomed = append(w.cast.doomed, a)
			}
		}
	}
	if room := (panel-1)/3 - bad; room > 0 {
		w.cast.doomed = append(w.cast.doomed, candidates[:w.rng.IntN(room+1)]...)
	}
	for _, name := range []crescendo.Account{"operator-0", "keeper-2", "funder-0", "client-1", "researcher-1"} {
		if w.one(3) {
			w.cast.doomed = append(w.cast.doomed, w.cast.byName[name])
		}
	}
}

// addWorkers adds trainers, evaluators, researchers, operators and keepers.
func (w *world) addWorkers(add func(bool, string, ...any) *actor) {
	cheats := map[bool]int{false: w.between(0, w.Trainers/3), true: 0}[w.Calm]
	w.report.Cheaters = cheats
	for i := range w.Trainers {
		t := &trainer{self: add(i >= cheats, "trainer-%d", i), skill: int64(w.between(0, 20_000)), pace: w.between(1, 8),
			journal: map[crescendo.RungID]labour{}, states: map[crescendo.Hash]bool{}}
		if i < cheats {
			t.cheat = cheatKinds[i%len(cheatKinds)]
			t.from = crescendo.Round(w.between(1, 5))
		}
		if w.one(5) {
			t.joins = crescendo.Height(w.between(20, 160))
		}
		t.self.mind = t
		w.cast.trainers = append(w.cast.trainers, t)
	}
	panel := w.between(4, 13)
	bad := map[bool]int{false: w.between(0, (panel-1)/3), true: 0}[w.Calm]
	late := w.between(0, 3) // honest ones, on top of the panel
	for i := range panel + late {
		e := &evaluator{self: add(i >= bad, "evaluator-%d", i), done: map[replayKey]bool{}}
		if i < bad {
			e.kind = []evaluatorKind{lazy, lying}[w.rng.IntN(2)]
		}
		if i >= panel {
			e.joins = crescendo.Height(w.between(20, 500))
		}
		e.self.mind = e
	}
	for i := range 2 {
		r := &researcher{self: add(true, "researcher-%d", i)}
		r.self.mind = r
	}
	if !w.Calm {
		r := &researcher{self: add(false, "copier"), copies: "researcher-0"}
		r.self.mind = r
	}
	for i := range 2 {
		o := newOperator(w, add(true, "operator-%d", i), i > 0)
		o.self.mind = o
		w.cast.operators = append(w.cast.operators, o)
	}
	for i := range 3 {
		k := &keeper{add(true, "keeper-%d", i)}
		k.self.mind = k
		w.cast.keepers = append(w.cast.keepers, k)
	}
}

func (w *world) addBuyers(add func(bool, string, ...any) *actor) {
	for i := range w.between(3, 12) {
		f := &funder{self: add(true, "funder-%d", i)}
		f.self.mind = f
	}
	for i := range w.between(2, 6) {
		c := &client{self: add(true, "client-%d", i), plans: w.between(3, 12), left: map[uint64]int{}, keeps: i == 0}
		c.self.mind = c
		w.cast.clients = append(w.cast.clients, c)
	}
}

// rungs is how many the ladder has.
const rungs = 7

// ladder is a programme of seven small rungs, from many trainers to few.
func ladder(w *world, organiser crescendo.Account) program.Spec {
	spec := program.Spec{
		Name: "simulated", Denom: "udemo", Organiser: organiser, Simulated: true,
		Corpus:     program.Corpus{Source: "go", Vocabulary: 512, HeldOutPerMille: 40},
		Evaluation: program.Evaluation{MinEvaluators: 3, Bond: 10_000_000, Sequences: 4},
	}
	seats := uint32(min(w.Trainers, 256))
	for i := range rungs {
		keep := max(seats*2/3, 6)
		policy := []string{program.SealedUntilRepaid, program.SealedUntilRepaid, program.Open, program.Sealed}[w.rng.IntN(4)]
		spec.Rungs = append(spec.Rungs, program.Rung{
			Name:  fmt.Sprintf("rung %d", i+1),
			Model: program.Model{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Context: 8, Tied: true},
			Raise: program.Raise{SoftCap: crescendo.Amount(w.between(1, 100)) * 100_003, HardCap: crescendo.Amount(1+i) * 100_000_007, Blocks: uint64(w.between(20, 70))},
			Training: program.Training{Rounds: uint32(w.between(2, 6)), Steps: 2, Sequences: 2, Eager: 1, MinTrainers: 3, Seats: max(seats, 6), Keep: min(keep, max(seats, 6)),
				Codec: "q2", Probation: uint32(w.between(0, 3)), AuditPerMille: uint32(w.between(0, 1000)), Bond: crescendo.Amount(w.between(0, 1_000_000)),
				CommitBlocks: uint64(w.between(10, 20)), RevealBlocks: uint64(w.between(8, 15)), VoteBlocks: uint64(w.between(8, 15)),
				TrainersBP: 6_000, EvaluatorsBP: 1_000, OperatorBP: 1_000,
				Optimizer: program.Optimizer{Kind: "muon", LRMillionths: 24_000, MatrixLRMillionths: 20_000}},
			Sealing:   program.Sealing{Policy: policy, FinalSteps: 4, OpenBlocks: uint64(w.rng.IntN(2) * 300)},
			Inference: program.Inference{InputPrice: 3_000_001, OutputPrice: 20_000_003, GraceBlocks: uint64(w.between(0, 30))},
			Revenue:   program.Revenue{OperatorsBP: 1_500, HoldersBP: 5_000, HoldersCapBP: uint32(w.between(300, 15_000)), ContributorsBP: 3_000, RoyaltyBP: 1_000},
		})
		if i%2 == 0 {
			spec.Rungs[i].Competition = competition(w)
			if i > 0 {
				spec.Rungs[i].Season = season(w)
			}
		}
		if raise := &spec.Rungs[i].Raise; w.cast.fails == crescendo.RungID(i+1) {
			raise.SoftCap = raise.HardCap - raise.HardCap/10 // beyond what the treasury can buy alone
		}
		seats = keep
	}
	return spec
}

// over reports whether a rung will not move any more.
func (v *rung) over() bool {
	switch v.state.Stage {
	case program.StageOpened, program.StageRefunding:
		return true
	case program.StageServing:
		return !v.seal.MayOpen
	}
	return false
}

// idle reports whether the ladder has nothing to do but wait for clients.
func (c *cast) idle(w *world) bool {
	for i := range w.chain.rungs {
		v := &w.chain.rungs[i]
		if v.state.Stage == program.StageAnnounced && i > 0 && w.chain.rungs[i-1].state.Stage == program.StageRefunding {
			return true // nobody comes after a rung that failed
		}
		if !v.over() {
			return false
		}
	}
	return true
}

// closing reports whether the time has come to take out what is due.
func (c *cast) closing(w *world) bool {
	if !c.idle(w) || !w.sky.settle && !w.Calm {
		return false
	}
	for _, x := range c.clients {
		if x.plans > 0 && !x.self.gone && c.served(w) {
			return false
		}
	}
	return true
}

// plans lists how many sessions each client still wants.
func (c *cast) plans() (out []int) {
	for _, x := range c.clients {
		out = append(out, x.plans)
	}
	return out
}

// served reports whether anything is on sale.
func (c *cast) served(w *world) bool {
	first := w.chain.rungs[0].state.Stage
	return first == program.StageServing || first == program.StageOpened
}

// finished reports whether everybody has what it is due and nothing more will
// happen.
func (w *world) finished() bool {
	w.cast.ending = w.cast.ending || w.cast.closing(w)
	return w.cast.ending && w.height()%8 == 0 && w.pending() == ""
}

// pending names something that is still due to somebody.
func (w *world) pending() string {
	for _, c := range w.cast.clients {
		for _, id := range w.chain.opened[c.self.name] {
			s, err := inference.Sessions.Get(w.chain.store, id)
			if err != nil || !s.Closed && !c.keeps && !c.self.gone {
				return fmt.Sprintf("session %d of %s: %+v %v", id, c.self.name, s, err)
			}
		}
	}
	for _, o := range w.cast.operators {
		if len(o.receipts) > 0 && !o.self.gone {
			return fmt.Sprintf("%s has receipts of %d sessions", o.self.name, len(o.receipts))
		}
	}
	for i := range w.chain.rungs {
		v := &w.chain.rungs[i]
		if v.state.Stage == program.StageRefunding {
			for _, a := range w.actors {
				p, err := optional(funding.Positions.Get(w.chain.store, uint32(v.id), string(a.name)))
				if err != nil || p.Shares > 0 && !p.Refunded && !a.gone {
					return fmt.Sprintf("rung %d owes %s a refund for %d %v", v.id, a.name, p.Shares, err)
				}
			}
		}
		if v.state.Stage != program.StageServing && v.state.Stage != program.StageOpened {
			continue
		}
		for _, a := range w.actors {
			if due := w.claimable(a, v.id); due > 0 && !a.gone {
				return fmt.Sprintf("rung %d owes %s %d", v.id, a.name, due)
			}
		}
	}
	return ""
}
