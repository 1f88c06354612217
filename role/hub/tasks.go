package hub

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// TaskLine is an evaluation task that somebody contributed to a competition.
// Losses and gains are in micro-nats per byte of the continuations.
type TaskLine struct {
	Recipe crescendo.Hash `json:"recipe"` // that contributes it
	Task   crescendo.Hash `json:"task"`
	Name   string         `json:"name"`
	Author page.Person    `json:"author"`
	Items  int            `json:"items"`
	Asked  bool           `json:"asked"` // the last halving stage is over
	N      uint32         `json:"n"`
	Mean   int64          `json:"mean_gain"` // of the best challenger over the baseline
	Low    int64          `json:"low"`
	High   int64          `json:"high"`
	Kept   bool           `json:"kept"`
	Losses []TaskFigure   `json:"losses"` // of the best recipes

	// Served is the loss of the last public checkpoint; zero: not known here.
	Served uint64 `json:"served,omitempty"`

	content research.EvaluationTask
}

// TaskFigure is how well a recipe does on a task.
type TaskFigure struct {
	Recipe crescendo.Hash `json:"recipe"`
	Name   string         `json:"name"`
	Loss   uint64         `json:"loss"`
}

// tasks lists what a rung's competition asks beside documents, in the order of
// commitments.
func (f *facts) tasks(rung crescendo.RungID) ([]TaskLine, error) {
	out := []TaskLine{}
	c, err := kv.Optional(research.Competitions.Get(f.State, uint32(rung)))
	if err != nil || len(c.Tasks) == 0 {
		return out, err
	}
	contents, err := research.TasksOf(f.State, c)
	if err != nil {
		return out, err
	}
	for i, id := range c.Tasks {
		e, err := research.Entries.Get(f.State, uint32(rung), id[:])
		if err != nil {
			return out, fmt.Errorf("read entry %s: %w", id.Short(), err)
		}
		r, err := kv.Optional(research.TaskResults.Get(f.State, uint32(rung), id[:]))
		if err != nil {
			return out, err
		}
		t := TaskLine{Recipe: id, Task: contents[i].ID(), Name: f.recipeName(id), Author: f.person(e.Author), Items: len(contents[i].Items), Asked: r.Items > 0,
			N: r.N, Mean: r.Mean, Low: r.Low, High: r.High, Kept: r.Kept, Losses: []TaskFigure{}, content: contents[i]}
		for _, l := range r.Losses {
			t.Losses = append(t.Losses, TaskFigure{l.Recipe, f.recipeName(l.Recipe), l.Loss})
		}
		out = append(out, t)
	}
	return out, nil
}

// keptTasks are the tasks of a rung's competition that tell recipes apart.
func (f *facts) keptTasks(rung crescendo.RungID) ([]TaskLine, error) {
	all, err := f.tasks(rung)
	kept := []TaskLine{}
	for _, t := range all {
		if t.Kept {
			kept = append(kept, t)
		}
	}
	return kept, err
}

func contentsOf(tasks []TaskLine) (out []research.EvaluationTask) {
	for _, t := range tasks {
		out = append(out, t.content)
	}
	return out
}

// taskSection shows what tasks came to, under the leaderboards.
func (f *facts) taskSection(rung crescendo.RungID, tasks []TaskLine, terms research.Terms) page.Section {
	id := page.Decimal(rung)
	t := page.Table{ID: "tasks-" + id, Caption: "Evaluation tasks of rung " + id,
		Head: page.Columns("Task", "Author", "Items#", "n#", "Gain of the best#", "95 % interval#", "Baseline, nats per byte#", "Best, nats per byte#", "")}
	baseline := research.Baseline(f.Spec.Organiser).ID()
	for _, x := range tasks {
		row := []page.Cell{page.To(x.Name, "/recipe/"+x.Recipe.String()), page.Of(x.Author), page.Text(page.Count(x.Items))}
		if !x.Asked {
			row = append(row, page.Text("–"), page.Text("–"), page.Text("–"), page.Text("–"), page.Text("–"), page.Text("asked in the last stage"))
			t.Rows = append(t.Rows, row)
			continue
		}
		verdict := page.Cell{Text: "kept", Class: "good"}
		switch {
		case x.N == 0:
			verdict = page.Cell{Text: "not kept: it repeats the corpus", Class: "warn"}
		case !x.Kept:
			verdict = page.Cell{Text: "not kept: it does not tell recipes apart", Class: "warn"}
		}
		t.Rows = append(t.Rows, append(row, page.Text(page.Count(x.N)), page.Text(page.Count(x.Mean)), page.Text(page.Count(x.Low)+" to "+page.Count(x.High)),
			page.Text(lossOf(x.Losses, baseline, true)), page.Text(lossOf(x.Losses, baseline, false)), verdict))
	}
	return page.Section{ID: "tasks-title-" + id, Title: fmt.Sprintf("What else the recipes of rung %d are asked", rung), Table: &t,
		Note: fmt.Sprintf("contributed tasks decide nothing; those that tell recipes apart share %s of the prize; gains in micro-nats per byte", page.Percent(int64(terms.TasksBP), 10000))}
}

// lossOf finds the loss of the baseline, or of the best other recipe.
func lossOf(losses []TaskFigure, baseline crescendo.Hash, own bool) string {
	for _, l := range losses {
		if (l.Recipe == baseline) == own {
			return page.Nats(crescendo.MicroNats(l.Loss))
		}
	}
	return "–"
}

// modelTasks are the kept tasks with the losses of the last public checkpoint.
func (f *facts) modelTasks(r *rungFacts, samples []Sample) ([]TaskLine, error) {
	kept, err := f.keptTasks(r.id)
	if err != nil || len(samples) == 0 {
		return kept, err
	}
	for i, loss := range samples[len(samples)-1].answers {
		if i < len(kept) {
			kept[i].Served = loss
		}
	}
	return kept, nil
}

// modelTaskSection shows how a model does on what researchers thought worth
// asking.
func modelTaskSection(c ModelCard) page.Section {
	t := page.Table{ID: "model-tasks", Caption: "Evaluation tasks", Head: page.Columns("Task", "Author", "Items#", "Recipe in its trial, nats per byte#", "Last public checkpoint, nats per byte#")}
	for _, x := range c.Tasks {
		served, tried := "–", "–"
		if x.Served > 0 {
			served = page.Nats(crescendo.MicroNats(x.Served))
		}
		for _, l := range x.Losses {
			if l.Recipe == c.Recipe {
				tried = page.Nats(crescendo.MicroNats(l.Loss))
			}
		}
		t.Rows = append(t.Rows, []page.Cell{page.To(x.Name, "/recipe/"+x.Recipe.String()), page.Of(x.Author), page.Text(page.Count(x.Items)), page.Text(tried), page.Text(served)})
	}
	note := "contributed in the rung's competition; the loss of continuations given their contexts, measured by this hub"
	if c.Policy != program.Open && c.Sealed && !c.Opened {
		note += "; what the vault added after the last public checkpoint is sealed"
	}
	return page.Section{ID: "tasks", Title: "Evaluation tasks", Note: note, Table: &t}
}

// itemsSection shows what the task of a recipe asks; nil: it contributes none.
func (f *facts) itemsSection(r research.Recipe) (*page.Section, error) {
	if r.Evaluation.IsZero() {
		return nil, nil
	}
	task, err := research.Tasks.Get(f.State, r.Evaluation[:])
	if err != nil {
		return nil, fmt.Errorf("read evaluation task %s: %w", r.Evaluation.Short(), err)
	}
	s := page.Section{ID: "items", Title: "What it asks", Note: "contributed text: it says what its author made it say; how well a model expects what follows the bar"}
	for _, item := range task.Items {
		s.Code += item.Context + "▮" + item.Continuation + "\n\n"
	}
	return &s, nil
}
