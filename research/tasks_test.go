package research_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/research"
)

// taskOf makes a task of n items about something.
func taskOf(about string, n int) research.EvaluationTask {
	var t research.EvaluationTask
	for i := range n {
		t.Items = append(t.Items, research.TaskItem{Context: fmt.Sprintf("%s %-48d: ", about, i), Continuation: strings.Repeat("x", 4+i%5)})
	}
	t.Sort()
	return t
}

// contribute enters a task. What it is about decides what it shows: see
// answers.
func (c *contest) contribute(t *testing.T, d *datadriven.TestData, who crescendo.Account, name string) string {
	about, items := name, 16
	d.MaybeScanArgs(t, "about", &about)
	d.MaybeScanArgs(t, "items", &items)
	task := taskOf(about, items)
	r := research.Recipe{Version: research.RecipeVersion, Author: who, Name: name, Evaluation: task.ID()}
	if d.HasArg("trains") {
		r.Sequences = 7
	}
	c.recipes[name], c.tasks[r.Evaluation] = r, task
	if err := c.fund(who); err != nil {
		t.Fatal(err)
	}
	return c.short(c.Print(c.enter(who, name)))
}

// answers are a trial's losses on tasks. A task about "skill" shows what the
// documents show, one about "irony" the opposite; "seen" is text that was
// trained on, and anything else is noise.
func (c *contest) answers(d duty) []uint64 {
	comp, err := research.Competitions.Get(c.Store, uint32(1))
	if err != nil || d.stage != c.terms.Stages {
		return nil
	}
	tasks, err := research.TasksOf(c.Store, comp)
	if err != nil {
		panic(err)
	}
	var out []uint64
	for _, task := range tasks {
		for i, item := range task.Items {
			noise := binary.BigEndian.Uint64(sum("answer", append(be(d.seed, uint32(i)), d.recipe[:]...))) % (c.wiggle + 1)
			loss := 1_000_000 + noise
			switch about, _, _ := strings.Cut(item.Context, " "); about {
			case "skill":
				loss = c.loss[d.recipe] + noise
			case "irony":
				loss = 2_000_000 - c.loss[d.recipe] + noise
			case "seen":
				loss = 0
			}
			out = append(out, loss*uint64(len(item.Continuation)))
		}
	}
	return out
}

func TestTaskVectors(t *testing.T) {
	task := taskOf("skill", 8)
	const id = "5e5cd84d7ce038bddac9a29a28b5a8723fbf6c16efa9402b6f06ee2a24d117d1"
	if got := task.ID().String(); got != id {
		t.Errorf("task is named %s, want %s", got, id)
	}
	first := research.EvaluationTask{Items: []research.TaskItem{{Context: "a", Continuation: "bc"}}}
	if got := hex.EncodeToString(canon.Encode(first)); got != "0a070a01611202"+hex.EncodeToString([]byte("bc")) {
		t.Errorf("one item is encoded as %s", got)
	}
	var again research.EvaluationTask
	if err := canon.Decode(canon.Encode(task), &again); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(task, again); d != "" {
		t.Error(d)
	}
}

func TestTasksThatAreRefused(t *testing.T) {
	for name, task := range map[string]research.EvaluationTask{
		"too few":       taskOf("a", research.MinTaskItems-1),
		"too many":      taskOf("a", research.MaxTaskItems+1),
		"not sorted":    {Items: append(taskOf("b", 8).Items, taskOf("a", 1).Items...)},
		"twice":         {Items: append(taskOf("a", 8).Items, taskOf("a", 8).Items[7])},
		"no text":       {Items: append(taskOf("a", 8).Items, research.TaskItem{Context: "b"})},
		"zero byte":     {Items: append(taskOf("a", 8).Items, research.TaskItem{Context: "b", Continuation: "\x00"})},
		"not UTF-8":     {Items: append(taskOf("a", 8).Items, research.TaskItem{Context: "b\xff", Continuation: "c"})},
		"long item":     {Items: append(taskOf("a", 8).Items, research.TaskItem{Context: "b", Continuation: strings.Repeat("c", research.MaxItemBytes)})},
		"long together": {Items: long(33)},
	} {
		if err := task.Check(); crescendo.CodeOf(err) != crescendo.CodeInvalid {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for name, task := range map[string]research.EvaluationTask{"least": taskOf("a", research.MinTaskItems), "most": taskOf("a", research.MaxTaskItems), "longest": {Items: long(16)}} {
		if err := task.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// long makes n items as long as may be.
func long(n int) (items []research.TaskItem) {
	for i := range n {
		items = append(items, research.TaskItem{Context: fmt.Sprintf("%02d", i), Continuation: strings.Repeat("c", research.MaxItemBytes-2)})
	}
	return items
}

// A recipe is a task or something to train with, and the task is the one named.
func TestRecipesOfTasks(t *testing.T) {
	const author = "cresc1w508d6qejxtdg4y5r3zarvary0c5xw7kynwnd2"
	task := taskOf("skill", 8)
	alone := research.Recipe{Version: 1, Author: author, Name: "task", Evaluation: task.ID()}
	for name, c := range map[string]struct {
		change func(*research.MsgRevealEntry)
		fine   bool
	}{
		"as it should be": {func(*research.MsgRevealEntry) {}, true},
		"trains":          {func(m *research.MsgRevealEntry) { m.Recipe.Sequences = 8 }, false},
		"parents":         {func(m *research.MsgRevealEntry) { m.Recipe.Parents = []crescendo.Hash{{1}} }, false},
		"no task":         {func(m *research.MsgRevealEntry) { m.Task = research.EvaluationTask{} }, false},
		"another task":    {func(m *research.MsgRevealEntry) { m.Task = taskOf("irony", 8) }, false},
		"not named":       {func(m *research.MsgRevealEntry) { m.Recipe.Evaluation = crescendo.Hash{} }, false},
		"bad task": {func(m *research.MsgRevealEntry) {
			m.Task = taskOf("skill", 2)
			m.Recipe.Evaluation = m.Task.ID()
		}, false},
	} {
		m := &research.MsgRevealEntry{Sender: author, Rung: 1, Recipe: alone, Task: task}
		c.change(m)
		if err := m.Check(); (err == nil) != c.fine {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// taskResults prints what the tasks of the competition came to.
func (c *contest) taskResults(t *testing.T) string {
	all, err := research.TaskResults.List(c.Store, nil, research.MaxTasks, uint32(1))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range all {
		r := e.Value
		fmt.Fprintf(&b, "%s by %s: n %d, mean %d, %d to %d, kept %v;", crescendo.Hash(e.Rest), r.Author, r.N, r.Mean, r.Low, r.High, r.Kept)
		for _, l := range r.Losses {
			fmt.Fprintf(&b, " %s %d", l.Recipe, l.Loss)
		}
		b.WriteByte('\n')
	}
	if c.verdict != nil {
		fmt.Fprintf(&b, "kept: %v\n", c.verdict.Tasks)
	}
	return c.short(b.String())
}
