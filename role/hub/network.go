package hub

import (
	"fmt"
	"runtime/debug"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/hub/nodes"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// Network is who keeps the programme running, and how well.
type Network struct {
	Health      Health        `json:"health"`
	BlockMillis int64         `json:"block_milliseconds"`
	Validators  int           `json:"validators"`
	Hub         string        `json:"hub_version"`
	Checks      []Check       `json:"checks"`
	Trainers    []NodeLine    `json:"trainers"`
	Evaluators  []NodeLine    `json:"evaluators"`
	Vaults      []VaultLine   `json:"vaults"`
	Keepers     []page.Person `json:"keepers"`
	Nodes       nodes.Report  `json:"nodes"`
}

// Check is one thing that should be so.
type Check struct {
	Name   string `json:"name"`
	Status string `json:"status"` // "ok", "idle", "not yet", "unknown", "warning" or "failed"
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

// NodeLine is somebody who trains or evaluates.
type NodeLine struct {
	Person  page.Person `json:"person"`
	State   string      `json:"state"`
	Missed  uint32      `json:"missed"`
	Seen    int64       `json:"seen"`           // time of the last commitment in the open rung; Unix milliseconds
	Latency int64       `json:"latency_millis"` // from the opening of that round to the commitment
	good    bool
}

// VaultLine is an enclave.
type VaultLine struct {
	Vault     crescendo.Hash   `json:"vault"`
	Operator  page.Person      `json:"operator"`
	Kind      string           `json:"kind"`
	Assurance string           `json:"assurance"`
	Height    crescendo.Height `json:"height"`
	Denied    bool             `json:"denied"`
}

func (f *facts) network(health Health, measured nodes.Report) (Network, error) {
	out := Network{Health: health, BlockMillis: f.BlockMillis(), Validators: len(f.Genesis.Validators), Hub: f.hub.version(), Nodes: measured,
		Trainers: []NodeLine{}, Evaluators: []NodeLine{}, Vaults: []VaultLine{}, Keepers: []page.Person{}}
	var err error
	if r := f.trained(); r != nil {
		if out.Trainers, err = f.trainerNodes(r); err != nil {
			return out, err
		}
	}
	evaluators, err := evaluation.Evaluators.All(f.State)
	if err != nil {
		return out, err
	}
	for _, e := range evaluators {
		n := NodeLine{Person: f.person(training.Account(e.Rest)), State: "on duty", Missed: e.Value.Missed, good: true}
		if e.Value.Suspended {
			n.State, n.good = "suspended: absent too often", false
		}
		out.Evaluators = append(out.Evaluators, n)
	}
	vaults, err := sealing.Vaults.All(f.State)
	if err != nil {
		return out, err
	}
	for _, v := range vaults {
		line := VaultLine{Operator: f.person(v.Value.Operator), Kind: v.Value.Kind, Assurance: v.Value.Assurance, Height: v.Value.Height, Denied: v.Value.Denied}
		copy(line.Vault[:], v.Rest)
		out.Vaults = append(out.Vaults, line)
	}
	keepers, err := sealing.Keepers.All(f.State)
	if err != nil {
		return out, err
	}
	for _, k := range keepers {
		out.Keepers = append(out.Keepers, f.person(training.Account(k.Rest)))
	}
	out.Checks, err = f.checks(out)
	return out, err
}

// trainerNodes tells when each trainer was last heard of: latency is a node's
// own work plus the network, as the chain sees it.
func (f *facts) trainerNodes(r *rungFacts) ([]NodeLine, error) {
	crew, err := f.crew(r)
	if err != nil {
		return nil, err
	}
	out := []NodeLine{}
	newest := crescendo.Round(min(r.closed()+1, r.spec.Training.Rounds))
	for _, s := range crew {
		n := NodeLine{Person: page.Person{Account: s.Account, Name: s.Name, Demo: s.Demo}, State: s.State, good: s.Good}
		for round := newest; round > 0 && round+3 > newest; round-- {
			w, err := kv.Optional(training.Works.Get(f.State, uint32(r.id), uint32(round), string(s.Account)))
			if err != nil {
				return nil, err
			}
			if w.Height == 0 || int(round) > len(r.tally.Rounds) {
				continue
			}
			n.Seen = f.TimeOf(w.Height)
			n.Latency = n.Seen - f.TimeOf(r.tally.Rounds[round-1].Opened)
			break
		}
		out = append(out, n)
	}
	return out, nil
}

// checks says what is not as it should be, and what to do about it.
func (f *facts) checks(n Network) ([]Check, error) {
	h := n.Health
	out := []Check{{Name: "The hub follows the chain", Status: map[string]string{"ok": "ok", "idle": "idle", "behind": "warning"}[h.Status], Detail: fmt.Sprintf("block %s of %s", page.Count(h.Height), page.Count(h.Newest)), Remedy: h.Remedy}}
	if out[0].Status == "" {
		out[0].Status = "failed"
	}
	if h.Problem != "" {
		out[0].Detail = h.Problem
	}
	wrong := Check{Name: "The record is what the rules give", Status: "ok", Detail: "every transaction was executed again, with the recorded result"}
	if len(f.Wrong) > 0 {
		wrong.Status, wrong.Detail, wrong.Remedy = "failed", f.Wrong[0], "run `crescendo audit` and believe nothing of this chain until it passes"
	}
	supply, err := f.supply()
	if err != nil {
		return nil, err
	}
	money := Check{Name: "Money is conserved", Status: "ok", Detail: "supply error 0"}
	if supply.Error != 0 {
		money.Status, money.Detail, money.Remedy = "failed", fmt.Sprintf("supply error %d", supply.Error), "a rule or the ledger is broken: halt the programme"
	}
	out = append(out, wrong, money)
	sitting := 0
	for _, e := range n.Evaluators {
		if e.good {
			sitting++
		}
	}
	judges := Check{Name: "Enough evaluators", Status: "ok", Detail: fmt.Sprintf("%d on duty, %d needed", sitting, f.Spec.Evaluation.MinEvaluators)}
	if sitting < int(f.Spec.Evaluation.MinEvaluators) {
		judges.Status, judges.Remedy = "warning", "start evaluators: crescendo evaluation run URL; training waits for them"
	}
	out = append(out, judges)
	if f.hub.c.Watch != nil {
		out = append(out, serviceChecks(n.Nodes, f.sealing())...)
	}
	if r := f.active(); r != nil && r.at.Stage == program.StageTraining {
		out = append(out, trainerCheck(r), voidCheck(r))
	}
	return out, nil
}

func trainerCheck(r *rungFacts) Check {
	c := Check{Name: "Enough trainers", Status: "ok", Detail: fmt.Sprintf("%d seated, %d needed, %d seats", r.run.Seated, r.spec.Training.MinTrainers, r.spec.Training.Seats)}
	if r.run.Seated < r.spec.Training.MinTrainers {
		c.Status, c.Remedy = "warning", "more people must join: crescendo training join URL; rounds wait for them"
	}
	return c
}

func voidCheck(r *rungFacts) Check {
	c := Check{Name: "Rounds succeed", Status: "ok", Detail: fmt.Sprintf("%d closed, %d attempts void", r.closed(), r.run.Voids)}
	if uint64(r.run.Voids)*4 > uint64(r.closed())+4 {
		c.Status, c.Remedy = "warning", "trainers or evaluators are too slow for the deadlines: see who is late below, and the size of their machines"
	}
	return c
}

// hubVersion is the build of this program.
func hubVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return info.GoVersion + ", development build"
}

func (f *facts) networkDocument(n Network) page.Document {
	checks := page.Table{ID: "checks", Caption: "Health", Head: page.Columns("Check", "", "What was found", "What to do")}
	for _, c := range n.Checks {
		checks.Rows = append(checks.Rows, []page.Cell{page.Text(c.Name), {Text: c.Status, Class: map[string]string{"ok": "good", "warning": "warn", "failed": "bad"}[c.Status]}, page.Text(c.Detail), page.Text(c.Remedy)})
	}
	trainers := nodeTable("trainers", "Trainers", n.Trainers, f.Time)
	trainers.Empty = "Nobody trains yet."
	evaluators := page.Table{ID: "evaluators", Caption: "Evaluators", Head: page.Columns("Evaluator", "State", "Rounds missed in a row#"), Empty: "Nobody evaluates yet: crescendo evaluation run URL"}
	for _, e := range n.Evaluators {
		evaluators.Rows = append(evaluators.Rows, []page.Cell{page.Of(e.Person), stateCell(e), page.Text(page.Count(e.Missed))})
	}
	vaults := page.Table{ID: "vaults", Caption: "Vaults", Head: page.Columns("Vault", "Operator", "Kind", "Assurance", "Accepted#"), Empty: "No vault has been accepted yet: crescendo sealing relay URL"}
	for _, v := range n.Vaults {
		state := page.Cell{Text: v.Assurance, Class: "warn"}
		if v.Denied {
			state = page.Cell{Text: "denied", Class: "bad"}
		}
		vaults.Rows = append(vaults.Rows, []page.Cell{{Text: v.Vault.Short(), Class: "mono"}, page.Of(v.Operator), page.Text(v.Kind), state, page.To("block "+page.Count(v.Height), "/block/"+page.Decimal(v.Height))})
	}
	keepers := page.Table{ID: "keepers", Caption: "Keepers of keys", Head: page.Columns("Keeper"), Empty: "Nobody keeps keys yet."}
	for _, k := range n.Keepers {
		keepers.Rows = append(keepers.Rows, []page.Cell{page.Of(k)})
	}
	doc := page.Document{
		Title: "Network", Lead: "Who keeps this programme running, and what to do when something is not as it should be.",
		Facts: []page.Fact{{Label: "Newest block", Value: page.Count(f.Height), Link: "/block/" + page.Decimal(f.Height)}, {Label: "A block takes", Value: page.Fixed(float64(n.BlockMillis)/1000, 2) + " s"},
			{Label: "Validators at genesis", Value: page.Count(n.Validators)}, {Label: "This hub", Value: n.Hub}, {Label: "Mirror this hub", Value: "how to", Link: "#mirror"}},
		Sections: []page.Section{
			{ID: "health", Title: "Health", Table: &checks}},
	}
	doc.Sections = append(doc.Sections, f.nodeSections(n.Nodes)...)
	doc.Sections = append(doc.Sections, []page.Section{
		{ID: "trainers-title", Title: "Trainers", Note: "latency: from a round's opening to the commitment, as the chain saw it", Table: &trainers},
		{ID: "evaluators-title", Title: "Evaluators", Table: &evaluators},
		{ID: "vaults-title", Title: "Vaults", Table: &vaults}, {ID: "keepers-title", Title: "Keepers", Table: &keepers},
		{ID: "mirror", Title: "A hub of your own", Text: []page.Paragraph{{Text: "Any hub can vanish. This one holds nothing that the chain does not: run the same anywhere with one command."}},
			Code: "crescendo hub serve " + f.hub.c.Archive + " --home ~/mirror"},
	}...)
	return doc
}

func stateCell(n NodeLine) page.Cell {
	if !n.good {
		return page.Cell{Text: n.State, Class: "bad"}
	}
	return page.Text(n.State)
}

func nodeTable(id, caption string, nodes []NodeLine, now int64) page.Table {
	t := page.Table{ID: id, Caption: caption, Head: page.Columns("Name", "State", "Latency#", "Last heard of#")}
	for _, n := range nodes {
		latency, seen := "–", "–"
		if n.Seen > 0 {
			latency, seen = page.Fixed(float64(n.Latency)/1000, 1)+" s", page.Span(now-n.Seen)+" ago"
		}
		t.Rows = append(t.Rows, []page.Cell{page.Of(n.Person), stateCell(n), page.Text(latency), page.Text(seen)})
	}
	return t
}
