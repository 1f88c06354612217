package plan

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/planner"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/programs"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// Site is the hub, as this section needs it.
type Site interface {
	View(r *http.Request, title string) page.View
	Render(w http.ResponseWriter, r *http.Request, status int, v page.View, body templ.Component)
	Refuse(w http.ResponseWriter, r *http.Request, err error)
}

// Section serves /plan.
type Section struct {
	site   Site
	own    func() (program.Spec, error)
	others []Programme
}

//go:embed plan.css
var style []byte

// New makes the section; own is the programme the hub follows. The announced
// ladder stands beside it.
func New(site Site, own func() (program.Spec, error)) (*Section, error) {
	data, err := programs.Files.ReadFile("announced.yaml")
	if err != nil {
		return nil, fmt.Errorf("read the announced ladder: %w", err)
	}
	spec, _, err := programfile.Parse("announced.yaml", data)
	if err != nil {
		return nil, err
	}
	return &Section{site: site, own: own, others: []Programme{{"announced", "announced in 2024", spec}}}, nil
}

// Routes implements the hub's Section.
func (s *Section) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /plan", s.serve)
	mux.HandleFunc("GET /plan.csv", s.serveCSV)
	mux.HandleFunc("GET /plan/plan.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Write(style)
	})
}

// programmes are the announced ladder and, if it is another, the hub's own.
func (s *Section) programmes() []Programme {
	all := slices.Clone(s.others)
	if own, err := s.own(); err == nil && len(own.Rungs) > 0 && own.Name != "announced" {
		all = append(all, Programme{"own", own.Name + ", of this chain", own})
	}
	return all
}

// maxQuery bounds what a form may send; its own is below 2 kB.
const maxQuery = 8 << 10

// ask reads a request: which programme, and what is assumed otherwise.
func (s *Section) ask(r *http.Request) (Asked, error) {
	a := Asked{Programmes: s.programmes(), Key: "announced", Assumed: planner.Defaults()}
	if len(r.URL.RawQuery) > maxQuery {
		return a, crescendo.Errorf(crescendo.CodeInvalid, "plan: the query is longer than %d bytes", maxQuery)
	}
	overrides := map[string]string{}
	for name, values := range r.URL.Query() {
		if value := values[len(values)-1]; name == "programme" {
			a.Key = value
		} else if value != "" { // an emptied field means the default
			overrides[name] = value
		}
	}
	i := slices.IndexFunc(a.Programmes, func(p Programme) bool { return p.Key == a.Key })
	if i < 0 {
		return a, crescendo.Errorf(crescendo.CodeNotFound, "plan: there is no programme %.40q here", a.Key)
	}
	assumed, err := planner.Parse(overrides)
	if err != nil {
		return a, err
	}
	a.Assumed = assumed
	a.Ladder, err = planner.Plan(a.Programmes[i].Spec, assumed)
	return a, err
}

func (s *Section) serve(w http.ResponseWriter, r *http.Request) {
	asked, err := s.ask(r)
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		if err != nil {
			s.site.Refuse(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(asked.Ladder)
		return
	}
	status := http.StatusOK
	if err != nil {
		asked.Problem, asked.Hint = problem(err)
		if r.Header.Get("HX-Request") == "" { // htmx shows only what succeeds
			status = http.StatusBadRequest
		}
	}
	s.site.Render(w, r, status, s.site.View(r, "Plan"), Page(asked))
}

func problem(err error) (text, hint string) {
	var refused *crescendo.Error
	if errors.As(err, &refused) {
		hint = refused.Hint
	}
	return err.Error(), hint
}

func (s *Section) serveCSV(w http.ResponseWriter, r *http.Request) {
	asked, err := s.ask(r)
	if err != nil {
		s.site.Refuse(w, r, err)
		return
	}
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	out.Write([]string{"rung", "name", "parameters", "tokens", "flops", "gpu_hours", "dollars", "raise_dollars", "moe_dollars", "site_gpus",
		"contributors", "site_memory_bytes", "upload_bytes_per_round", "download_bytes_per_round", "checkpoint_bytes", "archive_bytes", "utilisation", "days"})
	for _, g := range asked.Ladder.Rungs {
		row := []string{strconv.Itoa(g.Rung), g.Name}
		for _, n := range []float64{float64(g.Parameters), float64(g.Tokens), g.FLOPs, g.GPUHours, g.Dollars, g.RaiseDollars, g.MoE.Dollars, float64(g.SiteGPUs),
			float64(g.Contributors), float64(g.SiteMemory), float64(g.Upload), float64(g.Download), float64(g.Checkpoint), float64(g.Archive), g.Utilisation, g.Days} {
			row = append(row, strconv.FormatFloat(n, 'f', -1, 64))
		}
		out.Write(row)
	}
	out.Flush()
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="plan.csv"`)
	w.Write(b.Bytes())
}

// Asked is what the page shows.
type Asked struct {
	Programmes    []Programme
	Key           string // of the one that is planned
	Assumed       planner.Assumptions
	Ladder        planner.Ladder
	Problem, Hint string
}

// query addresses the same plan again.
func (a Asked) query() string {
	q := []string{"programme=" + a.Key}
	for _, c := range a.Assumed.Changed() {
		q = append(q, c.Name+"="+c.Text())
	}
	return strings.Join(q, "&")
}

// command is the same plan on the command line.
func (a Asked) command() string {
	if a.Key != "announced" {
		return ""
	}
	c := "crescendo program plan programs/announced.yaml"
	for _, ch := range a.Assumed.Changed() {
		c += " --set " + ch.Name + "=" + ch.Text()
	}
	return c
}
