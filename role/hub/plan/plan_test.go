package plan

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"github.com/crescendo-network/crescendo/planner"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// frame stands in for the hub.
type frame struct{}

func (frame) View(r *http.Request, title string) page.View {
	return page.View{Title: title, Path: r.URL.Path, Programme: "thousandth"}
}

func (frame) Render(w http.ResponseWriter, r *http.Request, status int, v page.View, body templ.Component) {
	w.WriteHeader(status)
	page.Shell(v, body).Render(r.Context(), w)
}

func (frame) Refuse(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, err.Error(), http.StatusBadRequest)
}

func section(t *testing.T) http.Handler {
	t.Helper()
	own, _, err := programfile.Load("../../../programs/thousandth.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(frame{}, func() (program.Spec, error) { return own, nil })
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s.Routes(mux)
	return mux
}

func get(t *testing.T, h http.Handler, target string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestPage(t *testing.T) {
	h := section(t)
	code, body := get(t, h, "/plan")
	for _, want := range []string{"What the ladder takes", `name="mfu"`, `type="range"`, `hx-select="#result"`, `<button type="submit">`, "<td class=\"n\">20 × 248</td>", "of this chain"} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("status %d, no %q in the page", code, want)
		}
	}
	for _, banned := range []string{"<script>", "style=\"", "onclick", "javascript:"} {
		if strings.Contains(body, banned) {
			t.Errorf("the page contains %q, which the content policy forbids", banned)
		}
	}
	// Every assumption is in the form once, with its source.
	for _, a := range planner.Defaults() {
		if n := strings.Count(body, ` name="`+a.Name+`"`); n != 1 {
			// A card's price, speed and memory are among the more, but once.
			t.Errorf("%d fields for %s", n, a.Name)
		}
	}
}

// The page, the data and the command line reckon alike.
func TestSameFigures(t *testing.T) {
	h := section(t)
	const query = "programme=announced&gpu=h200&gpu-price-h200=2.1&mfu=0.45&node-link=2500"
	assumed, err := planner.Parse(map[string]string{"gpu": "h200", "gpu-price-h200": "2.1", "mfu": "0.45", "node-link": "2500"})
	if err != nil {
		t.Fatal(err)
	}
	spec, _, err := programfile.Load("../../../programs/announced.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := planner.Plan(spec, assumed)
	if err != nil {
		t.Fatal(err)
	}
	_, body := get(t, h, "/plan?"+query)
	command := "crescendo program plan programs/announced.yaml --set gpu=h200 --set mfu=0.45 --set node-link=2500 --set gpu-price-h200=2.1"
	for _, w := range []string{planner.DollarText(want.TotalDollars), planner.DollarText(want.MoEDollars), command} {
		if !strings.Contains(body, w) {
			t.Errorf("no %q in the page", w)
		}
	}
	_, body = get(t, h, "/plan?"+query, "Accept", "application/json")
	var got struct {
		Total float64 `json:"total_dollars"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Total != want.TotalDollars {
		t.Errorf("total %v, %v, want %v", got.Total, err, want.TotalDollars)
	}
	_, body = get(t, h, "/plan.csv?"+query)
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != 8 || rows[7][2] != "1322320158720" {
		t.Errorf("%v, %v", rows, err)
	}
}

func TestRefused(t *testing.T) {
	h := section(t)
	for target, want := range map[string]string{
		"/plan?mfu=7":           "assumption mfu",
		"/plan?mfuu=0.5":        "there is none of that name",
		"/plan?programme=other": "there is no programme",
		"/plan?mfu=" + strings.Repeat("1", maxQuery): "longer than",
		"/plan?mfu=%3Cscript%3E":                     "&lt;script&gt;",
	} {
		code, body := get(t, h, target)
		if code != http.StatusBadRequest || !strings.Contains(body, want) || strings.Contains(body, "<script>") {
			t.Errorf("%.60s: status %d, no %q", target, code, want)
		}
	}
	// htmx shows a refusal only if it comes as a success.
	if code, body := get(t, h, "/plan?mfu=7", "HX-Request", "true"); code != http.StatusOK || !strings.Contains(body, "want 0.01 to 1") {
		t.Errorf("status %d", code)
	}
	// An emptied field means the default.
	if code, _ := get(t, h, "/plan?mfu="); code != http.StatusOK {
		t.Errorf("an empty field: status %d", code)
	}
}

// A value that a slider cannot keep gets a field of its own, so that sending
// the form changes nothing nobody has touched.
func TestControlsKeepValues(t *testing.T) {
	for value, slides := range map[string]bool{"0.4": true, "0.41": true, "0.404": false, "0.405": false, "0.406": false, "0.9": false} {
		assumed, err := planner.Parse(map[string]string{"mfu": value})
		if err != nil {
			t.Fatal(err)
		}
		main, _ := controls(assumed)
		for _, c := range main {
			if c.Name == "mfu" && (c.Step > 0) != slides {
				t.Errorf("mfu=%s: slider %v, want %v", value, c.Step > 0, slides)
			}
		}
	}
	main, rest := controls(planner.Defaults())
	if len(main)+len(rest) != len(planner.Defaults()) {
		t.Errorf("%d and %d controls for %d assumptions", len(main), len(rest), len(planner.Defaults()))
	}
	for _, c := range main {
		if len(c.Options) == 0 && c.Step == 0 {
			t.Errorf("the default of %s, %s, is no step of its slider", c.Name, c.Text())
		}
	}
}

// A hub that has not read its programme yet shows the announced ladder.
func TestNoProgrammeYet(t *testing.T) {
	s, err := New(frame{}, func() (program.Spec, error) { return program.Spec{}, errors.New("not yet") })
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s.Routes(mux)
	if code, body := get(t, mux, "/plan"); code != http.StatusOK || strings.Contains(body, "of this chain") {
		t.Errorf("status %d", code)
	}
}
