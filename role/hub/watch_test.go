package hub

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/role/hub/nodes"
)

// What is measured becomes checks with remedies; what is not, is unknown.
func TestChecksOfNodes(t *testing.T) {
	answering := nodes.Node{Kind: "vault", State: nodes.Answers, Micros: 1500, Detail: "serves"}
	refused := nodes.Node{Kind: "vault", State: nodes.Answers, Micros: 1500, Problem: "refused", Remedy: "see the log"}
	silent := func(kind string) nodes.Node {
		return nodes.Node{Kind: kind, State: nodes.Silent, Problem: "silence", Remedy: "start it"}
	}
	for name, c := range map[string]struct {
		node    nodes.Node
		sealing bool
		status  string
		says    string
	}{
		"answers":               {answering, true, "ok", "in 1.5 ms; serves"},
		"unknown":               {nodes.Node{Kind: "ledger", State: nodes.Unknown}, true, "unknown", "nobody could be asked"},
		"no archive":            {silent("archive"), false, "failed", "silence"},
		"no ledger":             {silent("ledger"), false, "failed", "silence"},
		"no relay":              {silent("relay"), true, "warning", "silence"},
		"no relay needed yet":   {silent("relay"), false, "not yet", "silence"},
		"a vault that is wrong": {refused, true, "warning", "refused"},
	} {
		got := serviceChecks(nodes.Report{Services: []nodes.Node{c.node}}, c.sealing)[0]
		if got.Status != c.status || !strings.Contains(got.Detail, c.says) || got.Name == "" || (c.status == "failed" || c.status == "warning") && got.Remedy == "" {
			t.Errorf("%s: %+v, want %+v", name, got, c)
		}
	}
	damaged := nodes.Trouble{Name: "the delta ab of round 7", Text: "corrupt", From: 1000}
	healed := damaged
	healed.Till = 32_000
	for name, c := range map[string]struct {
		blobs        nodes.Blobs
		status, says string
	}{
		"nothing there": {nodes.Blobs{}, "unknown", "no delta"},
		"all right":     {nodes.Blobs{Checked: 9, Last: 5}, "ok", "9 deltas"},
		"damaged":       {nodes.Blobs{Checked: 8, Trouble: []nodes.Trouble{healed, damaged}}, "failed", "the delta ab of round 7 cannot be had: corrupt"},
		"right again":   {nodes.Blobs{Checked: 9, Trouble: []nodes.Trouble{healed}}, "warning", "could not be had for 31 s, until 10 s ago"},
	} {
		got := blobCheck(nodes.Report{Time: 42_000, Blobs: c.blobs})
		if got.Status != c.status || !strings.Contains(got.Detail, c.says) || (c.status == "failed" || c.status == "warning") && got.Remedy == "" {
			t.Errorf("%s: %+v, want %+v", name, got, c)
		}
	}
}

// The newest rounds of a story have deltas that anybody must be able to fetch.
func TestDeltasOfAStory(t *testing.T) {
	h := storyHub(t)
	deltas := h.Deltas()
	if len(deltas) == 0 {
		t.Fatal("a story with closed rounds has no deltas")
	}
	for _, d := range deltas {
		if d.Blob.IsZero() || d.Size == 0 || !strings.HasPrefix(d.Name, "the delta ") {
			t.Errorf("%+v", d)
		}
	}
}
