package research

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Bounds on contributed evaluation tasks. With fewer items than the least the
// bounds on a difference would say little.
const (
	MaxTasks     = 8 // of a competition
	MinTaskItems = 8
	MaxTaskItems = 64
	MinItemBytes = 48 // context and continuation: shorter texts are in every corpus
	MaxItemBytes = 2 << 10
	MaxTaskBytes = 32 << 10 // all items
)

// EvaluationTask is text that recipes are asked about beside the held-out
// documents: how much they wonder at each continuation after its context. It
// decides nothing about recipes; it is kept, and its author paid, if it tells
// them apart.
type EvaluationTask struct {
	Items []TaskItem `pb:"1"` // sorted, all different
}

// TaskItem is one question of a task.
type TaskItem struct {
	Context      string `pb:"1"` // may be empty
	Continuation string `pb:"2"`
}

// Tasks holds contributed evaluation tasks. Key: hash.
var Tasks = kv.Map[EvaluationTask]{Name: "research/task"}

// TaskResult is what a task showed in the last halving stage: the gain of the
// best challenger over the baseline, paired by seed and item, in micro-nats per
// byte of the continuations.
type TaskResult struct {
	Task   crescendo.Hash    `pb:"1"`
	Author crescendo.Account `pb:"2"`
	Items  uint32            `pb:"3"`
	N      uint32            `pb:"4"` // pairs; items that stand in the text that a recipe trains on make none
	Mean   int64             `pb:"5"`
	Sigma  uint64            `pb:"6"`
	Low    int64             `pb:"7"`
	High   int64             `pb:"8"`
	Kept   bool              `pb:"9"`
	Losses []TaskLoss        `pb:"10"` // of the best recipes, in order of rank
}

// TaskLoss is how well a recipe did on a task, in micro-nats per byte.
type TaskLoss struct {
	Recipe crescendo.Hash `pb:"1"`
	Loss   uint64         `pb:"2"`
}

// TaskResults holds what tasks showed. Key: [uint32(contest), recipe that
// contributed the task].
var TaskResults = kv.Map[TaskResult]{Name: "research/task-result"}

// ID names a task.
func (t EvaluationTask) ID() crescendo.Hash {
	return digest.Sum("crescendo/research/task/v1", canon.Encode(t))
}

// Sort brings the items of a task into the order that its name demands, and
// leaves out what is there twice.
func (t *EvaluationTask) Sort() {
	slices.SortFunc(t.Items, TaskItem.compare)
	t.Items = slices.Compact(t.Items)
}

func (i TaskItem) compare(o TaskItem) int {
	return cmp.Or(strings.Compare(i.Context, o.Context), strings.Compare(i.Continuation, o.Continuation))
}

// Check refuses a task that is out of bounds or not in its one form.
func (t EvaluationTask) Check() error {
	if n := len(t.Items); n < MinTaskItems || n > MaxTaskItems {
		return badTask("%d items, want %d to %d", n, MinTaskItems, MaxTaskItems)
	}
	total := 0
	for i, item := range t.Items {
		size := len(item.Context) + len(item.Continuation)
		total += size
		switch {
		case item.Continuation == "":
			return badTask("item %d: the continuation is empty", i+1)
		case size < MinItemBytes || size > MaxItemBytes:
			return badTask("item %d: %d bytes, want %d to %d", i+1, size, MinItemBytes, MaxItemBytes)
		case !plain(item.Context) || !plain(item.Continuation):
			return badTask("item %d: want UTF-8 without zero bytes", i+1)
		case i > 0 && t.Items[i-1].compare(item) >= 0:
			return badTask("item %d: items must be sorted and differ", i+1)
		}
	}
	if total > MaxTaskBytes {
		return badTask("%d bytes, at most %d", total, MaxTaskBytes)
	}
	return nil
}

func badTask(format string, args ...any) error {
	return crescendo.Errorf(crescendo.CodeInvalid, "evaluation task: "+format, args...)
}

func plain(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// checkTask refuses a recipe and a task that do not belong together. A task is
// an entry of its own: what is trained with it would blur whose merit it is.
func (r Recipe) checkTask(t EvaluationTask) error {
	if r.Evaluation.IsZero() {
		if len(t.Items) > 0 {
			return bad("evaluation: a task comes with a recipe that does not name it")
		}
		return nil
	}
	if err := t.Check(); err != nil {
		return err
	}
	if have := t.ID(); have != r.Evaluation {
		return bad("evaluation: it names the task %s, but %s comes with it", r.Evaluation.Short(), have.Short())
	}
	return nil
}

// onlyTask refuses a recipe that contributes a task and something else.
func (r Recipe) onlyTask() error {
	rest := Recipe{Version: r.Version, Author: r.Author, Name: r.Name, Evaluation: r.Evaluation}
	if r.Evaluation.IsZero() || rest.ID() == r.ID() {
		return nil
	}
	return crescendo.Errorf(crescendo.CodeInvalid, "recipe: evaluation: a task is an entry of its own, without parents and anything to train with").
		WithHint("enter the task alone, and the recipe as another entry")
}

// TasksOf lists the evaluation tasks that a competition takes, in the order in
// which their losses stand behind those of the documents.
func TasksOf(r kv.Reader, c Competition) ([]EvaluationTask, error) {
	var out []EvaluationTask
	for _, recipe := range c.Tasks {
		_, t, err := taskOf(r, recipe)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func taskOf(r kv.Reader, recipe crescendo.Hash) (crescendo.Hash, EvaluationTask, error) {
	content, err := Contents.Get(r, recipe[:])
	if err != nil {
		return crescendo.Hash{}, EvaluationTask{}, fmt.Errorf("read recipe %s: %w", recipe.Short(), err)
	}
	t, err := Tasks.Get(r, content.Evaluation[:])
	if err != nil {
		return crescendo.Hash{}, EvaluationTask{}, fmt.Errorf("read evaluation task %s: %w", content.Evaluation.Short(), err)
	}
	return content.Evaluation, t, nil
}

// answersOf counts the losses of tasks in a trial of a stage: only the last
// one asks.
func answersOf(r kv.Reader, t Terms, c Competition) (int, error) {
	if len(c.Tasks) == 0 || c.Stage != t.Stages {
		return 0, nil
	}
	tasks, err := TasksOf(r, c)
	n := 0
	for _, task := range tasks {
		n += len(task.Items)
	}
	return n, err
}

// documentLosses are the losses of a trial without those of tasks.
func documentLosses(r kv.Reader, losses []uint64, t Terms, c Competition) ([]uint64, error) {
	answers, err := answersOf(r, t, c)
	if err != nil {
		return nil, err
	}
	if len(losses) <= answers {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "reveal trial: %d losses, %d of them are of evaluation tasks: none is left for documents", len(losses), answers)
	}
	for _, l := range losses[len(losses)-answers:] {
		if l > MaxLoss*MaxItemBytes {
			return nil, crescendo.Errorf(crescendo.CodeInvalid, "reveal trial: a loss of %d micro-nats on an item of a task", l)
		}
	}
	return losses[:len(losses)-answers], nil
}

// keepTask stores the task that a recipe contributes.
func keepTask(s kv.Store, m *MsgRevealEntry) error {
	if m.Recipe.Evaluation.IsZero() {
		return nil
	}
	return Tasks.Set(s, m.Task, m.Recipe.Evaluation[:])
}

// TaskKept is what the entry of a kept task says.
const TaskKept = "evaluation task, kept"
