package hub

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

func words(t *page.Table) (out []string) {
	for _, r := range t.Rows {
		var cells []string
		for _, c := range r {
			cells = append(cells, c.Text)
		}
		out = append(out, strings.Join(cells, "|"))
	}
	return out
}

// What a task came to is said in the same table, whatever it came to.
func TestTaskSections(t *testing.T) {
	f := &facts{}
	f.Spec.Organiser = "cresc1w508d6qejxtdg4y5r3zarvary0c5xw7kynwnd2"
	baseline, winner := research.Baseline(f.Spec.Organiser).ID(), crescendo.Hash{7}
	losses := []TaskFigure{{winner, "best", 700_000}, {baseline, "baseline", 900_000}}
	tasks := []TaskLine{
		{Name: "skill", Items: 8, Asked: true, N: 16, Mean: 200_000, Low: 100_000, High: 300_000, Kept: true, Losses: losses, Served: 650_000},
		{Name: "noise", Items: 8, Asked: true, N: 16, Mean: 5, Low: -10, High: 20, Losses: losses},
		{Name: "copied", Items: 8, Asked: true},
		{Name: "early", Items: 8},
	}
	got := words(f.taskSection(1, tasks, research.Terms{TasksBP: 1000}).Table)
	for i, want := range []string{"kept", "not kept: it does not tell recipes apart", "not kept: it repeats the corpus", "asked in the last stage"} {
		if !strings.HasSuffix(got[i], "|"+want) {
			t.Errorf("row %d: %s, want %q at its end", i+1, got[i], want)
		}
	}
	if !strings.Contains(got[0], "|0.900|0.700|") {
		t.Errorf("losses of baseline and best: %s", got[0])
	}
	s := modelTaskSection(ModelCard{Recipe: winner, Policy: program.SealedUntilRepaid, Sealed: true, Tasks: tasks[:1]})
	if d := cmp.Diff([]string{"skill||8|0.700|0.650"}, words(s.Table)); d != "" {
		t.Error(d)
	}
	if !strings.Contains(s.Note, "sealed") {
		t.Errorf("it does not say that more training is sealed: %q", s.Note)
	}
}
