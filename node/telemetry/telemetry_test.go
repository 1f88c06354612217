package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/role/hub/hubtest"
	"github.com/crescendo-network/crescendo/role/hub/live"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

type fixedHead struct {
	height crescendo.Height
	err    error
}

func (f fixedHead) Head(context.Context) (ledger.Head, error) {
	return ledger.Head{Height: f.height}, f.err
}

// story is the read model of a whole programme, with a cheat in it.
func story(t *testing.T) *record.Model {
	t.Helper()
	s, err := hubtest.Whole()
	if err != nil {
		t.Fatal(err)
	}
	m, err := record.NewModel(t.Context(), filepath.Join(t.TempDir(), "hub.db"), s.Genesis, s.Rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		m.Follow(ctx, s.Chain, slog.New(slog.DiscardHandler))
		close(done)
	}()
	for want := crescendo.Height(len(s.Blocks())); ; {
		changed := m.Changed()
		var height crescendo.Height
		m.Read(func(n record.Now) error { height = n.Height; return nil })
		if height >= want {
			break
		}
		select {
		case <-changed:
		case <-time.After(time.Minute):
			t.Fatalf("the read model stays at block %d of %d", height, want)
		}
	}
	stop()
	<-done
	return m
}

// everything is what all our processes together serve.
func everything(t *testing.T) string {
	t.Helper()
	return scrape(t, Handler("test", Programme(story(t), func() int { return 7 }), Ledger(fixedHead{height: 12}), Archive(func() crescendo.Height { return 11 }), Live(deliveries)))
}

func deliveries() []live.Delivered {
	return []live.Delivered{{Count: 9}, {Over: 300 * time.Millisecond, Count: 2}}
}

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, Path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

var sampleName = regexp.MustCompile(`(?m)^([a-z_]+)[ {]`)

func TestEveryFamilyIsServed(t *testing.T) {
	text := everything(t)
	var served []string
	for _, m := range sampleName.FindAllStringSubmatch(text, -1) {
		served = append(served, m[1])
	}
	for _, f := range slices.Concat(processFamilies, programmeFamilies, ledgerFamilies, archiveFamilies, liveFamilies) {
		if !slices.Contains(served, f.name) {
			t.Errorf("%s is described and never served", f.name)
		}
		if want := f.kind == counter; strings.HasSuffix(f.name, "_total") != want {
			t.Errorf("%s: only counters end in _total, and all of them", f.name)
		}
	}
	for _, line := range []string{
		`crescendo_supply_error 0`, `crescendo_hub_disagreements 0`, `crescendo_hub_viewers 7`, `crescendo_ledger_up 1`,
		`crescendo_ledger_height 12`, `crescendo_archive_height 11`, `crescendo_process_info{role="test"} 1`,
		`stage="serving"} 1`, `crescendo_hub_deliveries_total{over_ms="0"} 9`, `crescendo_hub_deliveries_total{over_ms="300"} 2`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("not served: %s\n%s", line, ours(text))
		}
	}
}

func ours(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "crescendo_") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

func TestLedgerThatDoesNotAnswer(t *testing.T) {
	text := scrape(t, Handler("test", Ledger(fixedHead{err: errors.New("gone")})))
	if !strings.Contains(text, "crescendo_ledger_up 0\n") || strings.Contains(text, "\ncrescendo_ledger_height") {
		t.Errorf("a ledger that does not answer is served as\n%s", ours(text))
	}
}

func TestServeOnAnAddressOfItsOwn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := Serve(t.Context(), address, Handler("test")); err == nil {
		t.Fatal("an address that is taken is not an error")
	}
	l.Close()
	if err := Serve(t.Context(), address, Handler("test")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + address + Path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for _, name := range []string{"process_resident_memory_bytes", "go_goroutines", "crescendo_process_info"} {
		if !strings.Contains(string(text), name) {
			t.Errorf("%s is not served", name)
		}
	}
}
