package research

import (
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
)

// takeTasks separates contributed tasks from what is trained. Of more tasks
// than a competition takes, those committed to first are asked.
func (w *turn) takeTasks(entries []contender) ([]contender, error) {
	var recipes []contender
	for _, e := range entries {
		content, err := Contents.Get(w.s, e.id[:])
		if err != nil {
			return nil, fmt.Errorf("read recipe %s of %s: %w", e.id.Short(), w.at, err)
		}
		if content.Evaluation.IsZero() {
			recipes = append(recipes, e)
			continue
		}
		if len(w.c.Tasks) < MaxTasks {
			w.c.Tasks = append(w.c.Tasks, e.id)
			e.Out = "evaluation task"
			w.emit("research.task", "recipe", e.id, "author", e.Author, "task", content.Evaluation, "place", len(w.c.Tasks))
		} else {
			e.Out = fmt.Sprintf("evaluation task: %d others were committed to before", MaxTasks)
		}
		if err := Entries.Set(w.s, e.Entry, uint32(w.at), e.id[:]); err != nil {
			return nil, err
		}
	}
	return recipes, nil
}

// setApart takes the losses of tasks out of what recipes are ranked by.
func (w *turn) setApart(lanes []lane) error {
	n, err := answersOf(w.s, w.t, w.c)
	if err != nil || n == 0 {
		return err
	}
	for i := range lanes {
		l := &lanes[i]
		l.answers = make([][]uint64, len(l.seeds))
		for s := range l.seeds {
			all := l.seeds[s].Losses
			if len(all) < n {
				l.seeds[s].Agreed = false
				continue
			}
			l.seeds[s].Losses, l.answers[s] = all[:len(all)-n:len(all)-n], all[len(all)-n:]
		}
	}
	return nil
}

// shown bounds the recipes whose losses on a task are written down.
const shown = MaxKept + 1

// judgeTasks compares the best challenger with the baseline on each task. A
// task is kept if it tells them apart beyond chance, whichever is better.
func (w *turn) judgeTasks(ranked []lane, seeds []int) error {
	baseline := slices.IndexFunc(ranked, func(l lane) bool { return l.own.Baseline })
	best := slices.IndexFunc(ranked, func(l lane) bool { return !l.own.Baseline })
	if w.c.Stage < w.t.Stages || best < 0 || len(w.c.Tasks) == 0 {
		return nil
	}
	at := 0
	for _, recipe := range w.c.Tasks {
		name, task, err := taskOf(w.s, recipe)
		if err != nil {
			return err
		}
		asked := question{items: task.Items, from: at, seeds: seeds}
		at += len(task.Items)
		gain := asked.compare(ranked[baseline], ranked[best])
		result := TaskResult{Task: name, Items: uint32(len(task.Items)), N: gain.n, Mean: gain.mean, Sigma: gain.sigma, Low: gain.low, High: gain.high,
			Kept: gain.n >= MinTaskItems && (gain.low > 0 || gain.high < 0)}
		for _, l := range ranked[:min(len(ranked), shown)] {
			result.Losses = append(result.Losses, TaskLoss{l.id, asked.loss(l)})
		}
		if err := w.settleTask(recipe, result); err != nil {
			return err
		}
	}
	return nil
}

// settleTask writes down what a task showed.
func (w *turn) settleTask(recipe crescendo.Hash, r TaskResult) error {
	e, err := Entries.Get(w.s, uint32(w.at), recipe[:])
	if err != nil {
		return fmt.Errorf("read entry %s of %s: %w", recipe.Short(), w.at, err)
	}
	r.Author, e.Out = e.Author, "evaluation task, not kept: it does not tell recipes apart"
	if r.Kept {
		e.Out = TaskKept
		w.tasks = append(w.tasks, e.Author)
	}
	w.emit("research.task-judged", "recipe", recipe, "author", e.Author, "task", r.Task, "items", r.Items, "n", r.N, "mean", r.Mean,
		"sigma", r.Sigma, "low", r.Low, "high", r.High, "kept", r.Kept)
	if err := Entries.Set(w.s, e, uint32(w.at), recipe[:]); err != nil {
		return err
	}
	return TaskResults.Set(w.s, r, uint32(w.at), recipe[:])
}

// question is a task's place among the losses of a trial.
type question struct {
	items []TaskItem
	from  int // of the losses that are of tasks
	seeds []int
}

// answer returns the loss on an item, held to what the worst guess costs; zero
// stands for an item that the recipe has trained on.
func (q question) answer(l lane, seed, item int) uint64 {
	return min(l.answers[seed][q.from+item], MaxLoss*uint64(len(q.items[item].Continuation)))
}

func (q question) compare(a, b lane) paired {
	var p paired
	for _, s := range q.seeds {
		for i, item := range q.items {
			x, y := q.answer(a, s, i), q.answer(b, s, i)
			if x > 0 && y > 0 {
				p.add(x, y, uint32(len(item.Continuation)))
			}
		}
	}
	p.close()
	return p
}

// loss is a recipe's mean over all bytes of the continuations it is asked for.
func (q question) loss(l lane) uint64 {
	var sum, size uint64
	for _, s := range q.seeds {
		for i, item := range q.items {
			if x := q.answer(l, s, i); x > 0 {
				sum, size = sum+x, size+uint64(len(item.Continuation))
			}
		}
	}
	return sum / max(1, size)
}
