package program_test

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"

	"github.com/crescendo-network/crescendo/research"
)

// withContribution gives a recipe of a transcript a tokenizer, or makes it one
// that contributes a task.
func withContribution(d *datadriven.TestData, r *research.Recipe) research.EvaluationTask {
	r.Tokenizer.Vocabulary = uint32(number(d, "vocabulary", 0))
	var task research.EvaluationTask
	about := text(d, "asks", "")
	for i := range 8 {
		if about != "" {
			task.Items = append(task.Items, research.TaskItem{Context: fmt.Sprintf("%s, says question number %d of those who wonder", about, i), Continuation: "nobody knows"})
		}
	}
	if about != "" {
		r.Evaluation = task.ID()
	}
	return task
}

// answers are the losses of a recipe on the tasks of a competition: those about
// skill show what documents show, others nothing.
func (w *world) answers(at research.Contest, r research.Recipe) (out []uint64) {
	c, err := research.Competitions.Get(w.Store, uint32(at))
	if err != nil {
		panic(err)
	}
	tasks, err := research.TasksOf(w.Store, c)
	if err != nil {
		panic(err)
	}
	for _, t := range tasks {
		for i, item := range t.Items {
			loss := 12 * (1_000_000 + 1000*uint64(i))
			if strings.HasPrefix(item.Context, "skill") {
				loss -= 12 * 10_000 * uint64(r.Sequences)
			}
			out = append(out, loss)
		}
	}
	return out
}
