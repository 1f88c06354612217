package telemetry

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const deploy = "../../deploy"

// metricName finds names of metrics in expressions.
var metricName = regexp.MustCompile(`\b(?:crescendo|go|process)_[a-z0-9_]+\b`)

// standard are series that Prometheus itself makes of every scrape.
var standard = []string{"up", "scrape_duration_seconds"}

// served lists the names of everything that our processes serve.
func served(t *testing.T) []string {
	t.Helper()
	names := slices.Clone(standard)
	for line := range strings.Lines(everything(t)) {
		if m := sampleName.FindStringSubmatch(line); m != nil {
			names = append(names, m[1])
		}
	}
	return names
}

// known fails the test for every metric of an expression that nothing serves.
func known(t *testing.T, names []string, where, expression string) {
	t.Helper()
	found := metricName.FindAllString(expression, -1)
	if len(found) == 0 && !strings.Contains(expression, "up{") {
		t.Errorf("%s: %q names no metric", where, expression)
	}
	for _, name := range found {
		if !slices.Contains(names, name) {
			t.Errorf("%s names %s, which no process serves", where, name)
		}
	}
}

// TestAlertsNameWhatIsServed reads the alert rules as Prometheus would: every
// metric in them exists, and every alarm says what it means and what to do.
func TestAlertsNameWhatIsServed(t *testing.T) {
	names := served(t)
	data, err := os.ReadFile(filepath.Join(deploy, "prometheus", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			known(t, names, "alert "+r.Alert, r.Expr)
			if seen[r.Alert] || r.Alert == "" {
				t.Errorf("alert %q twice, or without a name", r.Alert)
			}
			seen[r.Alert] = true
			for _, note := range []string{"summary", "remedy"} {
				if r.Annotations[note] == "" {
					t.Errorf("alert %s has no %s", r.Alert, note)
				}
			}
			if s := r.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("alert %s has severity %q, want page or ticket", r.Alert, s)
			}
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d alerts", len(seen))
	}
}

// TestDashboardsNameWhatIsServed does the same for Grafana's dashboards.
func TestDashboardsNameWhatIsServed(t *testing.T) {
	names := served(t)
	files, err := filepath.Glob(filepath.Join(deploy, "grafana", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Title, UID string
			Panels     []struct {
				Title, Description, Type string
				Targets                  []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(data, &board); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if board.Title == "" || board.UID == "" || len(board.Panels) == 0 {
			t.Errorf("%s: no title, uid or panels", path)
		}
		for _, p := range board.Panels {
			if p.Description == "" {
				t.Errorf("%s, panel %q does not say what it shows", path, p.Title)
			}
			for _, target := range p.Targets {
				known(t, names, path+", panel "+p.Title, target.Expr)
			}
		}
	}
}
