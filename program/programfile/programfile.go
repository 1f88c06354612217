// Package programfile reads programme files: YAML that people write, into the
// programme that stands in a ledger's genesis.
//
// It is strict. A key that does not exist is an error that names the line and
// the key that was probably meant; nothing is ignored. What only a demo on one
// machine needs stands in the section demo and never reaches a ledger. The
// organiser's account and whether vaults may be simulated are not in the file:
// who starts a programme fills them in.
package programfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/program"
)

// MaxSize bounds a programme file, in bytes.
const MaxSize = 1 << 20

// Demo says who plays a programme on one machine. Zero values mean none,
// except where a field says otherwise.
type Demo struct {
	Trainers     int      `yaml:"trainers" json:"trainers"`
	FreeRiders   int      `yaml:"free-riders" json:"free-riders"` // besides Trainers
	Evaluators   int      `yaml:"evaluators" json:"evaluators"`
	Funders      int      `yaml:"funders" json:"funders"`
	Clients      int      `yaml:"clients" json:"clients"`
	Researchers  int      `yaml:"researchers" json:"researchers"` // enter recipes of their own into competitions
	Copiers      int      `yaml:"copiers" json:"copiers"`         // enter what others have written
	Newcomers    int      `yaml:"newcomers" json:"newcomers"`     // enter the seasons of later rungs
	Requests     int      `yaml:"requests" json:"requests"`       // of each client, per rung
	MaxTokens    int      `yaml:"max-tokens" json:"max-tokens"`   // of an answer
	Prompt       string   `yaml:"prompt" json:"prompt"`
	CheatKinds   []string `yaml:"cheat-kinds" json:"cheat-kinds"`     // of the free riders, in turn
	ContributeBP int      `yaml:"contribute-bp" json:"contribute-bp"` // of a hard cap the funders buy; 0: all of it
}

// Cheats are the kinds of free riders a demo may have.
var Cheats = []string{"nothing", "stale", "copy", "copy-noise", "quarter"}

// file is the whole of a programme file.
type file struct {
	program.Spec `yaml:",inline"`
	Demo         Demo `yaml:"demo"`
}

// Load reads a programme file.
func Load(path string) (program.Spec, Demo, error) {
	f, err := os.Open(path)
	if err != nil {
		return program.Spec{}, Demo{}, crescendo.Errorf(crescendo.CodeNotFound, "open programme: %v", err).
			WithHint("programme files come with the source in programs/")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return program.Spec{}, Demo{}, fmt.Errorf("read programme %s: %w", path, err)
	}
	return Parse(path, data)
}

// Parse reads a programme from memory; name stands in errors. What the file
// leaves out is filled in by Defaults.
func Parse(name string, data []byte) (program.Spec, Demo, error) {
	if len(data) > MaxSize {
		return program.Spec{}, Demo{}, crescendo.Errorf(crescendo.CodeInvalid, "read programme %s: more than %d bytes", name, MaxSize)
	}
	var f file
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		return program.Spec{}, Demo{}, explain(name, data, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return program.Spec{}, Demo{}, crescendo.Errorf(crescendo.CodeInvalid, "read programme %s: a second document begins in it", name)
	}
	fillIn(&f.Spec)
	if err := f.Spec.Validate(); err != nil {
		return program.Spec{}, Demo{}, fmt.Errorf("%s: %w", name, err)
	}
	if err := f.Demo.validate(); err != nil {
		return program.Spec{}, Demo{}, crescendo.Errorf(crescendo.CodeInvalid, "%s: demo.%v", name, err)
	}
	return f.Spec, f.Demo, nil
}

// fillIn sets what a programme file may leave out.
func fillIn(s *program.Spec) {
	fill(&s.Denom, "udemo")
	fill(&s.Corpus.Source, "go")
	fill(&s.Corpus.HeldOutPerMille, 40)
	for i := range s.Rungs {
		r := &s.Rungs[i]
		fill(&r.Model.KVHeads, r.Model.Heads)
		if r.Start.From == program.FromPrevious {
			fill(&r.Start.NoisePerMille, 300) // training/growth.DefaultNoise
		}
		fill(&r.Training.Codec, "q2")
		fill(&r.Sealing.Policy, program.SealedUntilRepaid)
		fillOptimizer(&r.Training.Optimizer)
		if r.Inference.Weights == inference.WeightsName(inference.WeightsFloat32) {
			r.Inference.Weights = inference.WeightsFloat32
		}
	}
}

// fillOptimizer takes the settings that trained small models best, as
// docs/experiments tells.
func fillOptimizer(o *program.Optimizer) {
	fill(&o.Kind, "muon")
	fill(&o.LRMillionths, 24_000)
	fill(&o.MatrixLRMillionths, 20_000)
	fill(&o.Beta1Millionths, 900_000)
	fill(&o.Beta2Millionths, 999_000)
	fill(&o.WeightDecayMillionths, 100_000)
	fill(&o.MomentumMillionths, 950_000)
	fill(&o.ClipMillionths, 1_000_000)
	fill(&o.WarmupBP, 500)
	fill(&o.FinalBP, 1000)
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (d Demo) validate() error {
	for _, n := range []struct {
		name  string
		value int
		most  int
	}{
		{"trainers", d.Trainers, program.MaxSeats}, {"free-riders", d.FreeRiders, program.MaxSeats}, {"evaluators", d.Evaluators, 64},
		{"funders", d.Funders, 1000}, {"clients", d.Clients, 1000}, {"researchers", d.Researchers, 5}, {"copiers", d.Copiers, 5}, {"newcomers", d.Newcomers, 2}, {"requests", d.Requests, 1_000_000},
		{"max-tokens", d.MaxTokens, 1 << 20}, {"contribute-bp", d.ContributeBP, 10_000},
	} {
		if n.value < 0 || n.value > n.most {
			return fmt.Errorf("%s: %d, want 0 to %d", n.name, n.value, n.most)
		}
	}
	for _, kind := range d.CheatKinds {
		if near, ok := nearest(kind, Cheats); !ok {
			return fmt.Errorf("cheat-kinds: %.40q is none of %v, did you mean %q?", kind, Cheats, near)
		}
	}
	return nil
}
