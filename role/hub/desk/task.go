package desk

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/research"
)

var contribute = action{
	name: "task", title: "Contribute an evaluation task", verb: "Enter it",
	about: "Text that every recipe is asked about in the last stage of a competition: how much it wonders at each continuation after its context. " +
		"A task that tells the best recipe from the programme's own earns its author a part of the prize. It is entered sealed, as recipes are.",
	fields: []field{
		{name: "rung", label: "Rung", kind: "rung", stages: []program.Stage{program.StageRaising, program.StageCompeting}},
		{name: "name", label: "Name", kind: "text", standard: "my task"},
		{name: "items", label: "Items", kind: "area",
			hint: fmt.Sprintf(`%d to %d lines like {"context": "2 + 2 is", "continuation": " 4"}, of at least %d bytes; what repeats the corpus counts nothing`,
				research.MinTaskItems, research.MaxTaskItems, research.MinItemBytes)},
	},
	build: buildTask,
	facts: competitionFacts,
}

// buildTask makes the sealed entry of a task.
func buildTask(w wish) (intent, error) {
	rung, err := w.form.rung("rung")
	if err != nil {
		return intent{}, err
	}
	task, err := programfile.ParseTask("items", []byte(w.form["items"]))
	if err != nil {
		return intent{}, err
	}
	recipe := research.Recipe{Version: research.RecipeVersion, Author: w.me, Name: w.form["name"], Evaluation: task.ID()}
	if err := w.spec.Fits(research.Contest(rung), recipe); err != nil {
		return intent{}, err
	}
	substance := recipe.Substance()
	first, err := research.Substances.Get(w.state, substance[:])
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return intent{}, fmt.Errorf("look for copies: %w", err)
	}
	if err == nil && !w.mine(first.Recipe) {
		return intent{}, crescendo.Errorf(crescendo.CodeDuplicate, "task: somebody has contributed it before").
			WithHint("a copy loses its bond and earns nothing: ask something else")
	}
	e := w.seal(research.Contest(rung), recipe, &task)
	terms := w.spec.Rungs[rung-1].Competition
	return intent{
		message: e.commit(), secret: e,
		facts: []fact{
			{"Task", task.ID().String()},
			{"Items", decimal(uint64(len(task.Items)))},
			{"Tasks that are kept share", fmt.Sprintf("%d.%02d %% of the prize", terms.TasksBP/100, terms.TasksBP%100)},
			{"Bond", terms.Bond.String() + ", back unless it is a copy or is never shown"},
		},
	}, nil
}
