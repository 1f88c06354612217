package hub_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/role/hub"
	"github.com/crescendo-network/crescendo/role/hub/hubtest"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// plain tells events as they are written.
type plain struct{}

func (plain) Name(crescendo.Account, string)        {}
func (plain) Line(e crescendo.Event) (string, bool) { return e.String(), false }
func storyTime() time.Time                          { return time.Unix(1_700_000_100, 0) }
func known(c *hubtest.Chain) crescendo.Height       { return crescendo.Height(len(c.Blocks())) }
func names() map[crescendo.Account]string {
	return map[crescendo.Account]string{hubtest.Account("fred"): "funder-1"}
}
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
func heightOf(m *record.Model) (h crescendo.Height) {
	m.Read(func(n record.Now) error { h = n.Height; return nil })
	return h
}
func opened(t *testing.T, c *hubtest.Chain) *hub.Hub {
	h, _ := openedAt(t, c, filepath.Join(t.TempDir(), "hub.db"))
	return h
}

// openedAt makes a hub over all blocks of a chain.
func openedAt(t *testing.T, c *hubtest.Chain, path string) (*hub.Hub, *record.Model) {
	t.Helper()
	m, err := record.NewModel(t.Context(), path, c.Genesis, c.Rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	follow(t, m, c)
	return hub.New(hub.Config{Model: m, Blobs: blob.NewMemory(), Say: plain{}, Names: names(), Archive: "http://archive.example", Log: quiet(), Now: storyTime}), m
}

func follow(t *testing.T, m *record.Model, c *hubtest.Chain) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- m.Follow(ctx, c, quiet()) }()
	for {
		changed := m.Changed()
		if heightOf(m) >= known(c) {
			break
		}
		select {
		case <-changed:
		case err := <-done:
			t.Fatalf("followed to block %d of %d: %v", heightOf(m), known(c), err)
		}
	}
	stop()
	<-done
}

func whole(t *testing.T) *hubtest.Story {
	t.Helper()
	s, err := hubtest.Whole()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, h http.Handler, path string) (int, http.Header, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Header(), w.Body.String()
}

var hrefs = regexp.MustCompile(`(?:href|src|sse-connect)="(/[^"#]*)`)

// elsewhere are pages of sections that are not plugged in here.
var elsewhere = []string{"/login", "/account", "/plan", "/playground", "/desk/", "/tx/", "/live/"}

// newest is how many blocks a hub has heard of, which depends on when it was
// told.
var newest = regexp.MustCompile(`"newest(_height)?": ?[0-9]+|block [0-9,]+ of [0-9,]+`)

// crawl fetches every page that can be reached from the first one.
func crawl(t *testing.T, site http.Handler) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for queue := []string{"/", "/rung/2"}; len(queue) > 0; queue = queue[1:] {
		path := queue[0]
		if _, done := pages[path]; done {
			continue
		}
		status, _, body := get(t, site, path)
		if status != http.StatusOK && !(strings.HasPrefix(path, "/block/") && status == http.StatusNotFound) {
			t.Errorf("%s: status %d", path, status)
		}
		pages[path] = newest.ReplaceAllString(body, "")
		for _, m := range hrefs.FindAllStringSubmatch(body, -1) {
			link := strings.ReplaceAll(m[1], "&amp;", "&")
			if !slices.ContainsFunc(elsewhere, func(p string) bool { return strings.HasPrefix(link, p) }) {
				queue = append(queue, link)
			}
		}
	}
	return pages
}

// No link leads nowhere, and whoever deletes the read model gets the same
// pages again, to the last byte.
func TestSamePagesAgain(t *testing.T) {
	s := whole(t)
	first := crawl(t, opened(t, s.Chain).Handler())
	path := filepath.Join(t.TempDir(), "hub.db")
	for _, how := range []string{"built again", "started again, from its file"} {
		site, m := openedAt(t, s.Chain, path)
		if d := cmp.Diff(first, crawl(t, site.Handler())); d != "" {
			t.Errorf("%s (-first +again):\n%.4000s", how, d)
		}
		m.Close()
	}
	for _, want := range []string{"/", "/rung/1", "/rung/1/round/2", "/model/1", "/treasury", "/research", "/network", "/governance", "/events", "/glossary",
		"/contributor/" + string(hubtest.Account("rex")), "/statement/" + string(hubtest.Account("fred")), "/money.csv", "/rung/1/rounds.csv"} {
		if _, ok := first[want]; !ok {
			t.Errorf("no link leads to %s", want)
		}
	}
	t.Logf("%d pages", len(first))
}

// Pages load nothing from elsewhere and contain no inline code or style: the
// content policy forbids it.
func TestPagesKeepThePolicy(t *testing.T) {
	s := whole(t)
	site := opened(t, s.Chain).Handler()
	inline := regexp.MustCompile(`(?i)<script(?:[^>]*[^/])?>\s*[^<\s]|<style|\sstyle=|\son[a-z]+=|(?:src|href)="(?:https?:)?//|javascript:|data:`)
	for path, body := range crawl(t, site) {
		if strings.HasPrefix(path, "/static/") || strings.HasSuffix(path, ".csv") {
			continue
		}
		if m := inline.FindString(body); m != "" {
			t.Errorf("%s contains %q", path, m)
		}
	}
	_, header, _ := get(t, site, "/")
	if p := header.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
		t.Errorf("content policy %q", p)
	}
}

// Strangers choose names and ask for anything: nothing of it becomes markup,
// an error of the server, or a formula in a spreadsheet.
func TestStrangers(t *testing.T) {
	s := whole(t)
	site := opened(t, s.Chain).Handler()
	for path, want := range map[string]int{
		"/rung/0": 404, "/rung/99999999999": 400, "/rung/x": 400, "/rung/1/round/0": 404, "/rung/1/round/7": 404, "/contributor/%3Cscript%3Ealert(1)%3C/script%3E": 404,
		"/statement/nobody": 404, "/block/0": 404, "/blob/xyz": 400, "/recipe/" + strings.Repeat("0", 64): 404, "/nothing": 404, "/model/9": 404,
		"/events?before=x&rung=y": 200, "/live/nothing": 404, "/live/rung-01": 404, "/live/" + strings.Repeat("a", 300): 404, "/static/nothing.js": 404, "/static/../hub.go": 307,
	} {
		status, _, body := get(t, site, path)
		if status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
		if strings.Contains(body, "<script>alert") {
			t.Errorf("%s: what a stranger wrote became markup", path)
		}
	}
}

// Every page's data can be had as JSON.
func TestDataTwins(t *testing.T) {
	s := whole(t)
	site := opened(t, s.Chain).Handler()
	for path, want := range map[string]string{
		"/api/": `"supply": {`, "/api/rung/1": `"rounds_closed": [`, "/api/rung/1/round/2": `"works": [`, "/api/treasury": `"holders": [`, "/api/network": `"services": [],`,
		"/api/contributor/rex": `"fault": "replay mismatch in round 2"`, "/api/model/1": `"weights_policy": "sealed-until-repaid"`, "/api/model/2": `"answer_weights": "q8"`, "/api/research": `"entries": [`, "/api/nothing": `"error"`,
		"/healthz": `"status":"idle"`, // the story is over by now
	} {
		_, header, body := get(t, site, path)
		if !strings.HasPrefix(header.Get("Content-Type"), "application/json") || !strings.Contains(body, want) {
			t.Errorf("%s: %s without %s\n%.600s", path, header.Get("Content-Type"), want, body)
		}
	}
}

// What people must be able to read without JavaScript is there.
func TestWhatPagesSay(t *testing.T) {
	s := whole(t)
	site := opened(t, s.Chain).Handler()
	rex, fred := string(hubtest.Account("rex")), string(hubtest.Account("fred"))
	for path, wants := range map[string][]string{
		"/":                      {"Development chain.", "Enclaves are simulated:", "is raising money", "Supply error", "expelled: replay mismatch in round 2", "1 caught"},
		"/contributor/" + rex:    {"Expelled: replay mismatch in round 2", "different bits", "crescendo audit --url http://archive.example --trust"},
		"/contributor/ada":       {"per round *", "the same bits", "place "},
		"/statement/" + fred:     {"Due to it now", "Repaid at", "shares.csv"},
		"/rung/1/round/2":        {"different", "carried", "included"},
		"/model/1":               {"Sealed until repaid: holders have had", "simulated: the operator can read everything", "the sealed weights, float32: profile R0"},
		"/model/2":               {"weights of 8 bits, rounded by the vault from the sealed ones: profile q8"},
		"/treasury":              {"@funding/2", "funder-1", "Burned by faults"},
		"/network":               {"Money is conserved", "crescendo hub serve http://archive.example", "Enough evaluators"},
		"/research":              {"the organiser chooses", "adopted"},
		"/contributor/@treasury": {"funding.drawn"},
		"/rung/2":                {" of 0.15 DEMO", "The raise closes at block"},
	} {
		_, _, body := get(t, site, path)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s does not say %q", path, want)
			}
		}
	}
}

// Spreadsheets are not made to compute what strangers wrote.
func TestCSV(t *testing.T) {
	s := whole(t)
	site := opened(t, s.Chain).Handler()
	_, header, body := get(t, site, "/statement/"+string(hubtest.Account("fred"))+"/payments.csv")
	lines := strings.Split(strings.TrimSpace(body), "\n")
	if !strings.HasPrefix(header.Get("Content-Type"), "text/csv") || lines[0] != "height,time,tx,from,to,amount" || len(lines) < 4 {
		t.Fatalf("%s\n%s", header.Get("Content-Type"), body)
	}
	for _, line := range lines[1:] {
		for _, field := range strings.Split(line, ",") {
			if field != "" && strings.ContainsAny(field[:1], "=+@") {
				t.Errorf("field %q would be a formula", field)
			}
		}
	}
}

// A page that is open changes when a block comes, and only what has changed is
// sent.
func TestLivePage(t *testing.T) {
	s, err := hubtest.NewStory()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	h, m := openedAt(t, s.Chain, filepath.Join(t.TempDir(), "hub.db"))
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	go h.Run(ctx)
	go m.Follow(ctx, s.Chain, quiet())
	server := httptest.NewServer(h.Handler())
	defer server.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/live/front", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := events(t, resp.Body, "news")
	if got := slices.Sorted(maps.Keys(first)); !slices.Equal(got, []string{"crew", "flow", "hero", "ladder", "loss", "news", "tiles"}) {
		t.Fatalf("the snapshot has %v", got)
	}
	if err := s.Raise(1); err != nil {
		t.Fatal(err)
	}
	later := events(t, resp.Body, "news")
	if !strings.Contains(later["ladder"], "stage-raising") && !strings.Contains(later["ladder"], "stage-competing") {
		t.Errorf("after the raise the ladder is:\n%s", later["ladder"])
	}
	if _, again := later["loss"]; again {
		t.Error("the loss was sent again although it has not changed")
	}
	stop()
}

// events reads server-sent events up to one of a name, by name.
func events(t *testing.T, r io.Reader, last string) map[string]string {
	t.Helper()
	out := map[string]string{}
	var name string
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := r.Read(b); err != nil {
			t.Fatalf("read events: %v after %v", err, slices.Sorted(maps.Keys(out)))
		}
		if b[0] != '\n' {
			line = append(line, b[0])
			continue
		}
		text := string(line)
		line = line[:0]
		switch {
		case strings.HasPrefix(text, "event: "):
			name = text[len("event: "):]
		case strings.HasPrefix(text, "data: "):
			out[name] += text[len("data: "):] + "\n"
		case text == "" && name == last:
			return out
		}
	}
}

// Looking closer works by address: picture, tables and CSV follow, and so does
// the live page.
func TestLookingCloser(t *testing.T) {
	s := whole(t)
	site := opened(t, s.Chain).Handler()
	rows := func(query string) int {
		_, _, body := get(t, site, "/rung/1/loss.csv"+query)
		_, _, rounds := get(t, site, "/rung/1/rounds.csv"+query)
		n := strings.Count(body, "\n") - 1
		if m := strings.Count(rounds, "\n") - 1; m != n {
			t.Errorf("%q: %d rows of losses, %d of rounds", query, n, m)
		}
		return n
	}
	all := rows("")
	if all < 3 {
		t.Fatalf("the story has %d rounds", all)
	}
	for query, want := range map[string]int{"?from=2": all - 1, "?to=2": 2, "?from=2&to=2": 1, "?last=2": 2, "?last=99": all, "?from=99": 0, "?from=&to=": all} {
		if got := rows(query); got != want {
			t.Errorf("%s: %d rounds, want %d", query, got, want)
		}
		_, _, body := get(t, site, "/rung/1"+query)
		_, table, _ := strings.Cut(body, `id="loss-table"`)
		table, _, _ = strings.Cut(table, "</table>")
		if got := max(0, strings.Count(table, "<tr>")-1); got != want {
			t.Errorf("/rung/1%s: %d rows in the table of the loss, want %d", query, got, want)
		}
		if want == 1 && (!strings.Contains(body, "Only rounds 2 to 2 of") || !strings.Contains(body, `href="/rung/1/loss.csv?from=2&amp;to=2"`) || !strings.Contains(body, `sse-connect="/live/rung-1-2-2"`)) {
			t.Errorf("/rung/1%s does not say what it leaves out:\n%s", query, body)
		}
	}
	for _, query := range []string{"?from=0", "?from=-1", "?from=x", "?to=99999999999", "?from=3&to=2", "?last=2&from=1"} {
		if status, _, _ := get(t, site, "/rung/1"+query); status != http.StatusBadRequest {
			t.Errorf("/rung/1%s: status %d", query, status)
		}
	}
	for _, topic := range []string{"rung-1-3-2", "rung-1-0-0", "rung-1-1", "last-1-0", "last-1", "last-1-2-3", "rung-1-02-3"} {
		if status, _, _ := get(t, site, "/live/"+topic); status != http.StatusNotFound {
			t.Errorf("/live/%s: status %d", topic, status)
		}
	}
}
