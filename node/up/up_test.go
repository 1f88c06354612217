package up

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
)

func load(t *testing.T, file string) (program.Spec, programfile.Demo) {
	t.Helper()
	spec, demo, err := programfile.Load("../../programs/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return spec, demo
}

func TestFreeRidersDependOnTheSeedOnly(t *testing.T) {
	_, demo := load(t, "smoke.yaml")
	seen := map[string]bool{}
	for seed := range uint64(20) {
		c := castOf(demo, seed)
		if d := cmp.Diff(c.cheats(), castOf(demo, seed).cheats()); d != "" {
			t.Errorf("seed %d: %s", seed, d)
		}
		if len(c.cheats()) != demo.FreeRiders || len(c.Trainers) != demo.Trainers+demo.FreeRiders {
			t.Errorf("seed %d: %d free riders of %d trainers", seed, len(c.cheats()), len(c.Trainers))
		}
		for _, name := range c.cheats() {
			seen[name] = true
		}
	}
	if len(seen) < 4 {
		t.Errorf("over 20 seeds only %v were free riders: names give them away", seen)
	}
}

func TestEverybodyCanPayTheirWay(t *testing.T) {
	for _, file := range []string{"smoke.yaml", "thousandth.yaml", "opened.yaml", "refund.yaml"} {
		spec, demo := load(t, file)
		c := castOf(demo, 1)
		for _, p := range c.all() {
			p.Account = crescendo.Account(p.Name)
		}
		b := c.balances(spec, demo)
		var funders, caps crescendo.Amount
		for _, f := range c.Funders {
			funders += b[f.Account]
		}
		for _, r := range spec.Rungs {
			caps += r.Raise.HardCap
		}
		if funders < caps {
			t.Errorf("%s: funders own %d, the raises take %d", file, funders, caps)
		}
		for _, e := range c.Evaluators {
			if b[e.Account] <= spec.Evaluation.Bond {
				t.Errorf("%s: %s cannot pay its bond", file, e.Name)
			}
		}
	}
}

func TestAHomeHoldsOneRun(t *testing.T) {
	h, err := home.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	spec, demo := load(t, "smoke.yaml")
	n, resumed, err := loadNetwork(h, spec, demo, 7)
	if err != nil || resumed {
		t.Fatal(err, resumed)
	}
	n.Genesis = true
	if err := h.WriteJSON(networkFile, n); err != nil {
		t.Fatal(err)
	}
	filledIn := spec
	filledIn.Organiser, filledIn.Simulated = "cresc1organiser", true
	again, resumed, err := loadNetwork(h, filledIn, demo, 7)
	if err != nil || !resumed || again.ChainID != n.ChainID {
		t.Errorf("%v, resumed %v, %+v", err, resumed, again)
	}
	var refusal *crescendo.Error
	if _, _, err = loadNetwork(h, spec, demo, 8); !errors.As(err, &refusal) || refusal.Hint == "" {
		t.Errorf("another seed: %v", err)
	}
	other, _ := load(t, "opened.yaml")
	if _, _, err = loadNetwork(h, other, demo, 7); !errors.As(err, &refusal) {
		t.Errorf("another programme: %v", err)
	}
}
