package program_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// withText gives a recipe of a transcript what it is trained on: mix=(doc/=500,
// *.md=0), min-bytes, and text of its own.
func withText(d *datadriven.TestData, r *research.Recipe) {
	r.Filter.MinBytes = uint32(number(d, "min-bytes", 0))
	if d.HasArg("shard") {
		r.Shard = name("shard", text(d, "shard", ""))
	}
	arg, _ := d.Arg("mix")
	for _, v := range arg.Vals {
		path, weight, _ := strings.Cut(v, "=")
		n, _ := strconv.Atoi(weight)
		m := research.MixWeight{Prefix: path, PerMille: uint32(n)}
		if suffix, ok := strings.CutPrefix(path, "*"); ok {
			m.Prefix, m.Suffix = "", suffix
		}
		r.Mix = append(r.Mix, m)
	}
}

// What a winning recipe chooses to be trained on reaches the rung as planned,
// and nothing of it the programme itself or another rung.
func TestPlannedText(t *testing.T) {
	p := newPlayer(t, contested())
	p.first()
	p.must(&program.MsgOpenRaise{Sender: organiser, Rung: 2})
	r := recipe("gus", "of his own", 8)
	r.Mix = []research.MixWeight{{Suffix: ".md"}, {Prefix: "shard/", PerMille: 3000}}
	r.Filter, r.Shard = research.Filter{MinBytes: 100, MaxTokensPerKiB: 500}, name("text of gus")
	p.contest(2, r)
	planned, err := program.Planned(p.Store, 2)
	if err != nil {
		t.Fatal(err)
	}
	got := planned.Rungs[1].Training
	if d := cmp.Diff(r.Mix, got.Mix); d != "" || got.Filter != r.Filter || got.Shard != r.Shard {
		t.Errorf("planned with %+v, %+v, %s: %s", got.Mix, got.Filter, got.Shard.Short(), d)
	}
	if other := planned.Rungs[0].Training; len(other.Mix) > 0 || !other.Shard.IsZero() || other.Filter != (research.Filter{}) {
		t.Errorf("the first rung got %+v", other)
	}
	// A recipe that says nothing of the text leaves the programme's mix.
	spec := contested()
	spec.Rungs[0].Training.Mix = []research.MixWeight{{Prefix: "doc/", PerMille: 2000}}
	spec.Rungs[0].Training.Filter = research.Filter{MaxBytes: 9000}
	kept, err := program.Effective(spec, 1, recipe("ada", "as it is", 4))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(spec.Rungs[0].Training.Mix, kept.Rungs[0].Training.Mix); d != "" || kept.Rungs[0].Training.Filter.MaxBytes != 9000 {
		t.Errorf("the programme's own mix: %s", d)
	}
	spec.Rungs[0].Training.Shard = name("text of nobody")
	if err := spec.Validate(); err == nil || !strings.Contains(err.Error(), "shard") {
		t.Errorf("a programme that contributes text to itself: %v", err)
	}
}
