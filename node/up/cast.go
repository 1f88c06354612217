package up

import (
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
)

// part is one seat or demo actor of a run: its key is keys/<name>.key.
type part struct {
	Name    string            // "trainer-3"
	Account crescendo.Account // set once its key exists
	Cheat   string            // how a free rider cheats; empty: it is honest
}

// cast is everybody who takes part in a run on this machine.
type cast struct {
	Organiser  part
	Keeper     part
	Operator   part
	Wallet     part // of the people who visit the hub on this machine; no actor plays it
	Funders    []part
	Clients    []part
	Trainers   []part
	Evaluators []part
	Workshop   []part // free riders that a button of the hub adds

	Researchers []part
	Copiers     []part // researchers who enter what others have written
	Newcomers   []part // researchers who enter seasons
}

// castOf names everybody. Which trainers are free riders depends on the seed,
// and their names do not tell.
func castOf(demo programfile.Demo, seed uint64) *cast {
	c := &cast{
		Organiser:  part{Name: "organiser"},
		Keeper:     part{Name: "keeper"},
		Operator:   part{Name: "operator"},
		Wallet:     part{Name: "wallet"},
		Funders:    parts("funder", demo.Funders),
		Clients:    parts("client", demo.Clients),
		Trainers:   parts("trainer", demo.Trainers+demo.FreeRiders),
		Evaluators: parts("evaluator", demo.Evaluators),
		Workshop:   parts("workshop", 4),

		Researchers: parts("researcher", demo.Researchers),
		Copiers:     parts("copier", demo.Copiers),
		Newcomers:   parts("newcomer", demo.Newcomers),
	}
	order := make([]int, len(c.Trainers))
	for i := range order {
		order[i] = i
	}
	rng := engine.NewSplitMix(seed)
	for i := len(order) - 1; i > 0; i-- {
		j := rng.Intn(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	for i := range min(demo.FreeRiders, len(order)) {
		kinds := demo.CheatKinds
		if len(kinds) == 0 {
			kinds = []string{"nothing"}
		}
		c.Trainers[order[i]].Cheat = kinds[i%len(kinds)]
	}
	return c
}

func parts(role string, n int) []part {
	ps := make([]part, n)
	for i := range ps {
		ps[i].Name = fmt.Sprintf("%s-%d", role, i+1)
	}
	return ps
}

// all lists everybody in a fixed order.
func (c *cast) all() []*part {
	out := []*part{&c.Organiser, &c.Keeper, &c.Operator, &c.Wallet}
	for _, group := range [][]part{c.Funders, c.Clients, c.Trainers, c.Evaluators, c.Researchers, c.Copiers, c.Newcomers, c.Workshop} {
		for i := range group {
			out = append(out, &group[i])
		}
	}
	return out
}

// played lists the accounts that this run looks after: not the wallet of
// people, who claim for themselves or not at all.
func (c *cast) played() []crescendo.Account {
	var out []crescendo.Account
	for _, p := range c.all() {
		if p != &c.Wallet {
			out = append(out, p.Account)
		}
	}
	return out
}

// accounts lists the accounts of everybody.
func (c *cast) accounts() []crescendo.Account {
	var out []crescendo.Account
	for _, p := range c.all() {
		out = append(out, p.Account)
	}
	return out
}

// Pocket money for what nobody foresees, such as a wallet's first steps by
// hand.
const pocketMoney crescendo.Amount = 1_000_000_000

// balances is what everybody begins with: enough for all raises, bonds and
// prices of the programme.
func (c *cast) balances(spec program.Spec, demo programfile.Demo) map[crescendo.Account]crescendo.Amount {
	b := map[crescendo.Account]crescendo.Amount{}
	var caps, bonds, running, entering crescendo.Amount
	for _, r := range spec.Rungs {
		caps += r.Raise.HardCap
		bonds += r.Training.Bond
		running += r.Competition.RunnerBond
		running += r.Season.RunnerBond
		entering += r.Competition.Bond
		entering += r.Season.Bond
	}
	for _, p := range c.all() {
		b[p.Account] = pocketMoney
	}
	for _, p := range c.Funders {
		b[p.Account] += caps/crescendo.Amount(max(1, len(c.Funders))) + caps/16
	}
	for _, p := range c.Trainers {
		b[p.Account] += 2*bonds + running
	}
	for _, p := range slices.Concat(c.Researchers, c.Copiers, c.Newcomers) {
		b[p.Account] += entering
	}
	for _, p := range c.Workshop {
		b[p.Account] += 2 * bonds
	}
	b[c.Wallet.Account] += caps / 4
	for _, p := range c.Evaluators {
		b[p.Account] += 2 * spec.Evaluation.Bond
	}
	for _, p := range c.Clients {
		b[p.Account] += c.spending(spec, demo)
	}
	return b
}

// spending bounds what a demo client pays over all rungs, sessions left open
// by crashes included.
func (c *cast) spending(spec program.Spec, demo programfile.Demo) crescendo.Amount {
	var sum crescendo.Amount
	for _, r := range spec.Rungs {
		sum += SessionEscrow(r, demo) * 8
	}
	return sum
}

// SessionEscrow is what a demo client puts into a session: the price of all
// its requests if each fills the context, and a half more.
func SessionEscrow(r program.Rung, demo programfile.Demo) crescendo.Amount {
	perRequest := crescendo.Amount(r.Model.Context)*(r.Inference.InputPrice+r.Inference.OutputPrice)/1000 + 2
	escrow := perRequest * crescendo.Amount(max(1, demo.Requests))
	return escrow + escrow/2 + 1
}

// cheats are the names of the free riders, for the label that only people see.
func (c *cast) cheats() []string {
	var names []string
	for _, t := range c.Trainers {
		if t.Cheat != "" {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return names
}
