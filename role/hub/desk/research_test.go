package desk_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/hub/desk"
)

// terms are those of rung 2's competition.
func terms() research.Terms {
	return research.Terms{
		EntryBlocks: 3, RevealBlocks: 50, TrialBlocks: 50, Bond: 500, RunnerBond: 100, Steps: 2, Growth: 2, Stages: 1, KeepBP: 5000,
		Seeds: 2, Documents: 4, Replicas: 2, MaxEntries: 8, KeepRecipes: 2, TrialsBP: 100, PrizeBP: 100, TasksBP: 2500,
	}
}

// rules are what the programme of the tests says beside the raises.
func rules(spec *program.Spec) {
	spec.Governance = program.Governance{VoteBlocks: 30, QuorumBP: 3000, ThresholdBP: 6000, Deposit: 100}
	spec.Rungs[1].Competition, spec.Rungs[1].Season = terms(), seasonTerms()
	spec.Rungs[1].Model.Layers++
}

// seasonTerms are those of the season of rung 2.
func seasonTerms() research.Terms {
	t := terms()
	t.EntryBlocks, t.Bond, t.KeepRecipes, t.TasksBP = 20, 70, 1, 0
	return t
}

func openCompetition(s kv.Store, spec program.Spec) error {
	_, err := research.Open(crescendo.Env{}, s, terms(), 2, spec.Organiser, nil, spec.Rungs[1].Model.Context)
	if err != nil {
		return err
	}
	_, err = research.OpenSeason(crescendo.Env{}, s, seasonTerms(), 2, spec.Organiser, []crescendo.Account{author.Account()}, 1000, spec.Rungs[0].Model.Context)
	return err
}

func (w *world) entered(t *testing.T) []kv.Entry[research.Commitment] {
	t.Helper()
	all, err := research.Commitments.List(w.state(), nil, kv.MaxPage, uint32(2))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// closeEntries fills the raise and lets the time for entries pass.
func (w *world) closeEntries(t *testing.T) {
	t.Helper()
	wantRedirect(t, w.loggedIn().carryOut("fund", "rung", "2", "amount", "100000"), "/tx/")
	for range 6 {
		if _, err := w.chain.Advance(); err != nil {
			t.Fatal(err)
		}
	}
	c, err := research.Competitions.Get(w.state(), uint32(2))
	if err != nil || c.Phase != research.Revealing {
		t.Fatalf("phase %s, %v", c.Phase, err)
	}
}

// A recipe is entered sealed, kept, and shown by the hub when entries have
// closed: not before, and not twice.
func TestEnterARecipe(t *testing.T) {
	public := blob.NewMemory()
	w := open(t, func(c *desk.Config) { c.Blobs = public })
	b := w.loggedIn()
	shard := strings.Repeat("5a", 32)
	shown := b.post("/desk/enter", "rung", "2", "name", "twice as fast", "lr", "48000", "mix", "src/=3000 *_test.go=0 doc/=500", "max-tokens", "700", "shard", shard)
	wantText(t, shown, http.StatusOK, "Parameters", "Bond", "<b>500</b> (0.0005 DEMO) from you", "MsgEnter")
	_, message, _ := strings.Cut(shown.body, "<pre")
	if message, _, _ = strings.Cut(message, "</pre>"); strings.Contains(message, "48000") || !strings.Contains(message, "Commitment") {
		t.Error("the message shows what is to be sealed")
	}
	wantRedirect(t, b.post("/desk/enter/confirm", "nonce", nonceOf(t, shown)), "/tx/")
	files, err := filepath.Glob(filepath.Join(w.home, "entries", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("kept %v, %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the entry: %v, %v", info.Mode(), err)
	}
	if err := w.desk.ShowEntries(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := w.entered(t); len(e) != 1 || !e[0].Value.Revealed.IsZero() {
		t.Fatalf("entries %+v", e)
	}
	for h := range public.List(t.Context()) {
		t.Errorf("blob %s was published while entries were open", h)
	}
	w.closeEntries(t)
	for range 2 {
		if err := w.desk.ShowEntries(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	id := w.entered(t)[0].Value.Revealed
	recipe, err := research.Contents.Get(w.state(), id[:])
	if err != nil {
		t.Fatal(err)
	}
	if has, err := public.Has(t.Context(), blob.Sum(canon.Encode(recipe))); err != nil || !has {
		t.Errorf("the recipe is not published: %v", err)
	}
	if recipe.Name != "twice as fast" || recipe.Optimizer.LRMillionths != 48000 || recipe.Optimizer.Kind != "muon" || recipe.Sequences != 0 || recipe.Author != demo.Account() {
		t.Errorf("recipe %+v", recipe)
	}
	mix := []research.MixWeight{{Suffix: "_test.go"}, {Prefix: "doc/", PerMille: 500}, {Prefix: "src/", PerMille: 3000}}
	if !slices.Equal(recipe.Mix, mix) || recipe.Filter != (research.Filter{MaxTokensPerKiB: 700}) || recipe.Shard.String() != shard {
		t.Errorf("recipe %+v, want mix %v", recipe, mix)
	}
	if left, _ := filepath.Glob(filepath.Join(w.home, "entries", "*.json")); len(left) != 0 {
		t.Errorf("what was shown is still kept: %v", left)
	}
}

// What is sealed is found again after a restart, and by its owner only.
func TestEntriesOutliveTheHub(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	wantRedirect(t, b.carryOut("enter", "rung", "2", "name", "a", "warmup", "700"), "/tx/")
	commitment := regexp.MustCompile(`[0-9a-f]{64}`).FindString(string(filepath.Base(first(t, filepath.Join(w.home, "entries", "*.json")))))
	other := w.browser()
	other.keplrLogin(memorySigner("visitor"))
	other.get("/desk/show")
	wantText(t, other.post("/desk/show", "entry", commitment), http.StatusNotFound, "entered no such recipe")
	wantText(t, b.post("/desk/show", "entry", commitment), http.StatusUnprocessableEntity, `role="alert"`) // not yet
	w.closeEntries(t)
	again := reopen(t, w)
	late := again.loggedIn()
	wantRedirect(t, late.carryOut("show", "entry", commitment), "/tx/")
	if e := w.entered(t); e[0].Value.Revealed.IsZero() {
		t.Error("it was not shown")
	}
}

func first(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	return files[0]
}

func TestRefusedRecipes(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	before := w.height()
	for name, c := range map[string]struct {
		fields []string
		text   string
	}{
		"a copy of the programme's": {[]string{"rung", "2", "name", "mine"}, "own recipe does"},
		"not a number":              {[]string{"rung", "2", "lr", "fast"}, "want a whole number"},
		"too large a model":         {[]string{"rung", "2", "layers", "60"}, `role="alert"`},
		"no such optimizer":         {[]string{"rung", "2", "optimizer", "magic"}, `role="alert"`},
		"no competition":            {[]string{"rung", "1", "lr", "1000"}, `role="alert"`},
		"no such rung":              {[]string{"rung", "7", "lr", "1000"}, "rungs 1 to 3"},
		"parents in words":          {[]string{"rung", "2", "lr", "1000", "parents", "the best one"}, "64 hexadecimal digits"},
		"a mix without weights":     {[]string{"rung", "2", "mix", "doc/ src/"}, "path and its weight"},
		"a mix of nothing":          {[]string{"rung", "2", "mix", "*=5"}, "prefix or a suffix"},
		"a filter for no document":  {[]string{"rung", "2", "min-bytes", "10", "max-bytes", "9"}, "less than min-bytes"},
		"a shard in words":          {[]string{"rung", "2", "shard", "my diary"}, "64 hexadecimal digits"},
		"an unknown parent":         {[]string{"rung", "2", "lr", "1000", "parents", strings.Repeat("ab", 32)}, ""},
	} {
		r := b.post("/desk/enter", c.fields...)
		if name == "an unknown parent" {
			continue // what it builds on is looked up when it is shown
		}
		if r.StatusCode < 400 || r.StatusCode >= 500 || !strings.Contains(r.body, c.text) {
			t.Errorf("%s: status %d, no %q in\n%s", name, r.StatusCode, c.text, r.body)
		}
	}
	if w.height() != before {
		t.Error("a block was made")
	}
	if kept, _ := filepath.Glob(filepath.Join(w.home, "entries", "*")); len(kept) != 0 {
		t.Errorf("refused recipes are kept: %v", kept)
	}
}

func TestProposeAndVote(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	wantText(t, b.post("/desk/propose", "rung", "2", "kind", "statement", "text", "go on"), http.StatusForbidden, "no shares")
	wantRedirect(t, b.carryOut("fund", "rung", "2", "amount", "1000"), "/tx/")
	wantText(t, b.get("/desk/propose"), http.StatusOK, "30 %", "60 %", "30 blocks")
	wantRedirect(t, b.carryOut("propose", "rung", "2", "kind", "statement", "text", "go on"), "/tx/")
	wantText(t, b.get("/desk/vote?proposal=1"), http.StatusOK, "go on", "statement of rung 2")
	wantRedirect(t, b.carryOut("vote", "proposal", "1", "say", "yes"), "/tx/")
	p, err := governance.Proposals.Get(w.state(), uint64(1))
	if err != nil || p.Yes != 1000 || p.No != 0 || p.Text != "go on" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, c := range [][]string{{"proposal", "9", "say", "yes"}, {"proposal", "x", "say", "yes"}, {"proposal", "1", "say", "maybe"}} {
		if r := b.post("/desk/vote", c...); r.StatusCode < 400 || r.StatusCode >= 500 {
			t.Errorf("%v: status %d", c, r.StatusCode)
		}
	}
}

// reopen is the same chain and home with another hub before it.
func reopen(t *testing.T, w *world) *world {
	t.Helper()
	return open(t, homeIs(w.home), func(c *desk.Config) { c.Ledger = w.chain })
}
