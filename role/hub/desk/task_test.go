package desk_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
)

func taskLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"context\": \"question %02d of somebody who wonders about this, and\", \"continuation\": \" then an answer\"}\n", i)
	}
	return b.String()
}

// A task is entered sealed, and its text goes to the ledger with the recipe
// that names it.
func TestContributeATask(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	shown := b.post("/desk/task", "rung", "2", "name", "wonder", "items", taskLines(8))
	wantText(t, shown, http.StatusOK, "25.00 % of the prize", "Bond", "MsgEnter")
	if _, message, _ := strings.Cut(shown.body, "<pre"); strings.Contains(message, "wonders") {
		t.Error("the message shows what is to be sealed")
	}
	wantRedirect(t, b.post("/desk/task/confirm", "nonce", nonceOf(t, shown)), "/tx/")
	w.closeEntries(t)
	wantRedirect(t, w.loggedIn().carryOut("show", "entry", crescendo.Hash(w.entered(t)[0].Rest[:32]).String()), "/tx/")
	tasks, err := research.Tasks.List(w.state(), nil, kv.MaxPage)
	if err != nil || len(tasks) != 1 || len(tasks[0].Value.Items) != 8 {
		t.Fatalf("tasks on the ledger: %v, error %v", tasks, err)
	}
}

func TestRefusedTasks(t *testing.T) {
	b := open(t).loggedIn()
	for name, c := range map[string]struct{ rung, items, says string }{
		"no JSON":       {"2", "a question", "line 1"},
		"too few items": {"2", taskLines(3), "3 items, want 8 to 64"},
		"no tasks here": {"1", taskLines(8), "it takes none"},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.post("/desk/task", "rung", c.rung, "name", "task", "items", c.items)
			if r.StatusCode == http.StatusOK || !strings.Contains(r.body, c.says) {
				t.Errorf("status %d, want a refusal that says %q", r.StatusCode, c.says)
			}
		})
	}
}

// A recipe may have a tokenizer of its own.
func TestEnterATokenizer(t *testing.T) {
	b := open(t).loggedIn()
	shown := b.post("/desk/enter", "rung", "2", "name", "fewer tokens", "vocabulary", "300", "sample-bytes", "100000")
	wantText(t, shown, http.StatusOK, "Parameters", "MsgEnter")
	if r := b.post("/desk/enter", "rung", "2", "name", "too many tokens", "vocabulary", "65000"); r.StatusCode == http.StatusOK || !strings.Contains(r.body, "budget") {
		t.Errorf("a vocabulary beyond the budget: status %d", r.StatusCode)
	}
}
