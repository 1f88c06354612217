package program_test

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// ladder is a programme whose second rung grows from the first.
func ladder() program.Spec {
	spec := testSpec()
	spec.Rungs[1].Model.Heads, spec.Rungs[1].Model.KVHeads = 4, 4
	spec.Rungs[1].Start = program.Start{From: program.FromPrevious, NoisePerMille: 300}
	return spec
}

// imported is a programme whose first rung starts from a model made elsewhere.
func imported() program.Spec {
	spec := ladder()
	spec.Rungs[0].Start = program.Start{From: program.FromCheckpoint, Checkpoint: name("checkpoint"), Tokenizer: name("tokenizer")}
	return spec
}

func TestValidateStart(t *testing.T) {
	for _, c := range []struct {
		spec   func() program.Spec
		change func(*program.Spec)
		text   string
	}{
		{ladder, func(s *program.Spec) {}, ""},
		{imported, func(s *program.Spec) {}, ""},
		{ladder, func(s *program.Spec) { s.Rungs[1].Start.From = "elsewhere" }, `rung 2: start.from: "elsewhere"`},
		{ladder, func(s *program.Spec) { s.Rungs[0].Start = s.Rungs[1].Start }, "rung 1: start.from: the model cannot be grown from that of the rung before: there is no rung before"},
		{ladder, func(s *program.Spec) { s.Rungs[1].Start.NoisePerMille = 0 }, "start.noise-per-mille: 0, want 1 to 1000"},
		{ladder, func(s *program.Spec) { s.Rungs[1].Start.NoisePerMille = 1001 }, "start.noise-per-mille: 1001"},
		{ladder, func(s *program.Spec) { s.Rungs[0].Start.NoisePerMille = 1 }, "start.noise-per-mille: it is for rungs that start from: previous"},
		{ladder, func(s *program.Spec) { s.Rungs[1].Start.Checkpoint = name("x") }, "start.checkpoint: it is named"},
		{ladder, func(s *program.Spec) { s.Rungs[1].Model.Dim = 40 }, "width 40 is no multiple of 16"},
		{ladder, func(s *program.Spec) { s.Rungs[1].Model.Heads = 2; s.Rungs[1].Model.KVHeads = 2 }, "heads of width 8 cannot become 16 wide"},
		{ladder, func(s *program.Spec) { s.Rungs[1].Model.FFN = 31 }, "feed-forward width 31 is below 32"},
		{ladder, func(s *program.Spec) { s.Rungs[1].Model.Tied = false }, ""},
		{ladder, func(s *program.Spec) { s.Rungs[0].Model.Tied = false }, "an output of its own cannot become the embedding"},
		{ladder, func(s *program.Spec) { s.Rungs[1].Model.RopeTheta = 500000 }, "rotary embedding must stay"},
		{ladder, func(s *program.Spec) { s.Rungs[1].Model.RopeTheta = 10000 }, ""}, // what it is where nothing is said
		{ladder, func(s *program.Spec) { s.Rungs[1].Model.Vocab = 512 }, ""},
		{ladder, func(s *program.Spec) { s.Rungs[1].Model.Vocab = 513 }, "vocabulary"},
		{imported, func(s *program.Spec) { s.Rungs[0].Start.Checkpoint = crescendo.Hash{} }, "rung 1: start.checkpoint: want the hash"},
		{imported, func(s *program.Spec) { s.Rungs[0].Start.Tokenizer = crescendo.Hash{} }, "rung 1: start.tokenizer: want the hash"},
		{imported, func(s *program.Spec) {
			s.Rungs[1].Start = program.Start{From: program.FromCheckpoint, Checkpoint: name("y"), Tokenizer: name("z")}
		}, "rung 2: start.tokenizer: another rung names"},
		{imported, func(s *program.Spec) { s.Rungs[0].Model.RopeTheta = 1<<32 - 1 }, "model.rope-theta"},
		{imported, func(s *program.Spec) { s.Rungs[0].Model.NormEpsBillionths = 1<<32 - 1 }, "model.norm-eps-billionths"},
		{imported, func(s *program.Spec) { s.Rungs[0].Model.RopeScaling.Factor = 2000 }, `model.rope-scaling: kind: ""`},
		{imported, func(s *program.Spec) { s.Rungs[0].Model.RopeScaling = program.RopeScaling{Kind: "linear", Factor: 999} }, "factor-thousandths: 999"},
		{imported, func(s *program.Spec) {
			s.Rungs[0].Model.RopeScaling = program.RopeScaling{Kind: "linear", Factor: 2000, Original: 9}
		}, "linear has a factor only"},
		{imported, func(s *program.Spec) {
			s.Rungs[0].Model.RopeScaling = program.RopeScaling{Kind: "llama3", Factor: 2000}
		}, "low-factor-thousandths: 0 and 0"},
		{imported, func(s *program.Spec) {
			s.Rungs[0].Model.RopeScaling = program.RopeScaling{Kind: "llama3", Factor: 2000, LowFactor: 1, HighFactor: 2}
		}, "original-context: 0"},
		{imported, func(s *program.Spec) {
			s.Rungs[0].Model.RopeScaling = program.RopeScaling{Kind: "llama3", Factor: 8000, LowFactor: 1000, HighFactor: 4000, Original: 8192}
			s.Rungs[1].Model.RopeScaling = s.Rungs[0].Model.RopeScaling
		}, ""},
	} {
		spec := c.spec()
		c.change(&spec)
		err := spec.Validate()
		if (c.text == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%v, want %q", err, c.text)
		}
	}
}

// A programme that says nothing of starts is encoded as before there were any.
func TestNoStartIsNoBytes(t *testing.T) {
	spec := testSpec()
	plain := canon.Encode(spec.Rungs[0])
	spec.Rungs[0].Start.From = program.FromSeed
	if said := canon.Encode(spec.Rungs[0]); len(said) != len(plain)+2+2+len(program.FromSeed) {
		t.Errorf("%d bytes without a start, %d with one", len(plain), len(said))
	}
}

// A recipe may have a shape that the model before cannot be grown to; then the
// rung starts from its seed. What starts from a checkpoint keeps its shape.
func TestStartsFrom(t *testing.T) {
	spec, fixed := ladder(), imported()
	for _, s := range []*program.Spec{&spec, &fixed} {
		s.Rungs[0].Model.Context, s.Rungs[1].Model.Context = 32, 32
	}
	if got := spec.StartsFrom(1) + " " + spec.StartsFrom(2); got != "seed previous" {
		t.Errorf("the ladder starts from %s", got)
	}
	for text, recipe := range map[string]research.Recipe{
		"previous": {Context: 16}, // a shorter text has the same function
		"seed":     {Model: research.Model{Dim: 24, Layers: 1, Heads: 3, KVHeads: 3, FFN: 32, Tied: true}},
	} {
		recipe.Version, recipe.Author, recipe.Name = 1, "rita", text
		effective, err := program.Effective(spec, 2, recipe)
		if err != nil {
			t.Fatal(err)
		}
		if got := effective.StartsFrom(2); got != text {
			t.Errorf("with recipe %+v the rung starts from %s, want %s", recipe, got, text)
		}
		if text == "seed" {
			continue
		}
		if _, err := program.Effective(fixed, 1, recipe); err == nil || !strings.Contains(err.Error(), "starts from a checkpoint") {
			t.Errorf("a recipe changes the shape of a checkpoint: %v", err)
		}
	}
	if spec := fixed; spec.Tokenizer() != name("tokenizer") || spec.StartsFrom(1) != program.FromCheckpoint || spec.StartsFrom(2) != program.FromPrevious {
		t.Errorf("an imported ladder starts from %s and %s with tokenizer %s", spec.StartsFrom(1), spec.StartsFrom(2), spec.Tokenizer())
	}
}
