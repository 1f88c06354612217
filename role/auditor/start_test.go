package auditor

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

// A rung that grows from the one before is grown again by the audit, which finds
// a base that is another, goes on with what the ledger went on with, and says so
// where it cannot tell.
func TestGrownStarts(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	spec := testSpec()
	second := spec.Rungs[0]
	second.Model.Dim, second.Model.Heads, second.Model.KVHeads, second.Model.Layers = 32, 4, 4, 2
	second.Start = program.Start{From: program.FromPrevious, NoisePerMille: 300}
	spec.Rungs = append(spec.Rungs, second)
	store, blobs := kv.NewMemory(), blob.NewMemory()
	put := func(data []byte, err error) crescendo.Hash {
		t.Helper()
		must(err)
		h, err := blobs.Put(t.Context(), data)
		must(err)
		return h
	}
	first, err := outer.PlanOf(spec, 1)
	must(err)
	last := make([]float32, first.Shape.Parameters())
	engine.InitParams(first.Shape, last, 3)
	text := crescendo.Hash{9}
	final := put(outer.EncodeCheckpoint(first.Shape, outer.Vector{Rung: 1, Round: 3, Values: last}))
	must(training.Runs.Set(store, training.Run{Start: crescendo.Hash{1}, Final: final, Corpus: text}, uint32(1)))

	begin := func(run training.Run) (*rehearsal, string) {
		t.Helper()
		must(training.Runs.Set(store, run, uint32(2)))
		r, err := readRung(store, chainID, spec, 2)
		must(err)
		p := &rehearsal{rung: r, blobs: blobs, findings: newFindings()}
		must(p.begin(t.Context()))
		report := p.findings.report()
		return p, report.names() + strings.Join(report.Unverifiable, "\n")
	}
	p, _ := begin(training.Run{Start: crescendo.Hash{1}, Corpus: text})
	checkpoint, empty, err := p.origin.Make(t.Context(), blobs)
	must(err)
	honest := training.Run{Start: put(checkpoint, nil), Error: put(empty, nil), Corpus: text}
	if p, said := begin(honest); said != "" || p.base == nil || p.findings.report().ByClass.Recomputed != 1 {
		t.Errorf("an honest start: %s", said)
	}
	checkpoint[len(checkpoint)-1] ^= 1
	forged := honest
	forged.Start = put(checkpoint, nil)
	want, err := outer.DecodeCheckpoint(p.plan.Shape, checkpoint)
	must(err)
	p, said := begin(forged)
	if !strings.Contains(said, "initial checkpoint of rung 2: rung 1, grown from its checkpoint "+final.Short()+", gives checkpoint "+honest.Start.String()) {
		t.Errorf("a forged base is not found: %q", said)
	}
	if n := len(want.Values); len(p.base) != n || p.base[n-1] != want.Values[n-1] {
		t.Error("the audit does not go on with the base that was worked on")
	}
	must(blobs.Delete(t.Context(), final))
	if p, said := begin(honest); !strings.Contains(said, "initial checkpoint of rung 2") || p.findings.report().Failed != 0 || p.base == nil {
		t.Errorf("a start that cannot be made any more: %q", said)
	}
}
