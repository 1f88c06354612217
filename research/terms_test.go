package research_test

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

// Terms whose figures could leave 64 bits are refused: of documents, of tasks,
// of steps, of trials.
func TestTermsThatAreRefused(t *testing.T) {
	sound := newContest().terms
	sound.TasksBP = 1000
	for _, c := range []struct {
		name string
		edit func(*research.Terms)
		want string // empty: nothing is refused
	}{
		{"nothing", func(*research.Terms) {}, ""},
		{"no trials", func(k *research.Terms) { k.Replicas = 1 }, "replicas: 1"},
		{"as many documents as may be", func(k *research.Terms) { k.TasksBP, k.Seeds, k.Documents = 0, 64, 64 }, ""},
		{"too many documents", func(k *research.Terms) { k.TasksBP, k.Seeds, k.Documents = 0, 64, 65 }, "documents: 65"},
		{"as many items as may be", func(k *research.Terms) { k.Seeds, k.Documents = 64, 16 }, ""},
		{"too many items", func(k *research.Terms) { k.Seeds, k.Stages, k.Documents = 43, 3, 16 }, "tasks-bp: with 129 seeds"},
		{"many seeds without tasks", func(k *research.Terms) { k.TasksBP, k.Seeds, k.Stages, k.Documents = 0, 43, 3, 16 }, ""},
		{"too many steps", func(k *research.Terms) { k.Growth, k.Stages = 16, 7 }, "growth: more than"},
		{"too many trials", func(k *research.Terms) { k.MaxEntries, k.Seeds = 1000, 64 }, "max-entries:"},
	} {
		terms := sound
		c.edit(&terms)
		err := terms.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A rung with the top bit set is no other name for a season.
func TestRungsThatSeemSeasons(t *testing.T) {
	const sender, rung = "ann", crescendo.RungID(research.Contest(1)<<31 | 2)
	recipe := research.Recipe{Version: research.RecipeVersion, Author: sender, Name: "recipe"}
	hash := crescendo.Hash{1}
	if !research.Contest(rung).IsSeason() {
		t.Fatal("the test tests nothing")
	}
	for _, m := range []crescendo.Message{
		&research.MsgEnter{Sender: sender, Rung: rung, Commitment: hash},
		&research.MsgRevealEntry{Sender: sender, Rung: rung, Recipe: recipe},
		&research.MsgRun{Sender: sender, Rung: rung},
		&research.MsgCommitTrial{Sender: sender, Rung: rung, Stage: 1, Recipe: hash, Commitment: hash},
		&research.MsgRevealTrial{Sender: sender, Rung: rung, Stage: 1, Recipe: hash, Weights: hash, Losses: []uint64{1}},
		&research.MsgRegister{Sender: sender, Rung: rung, Recipe: hash},
		&research.MsgAdopt{Sender: sender, Rung: rung, Recipe: hash},
		&research.MsgNameCorpus{Sender: sender, Rung: rung, Corpus: hash, Root: hash},
	} {
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), "no such rung") {
			t.Errorf("%T: %v, want a refusal of the rung", m, err)
		}
	}
}
