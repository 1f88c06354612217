package desk_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// A newcomer enters the season of a rung: at the first rung's budget, for the
// season's bond. The hub shows the recipe when the season's entries have
// closed, which is while those of the rung's own competition are open.
func TestEnterASeason(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	wantText(t, b.get("/desk/enter?rung=2&contest=newcomers"), http.StatusOK, `<option value="newcomers" selected>`,
		"Season of rung 2, for newcomers", "<dd>70</dd>", "<dd>500</dd>", "block 20")
	shown := b.post("/desk/enter", "rung", "2", "contest", "newcomers", "name", "small", "lr", "48000")
	spec, err := program.Specs.Get(w.state())
	if err != nil {
		t.Fatal(err)
	}
	first, second := fmt.Sprint(spec.Parameters(0)), fmt.Sprint(spec.Parameters(1))
	wantText(t, shown, http.StatusOK, "the season of rung 2", "<b>70</b>", first)
	if first == second || strings.Contains(shown.body, second) {
		t.Errorf("the budget shown is not that of rung 1 (%s) alone; rung 2 has %s", first, second)
	}
	wantRedirect(t, b.post("/desk/enter/confirm", "nonce", nonceOf(t, shown)), "/tx/")
	if e := w.entered(t); len(e) != 0 {
		t.Fatalf("it is in the rung's own competition: %+v", e)
	}
	w.until(t, research.SeasonOf(2), research.Revealing)
	if err := w.desk.ShowEntries(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := research.Commitments.List(w.state(), nil, kv.MaxPage, uint32(research.SeasonOf(2)))
	if err != nil || len(all) != 1 || all[0].Value.Revealed.IsZero() {
		t.Fatalf("entries of the season %+v, %v", all, err)
	}
	id := all[0].Value.Revealed
	if recipe, err := research.Contents.Get(w.state(), id[:]); err != nil || recipe.Name != "small" || recipe.Author != demo.Account() {
		t.Errorf("recipe %+v, %v", recipe, err)
	}
}

// What a season refuses is refused at the form.
func TestRefusedInSeasons(t *testing.T) {
	w := open(t)
	veteran := w.browser()
	veteran.keplrLogin(author)
	wantText(t, veteran.post("/desk/enter", "rung", "2", "contest", "newcomers", "lr", "48000"), http.StatusForbidden, "no newcomer")
	b := w.loggedIn()
	wantText(t, b.post("/desk/enter", "rung", "2", "contest", "everybody", "lr", "48000"), http.StatusUnprocessableEntity, "want the rung or newcomers")
	wantText(t, b.post("/desk/enter", "rung", "7", "contest", "newcomers", "lr", "48000"), http.StatusNotFound, "rungs 1 to 3")
	if kept := keptEntries(t, w.home); len(kept) != 0 {
		t.Errorf("refused recipes are kept: %v", kept)
	}
	if strings.Contains(b.get("/desk/task?rung=2").body, "newcomers") {
		t.Error("the form for tasks speaks of seasons, which take none")
	}
}

// An entry is forgotten when the ledger has refused it, and when its time to be
// shown is over.
func TestEntriesAreForgotten(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	wantRedirect(t, b.carryOut("enter", "rung", "2", "name", "never shown", "lr", "48000"), "/tx/")
	late := b.post("/desk/enter", "rung", "2", "name", "too late", "lr", "47000")
	number := nonceOf(t, late)
	if n := len(keptEntries(t, w.home)); n != 1 {
		t.Fatalf("%d entries are kept, want the one that is entered", n)
	}
	other := w.loggedIn()
	wantRedirect(t, other.carryOut("fund", "rung", "2", "amount", "100000"), "/tx/")
	w.until(t, 2, research.Revealing)
	wantText(t, b.post("/desk/enter/confirm", "nonce", number), http.StatusUnprocessableEntity, "revealing, not entering")
	if n := len(keptEntries(t, w.home)); n != 1 {
		t.Errorf("%d entries are kept after one was refused, want the first alone", n)
	}
	w.until(t, 2, research.Decided)
	if err := w.desk.ShowEntries(t.Context()); err != nil {
		t.Fatal(err)
	}
	if kept := keptEntries(t, w.home); len(kept) != 0 {
		t.Errorf("kept though nothing can show it any more: %v", kept)
	}
}

func keptEntries(t *testing.T, home string) []string {
	t.Helper()
	kept, err := filepath.Glob(filepath.Join(home, "entries", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// until makes blocks until a contest is in a phase.
func (w *world) until(t *testing.T, at research.Contest, phase research.Phase) {
	t.Helper()
	for range 200 {
		c, err := research.Competitions.Get(w.state(), uint32(at))
		if err != nil {
			t.Fatal(err)
		}
		if c.Phase == phase {
			return
		}
		if _, err := w.chain.Advance(); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("200 blocks on, %s is not %s", at, phase)
}
