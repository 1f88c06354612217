package hub

import (
	"fmt"

	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/hub/nodes"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/training"
)

// Deltas lists the newest deltas that anybody must be able to fetch, newest
// rounds first, as many as are looked at: rounds of a small rung may take less
// than a second, and each is to be seen by one of the looks.
func (h *Hub) Deltas() []nodes.Sample {
	var out []nodes.Sample
	err := h.read(func(f *facts) error {
		r := f.trained()
		if r == nil {
			return nil
		}
		closed := r.closed()
		for n := closed; n > 0 && len(out) < nodes.MaxSamples; n-- {
			works, err := training.Works.List(f.State, nil, kv.MaxPage, uint32(r.id), n)
			if err != nil {
				return err
			}
			for _, w := range works {
				if !w.Value.Payload.IsZero() && w.Value.Available {
					out = append(out, nodes.Sample{Blob: w.Value.Payload, Size: w.Value.Size, Name: fmt.Sprintf("the delta %s of round %d", w.Value.Payload.Short(), n)})
				}
			}
		}
		return nil
	})
	if err != nil {
		h.c.Log.Warn("list deltas", "error", err)
	}
	return out
}

// report is what is known of nodes; nothing if nobody looks.
func (h *Hub) report() nodes.Report {
	var r nodes.Report
	if h.c.Watch != nil {
		r = h.c.Watch.Report()
	}
	// Lists are lists in JSON, also when they are empty.
	r.Services, r.Peers, r.Processes = listed(r.Services), listed(r.Peers), listed(r.Processes)
	r.Blobs.Trouble = listed(r.Blobs.Trouble)
	return r
}

func listed[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

// checkNames are what should be so of services.
var checkNames = map[string]string{
	"archive": "The archive answers", "ledger": "The ledger's node answers", "relay": "The relay answers", "vault": "A vault can be asked",
}

// serviceChecks say which services do not do what they should. Nobody needs a
// relay before there is something to seal.
func serviceChecks(r nodes.Report, sealing bool) []Check {
	var out []Check
	for _, n := range r.Services {
		c := Check{Name: checkNames[n.Kind], Status: "ok", Detail: n.Detail, Remedy: n.Remedy}
		if n.Micros > 0 {
			c.Detail = joined("in "+millis(n.Micros), n.Detail)
		}
		if n.Problem != "" {
			c.Detail = joined(n.Problem, n.Detail)
		}
		switch {
		case n.State == nodes.Unknown:
			c.Status = "unknown"
			if c.Detail == "" {
				c.Detail = "nobody could be asked"
			}
		case n.Problem == "":
		case n.Kind != "relay" && n.Kind != "vault":
			c.Status = "failed"
		case sealing:
			c.Status = "warning"
		default:
			c.Status, c.Remedy = "not yet", "none is needed before a rung is sealed"
		}
		out = append(out, c)
	}
	return append(out, blobCheck(r))
}

// blobCheck tells of blobs that were fetched and compared with their names.
func blobCheck(r nodes.Report) Check {
	c := Check{Name: "Blobs are what their names say", Status: "ok", Detail: fmt.Sprintf("%d deltas of the last rounds were fetched and hashed", r.Blobs.Checked)}
	for _, t := range r.Blobs.Trouble {
		if t.Till == 0 {
			c.Status, c.Detail = "failed", t.Name+" cannot be had: "+t.Text
			c.Remedy = "whoever keeps the archive restores the file; whoever has the same bytes may upload them again. Nobody takes the damaged ones for the real ones"
			return c
		}
	}
	switch {
	case len(r.Blobs.Trouble) > 0:
		t := r.Blobs.Trouble[0]
		c.Status, c.Remedy = "warning", "it is right again; if it comes back, the archive's disk or memory is failing"
		c.Detail = fmt.Sprintf("%s could not be had for %s, until %s ago: %s", t.Name, page.Span(t.Till-t.From), page.Span(r.Time-t.Till), t.Text)
	case r.Blobs.Checked == 0:
		c.Status, c.Detail = "unknown", "there is no delta to look at, or none of at most 4 MiB"
	}
	return c
}

func joined(a, b string) string {
	if b == "" {
		return a
	}
	return a + "; " + b
}

// millis prints microseconds.
func millis(micros int64) string {
	if micros == 0 {
		return "–"
	}
	return page.Fixed(float64(micros)/1000, 1) + " ms"
}

// sealing reports whether a rung needs vaults.
func (f *facts) sealing() bool {
	for i := range f.rungs {
		switch f.rungs[i].at.Stage {
		case program.StageSealing, program.StageServing:
			return true
		}
	}
	return false
}

func known(version string) page.Cell {
	if version == "" {
		return page.Text("unknown")
	}
	return page.Text(version)
}

// nodeSections show what was measured.
func (f *facts) nodeSections(r nodes.Report) []page.Section {
	services := page.Table{ID: "services", Caption: "Services", Head: page.Columns("Service", "State", "Answers in#", "Version", "What it says"), Empty: "This hub measures no services."}
	for _, n := range r.Services {
		state := page.Cell{Text: n.State, Class: map[string]string{nodes.Answers: "good", nodes.Silent: "warn"}[n.State]}
		services.Rows = append(services.Rows, []page.Cell{page.Text(n.Kind), state, page.Text(millis(n.Micros)), known(n.Version), page.Text(joined(n.Detail, n.Problem))})
	}
	if r.Blobs.Last > 0 {
		services.Rows = append(services.Rows, []page.Cell{page.Text("blobs"), {Text: nodes.Answers, Class: "good"}, page.Text(millis(r.Blobs.Micros)), page.Text("none"), page.Text("whether one is there; " + page.Count(r.Blobs.Checked) + " fetched")})
		if r.Blobs.Micros == 0 {
			services.Rows[len(services.Rows)-1][1] = page.Text(nodes.Unknown)
		}
	}
	peers := page.Table{ID: "peers", Caption: "Nodes of the ledger", Head: page.Columns("Node", "Calls itself", "Version", "Connected for#"), Empty: "Unknown: no node of the ledger was asked."}
	if r.PeersSaid {
		peers.Empty = "None: the node is connected to no other."
	}
	for _, p := range r.Peers {
		peers.Rows = append(peers.Rows, []page.Cell{{Text: p.ID, Class: "mono"}, page.Text(p.Name), known(p.Version), page.Text(page.Span(p.Millis))})
	}
	processes := page.Table{ID: "processes", Caption: "Processes of this machine", Head: page.Columns("Process", "Role", "Runs for#", "Memory#", "Version"), Empty: "Unknown: the programme does not run on this machine, or does not say."}
	for _, p := range r.Processes {
		age := "unknown"
		if p.Started > 0 {
			age = page.Span(r.Time - p.Started)
		}
		processes.Rows = append(processes.Rows, []page.Cell{page.Text(p.Name), page.Text(p.Role), page.Text(age), page.Text(page.Bytes(p.Memory)), known(p.Version)})
	}
	return []page.Section{
		{ID: "services-title", Title: "Services", Note: "a small question every ten seconds, measured by this hub", Table: &services},
		{ID: "peers-title", Title: "Nodes of the ledger", Note: "whom the ledger's node is connected to, in its words; how far they are is unknown", Table: &peers},
		{ID: "processes-title", Title: "Processes of this machine", Note: "as `crescendo up` runs them; one that was killed begins again at 0 s", Table: &processes},
	}
}

// version is the build of this hub.
func (h *Hub) version() string {
	if h.c.Version != "" {
		return h.c.Version
	}
	return hubVersion()
}
