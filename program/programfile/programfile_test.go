package programfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
)

const folder = "../../programs"

// Every programme that ships is valid, and knows who plays it.
func TestProgrammesThatShip(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d programmes: %v", len(files), err)
	}
	for _, f := range files {
		spec, demo, err := Load(f)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := strings.TrimSuffix(filepath.Base(f), ".yaml"); spec.Name != want {
			t.Errorf("%s has the name %s", f, spec.Name)
		}
		if spec.Name != "announced" && (demo.Evaluators < int(spec.Evaluation.MinEvaluators) || demo.Trainers < int(spec.Rungs[0].Training.MinTrainers)) {
			t.Errorf("%s: its demo has too few actors: %+v", f, demo)
		}
		last := uint64(0)
		for i, r := range spec.Rungs {
			if p := spec.Parameters(i); p <= last {
				t.Errorf("%s: rung %s is no larger than the one before", f, r.Name)
			} else {
				last = p
			}
		}
	}
}

// The announced ladder is within a tenth of what was announced, grows by whole
// factors, and raises 160 million dollars.
func TestAnnouncedLadder(t *testing.T) {
	spec, _, err := Load(filepath.Join(folder, "announced.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	announced := []uint64{500e6, 2e9, 7e9, 30e9, 70e9, 350e9, 1400e9}
	if len(spec.Rungs) != len(announced) {
		t.Fatalf("%d rungs", len(spec.Rungs))
	}
	var raised crescendo.Amount
	for i, r := range spec.Rungs {
		got := spec.Parameters(i)
		if got < announced[i]/10*9 || got > announced[i]/10*11 {
			t.Errorf("%s has %d parameters", r.Name, got)
		}
		raised += r.Raise.HardCap
		if i == 0 {
			continue
		}
		m, before := r.Model, spec.Rungs[i-1].Model
		for _, f := range [][2]uint32{{m.Dim, before.Dim}, {m.Layers, before.Layers}, {m.FFN, before.FFN}, {m.Heads, before.Heads}, {m.KVHeads, before.KVHeads}} {
			if f[0]%f[1] != 0 {
				t.Errorf("%s: %d does not grow from %d by a whole factor", r.Name, f[0], f[1])
			}
		}
	}
	if raised != 160_000_000_000_000 {
		t.Errorf("raises %d", raised)
	}
}

// The ladder's thousandth is near a thousandth, and begins with the shape that
// the experiments were made with.
func TestThousandthLadder(t *testing.T) {
	spec, _, err := Load(filepath.Join(folder, "thousandth.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := spec.Parameters(0); got != 513_728 {
		t.Errorf("rung 1 has %d parameters", got)
	}
	for i, want := range []uint64{500e3, 2e6, 7e6, 30e6, 70e6, 350e6, 1400e6} {
		if got := spec.Parameters(i); got < want/10*9 || got > want/10*11 {
			t.Errorf("%s has %d parameters", spec.Rungs[i].Name, got)
		}
	}
	if got := spec.Rungs[0].Tokens(4); got != 56*4*20*512 {
		t.Errorf("rung 1 trains on %d tokens", got)
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(folder, "refund.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) string {
		if !strings.Contains(string(good), from) {
			t.Fatalf("%q is not in the file", from)
		}
		return strings.Replace(string(good), from, to, 1)
	}
	for _, c := range []struct{ name, file, text, hint string }{
		{"unknown key", change("min-trainers: 3", "min-trainer: 3"), `f.yaml: line 22: unknown key "min-trainer"`, `did you mean "min-trainers"?`},
		{"unknown key far from any", change("eager: 2", "zzzzzzzzzz: 2"), `unknown key "zzzzzzzzzz"`, "keys here: rounds, steps"},
		{"unknown key at the top", "nmae: x\n", `line 1: unknown key "nmae"`, `did you mean "name"?`},
		{"empty", " \n", "the file is empty", ""},
		{"not YAML", "a: [", "did not find expected", ""},
		{"wrong kind", change("rounds: 4", "rounds: many"), "line 18: cannot unmarshal", ""},
		{"negative", change("rounds: 4", "rounds: -4"), "line 18: cannot unmarshal", ""},
		{"amount with a point", change("soft-cap: 8000000000", "soft-cap: 1.5"), "decimal digits", ""},
		{"key twice", "name: a\nname: b\n", "already defined", ""},
		{"second document", string(good) + "---\nname: b\n", "a second document", ""},
		{"soft cap above hard cap", change("soft-cap: 8000000000", "soft-cap: 80000000000"), "rung 1: raise.soft-cap", ""},
		{"heads", change("heads: 2", "heads: 5"), "model.heads: 5 does not divide dim 48", ""},
		{"no rungs", "name: x\ncorpus: {vocabulary: 512}\nevaluation: {min-evaluators: 1, sequences: 1}\n", "rungs: 0", ""},
		{"cheat", change("funders: 2", "cheat-kinds: [coppy]"), `did you mean "copy"?`, ""},
		{"weights", change("grace-blocks: 10}", "grace-blocks: 10, weights: int8}"), `rung 1: inference.weights: "int8", want float32 (or nothing) or q8`, ""},
		{"policy", change("sealed-until-repaid", "sealed-forever"), "sealing.policy", ""},
	} {
		_, _, err := Parse("f.yaml", []byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.name, err, c.text)
			continue
		}
		if crescendo.CodeOf(err) != crescendo.CodeInvalid {
			t.Errorf("%s: code %s", c.name, crescendo.CodeOf(err))
		}
		if c.hint != "" && !strings.Contains(hintOf(err), c.hint) {
			t.Errorf("%s: hint %q, want %q", c.name, hintOf(err), c.hint)
		}
	}
}

func hintOf(err error) string {
	if e, ok := err.(*crescendo.Error); ok {
		return e.Hint
	}
	return ""
}

func TestDefaults(t *testing.T) {
	spec, demo, err := Load(filepath.Join(folder, "smoke.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := program.Optimizer{Kind: "muon", LRMillionths: 24_000, MatrixLRMillionths: 20_000, Beta1Millionths: 900_000, Beta2Millionths: 999_000,
		WeightDecayMillionths: 100_000, MomentumMillionths: 950_000, ClipMillionths: 1_000_000, WarmupBP: 500, FinalBP: 1000}
	for i, r := range spec.Rungs {
		if i == 1 { // what is grown, the file trains at half the rates
			want.LRMillionths, want.MatrixLRMillionths = 12_000, 10_000
			if r.Start.NoisePerMille != 300 {
				t.Errorf("%s starts from %+v", r.Name, r.Start)
			}
		}
		if d := cmp.Diff(want, r.Training.Optimizer); d != "" {
			t.Error(r.Name, d)
		}
		if r.Model.KVHeads != r.Model.Heads {
			t.Errorf("%s: %d kv-heads", r.Name, r.Model.KVHeads)
		}
	}
	if spec.Organiser != "" || spec.Simulated {
		t.Error("a file decides who organises or what is simulated")
	}
	if demo.FreeRiders != 2 {
		t.Errorf("%+v", demo)
	}
}

// Weights of 8 bits are named; float32 may be, and is the same as saying nothing.
func TestWeightsOfAnswers(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(folder, "refund.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for written, want := range map[string]string{"": "", ", weights: float32": "", ", weights: q8": "q8"} {
		file := strings.Replace(string(good), "grace-blocks: 10}", "grace-blocks: 10"+written+"}", 1)
		spec, _, err := Parse("f.yaml", []byte(file))
		if err != nil {
			t.Errorf("%q: %v", written, err)
			continue
		}
		if got := spec.Rungs[0].Inference.Weights; got != want || (written != "" && file == string(good)) {
			t.Errorf("%q: weights %q, want %q", written, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	good, _ := os.ReadFile(filepath.Join(folder, "smoke.yaml"))
	f.Add(good)
	f.Add([]byte("rungs: [{model: {dim: 1}}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, _, err := Parse("f", data)
		if err == nil {
			if err := spec.Validate(); err != nil {
				t.Errorf("accepted, but %v", err)
			}
		}
	})
}
