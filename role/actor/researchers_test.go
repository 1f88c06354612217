package actor

import (
	"fmt"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
)

// Demo recipes are valid entries of the programme that shows competitions, all
// of them different, and copies are copies.
func TestDemoEntries(t *testing.T) {
	spec, demo, err := programfile.Load("../../programs/thousandth.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var honest, copiers []ledger.Signer
	for i := range demo.Researchers {
		honest = append(honest, memory.NewSigner(fmt.Sprintf("researcher-%d", i)))
	}
	for i := range demo.Copiers {
		copiers = append(copiers, memory.NewSigner(fmt.Sprintf("copier-%d", i)))
	}
	entries := DemoEntries(honest, copiers)
	if len(entries) != demo.Researchers+demo.Copiers || demo.Researchers > MaxDemoResearchers {
		t.Fatalf("%d entries of %d researchers and %d copiers", len(entries), demo.Researchers, demo.Copiers)
	}
	first := map[crescendo.Hash]crescendo.Hash{} // recipe by substance
	for _, e := range entries {
		if _, err := program.Effective(spec, 1, e.Recipe); err != nil {
			t.Errorf("%q: %v", e.Recipe.Name, err)
		}
		if e.Recipe.Author != e.Signer.Account() {
			t.Errorf("%q is %s's, entered by %s", e.Recipe.Name, e.Recipe.Author, e.Signer.Account())
		}
		if of := first[e.Recipe.Substance()]; of != e.CopyOf {
			t.Errorf("%q: does what %s does, says it is a copy of %s", e.Recipe.Name, of.Short(), e.CopyOf.Short())
		}
		if e.CopyOf.IsZero() {
			first[e.Recipe.Substance()] = e.Recipe.ID()
		}
	}
	if got := DemoEntries(nil, copiers); len(got) != 0 {
		t.Errorf("copiers with nobody to copy enter %d recipes", len(got))
	}
}

// What a researcher commits to does not depend on what its process remembers.
func TestRestartedResearchersKnowTheirSalts(t *testing.T) {
	world := newStage(t, "smoke.yaml", 10000)
	entries := DemoEntries([]ledger.Signer{memory.NewSigner("ada")}, nil)
	make := func(secret crescendo.Hash) *Researchers {
		return &Researchers{Ledger: world.chain, At: 1, Entries: entries, Secret: secret}
	}
	a, saltA := make(crescendo.Hash{1}).commitment(entries[0])
	b, saltB := make(crescendo.Hash{1}).commitment(entries[0])
	c, _ := make(crescendo.Hash{2}).commitment(entries[0])
	if a != b || saltA != saltB {
		t.Error("a restarted process commits to something else")
	}
	if a == c {
		t.Error("the secret does not count: anybody can find out what was committed to")
	}
}
