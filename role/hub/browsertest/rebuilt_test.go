package browsertest

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testRebuilt stops the programme and serves what it has left: the pages of a
// hub whose read model has been deleted, and of one with another home, are
// those of the first, byte for byte.
func testRebuilt(t *testing.T, p *programme) {
	if p.up != nil {
		p.up.stop()
	}
	listen, home := freeAddress(t), t.TempDir()
	hub, stop := p.mirror(t, home, listen)
	first := settled(t, hub)
	stop()
	if len(first) < 10 {
		t.Fatalf("a mirror has %d pages only", len(first))
	}
	if err := os.Remove(filepath.Join(home, "hub.db")); err != nil {
		t.Fatal(err)
	}
	for _, again := range []struct{ how, home string }{{"deleted and built again", home}, {"started again from its file", home}, {"in another home", t.TempDir()}} {
		hub, stop := p.mirror(t, again.home, listen)
		if diff := cmp.Diff(first, settled(t, hub)); diff != "" {
			t.Errorf("%s, the read model gives other pages:\n%.4000s", again.how, diff)
		}
		stop()
	}
}

// ages differ from moment to moment, what is measured from time to time, and
// tokens of forms from visit to visit.
var ages = regexp.MustCompile(`(?i)[0-9]+ ?(s|seconds|minutes|min|m|h|hours|days)[0-9 msh]* (old|ago)|[0-9]+\.[0-9] ms|name="csrf" value="[^"]*"|data-csrf="[^"]*"`)

// dump reads every kind of page of a hub, as far as its links reach.
func dump(t *testing.T, hub string) map[string]string {
	t.Helper()
	out := map[string]string{}
	client := &http.Client{Timeout: patience}
	for _, path := range walk(t, hub) {
		body, _, err := read(client, hub+path)
		if err != nil {
			t.Fatalf("read %s: %v", path, err)
		}
		out[path] = ages.ReplaceAllString(strings.ReplaceAll(body, hub, "HUB"), "")
	}
	return out
}

// settled waits until what is computed beside the blocks, such as samples of
// the model, has arrived on the pages too.
func settled(t *testing.T, hub string) map[string]string {
	t.Helper()
	last := dump(t, hub)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		time.Sleep(2 * time.Second)
		next := dump(t, hub)
		if cmp.Equal(last, next) && !strings.Contains(last["/"], "is reading the held-out text") {
			return next
		}
		last = next
	}
	t.Fatal("the pages of a programme that has ended keep changing")
	return nil
}
