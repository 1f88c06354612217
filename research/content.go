package research

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
)

// Bounds on a recipe.
const (
	RecipeVersion = 1
	MaxName       = 64 // bytes
	MaxMix        = 8
	MaxPrefix     = 128 // bytes
)

// Recipe says how a rung is trained: what it leaves at zero is as the
// programme has it. It is content, named by its hash; docs/formats/recipe.md
// describes the file that people write.
type Recipe struct {
	Version    uint32            `pb:"1" yaml:"version"`
	Author     crescendo.Account `pb:"2" yaml:"author"` // a copied file still names its author
	Name       string            `pb:"3" yaml:"name"`
	Parents    []crescendo.Hash  `pb:"4" yaml:"parents,omitempty"`   // recipes it builds on
	Optimizer  Optimizer         `pb:"5" yaml:"optimizer,omitempty"` // all zero: the programme's
	Sequences  uint32            `pb:"6" yaml:"sequences,omitempty"` // per step
	Context    uint32            `pb:"7" yaml:"context,omitempty"`
	Model      Model             `pb:"8" yaml:"model,omitempty"`  // all zero: the programme's
	Mix        []MixWeight       `pb:"9" yaml:"mix,omitempty"`    // empty: all documents alike
	Shard      crescendo.Hash    `pb:"10" yaml:"shard,omitempty"` // manifest of text that it contributes
	Evaluation crescendo.Hash    `pb:"11" yaml:"evaluation,omitempty"`
	Filter     Filter            `pb:"12" yaml:"filter,omitempty"`    // zero: no document is refused
	Tokenizer  Tokenizer         `pb:"14" yaml:"tokenizer,omitempty"` // all zero: the programme's
}

// Optimizer is a recipe's inner optimizer with its schedule; the names say
// the unit, as in a programme.
type Optimizer struct {
	Kind                  string `pb:"1" yaml:"kind"`
	LRMillionths          uint32 `pb:"2" yaml:"lr-millionths"`
	MatrixLRMillionths    uint32 `pb:"3" yaml:"matrix-lr-millionths"`
	Beta1Millionths       uint32 `pb:"4" yaml:"beta1-millionths"`
	Beta2Millionths       uint32 `pb:"5" yaml:"beta2-millionths"`
	WeightDecayMillionths uint32 `pb:"6" yaml:"weight-decay-millionths"`
	MomentumMillionths    uint32 `pb:"7" yaml:"momentum-millionths"`
	ClipMillionths        uint32 `pb:"8" yaml:"clip-millionths"`
	WarmupBP              uint32 `pb:"9" yaml:"warmup-bp"`
	FinalBP               uint32 `pb:"10" yaml:"final-bp"`
	Schedule              string `pb:"11" yaml:"schedule,omitempty"` // empty: cosine
}

// Schedules of the learning rate after the warm-up.
const (
	Cosine = "cosine" // falls along a cosine to the final fraction
	WSD    = "wsd"    // stays, and falls in a line over the last fifth
)

// Model is a shape other than the programme's. Vocabulary and context are not
// part of it.
type Model struct {
	Dim     uint32 `pb:"1" yaml:"dim"`
	Layers  uint32 `pb:"2" yaml:"layers"`
	Heads   uint32 `pb:"3" yaml:"heads"`
	KVHeads uint32 `pb:"4" yaml:"kv-heads"`
	FFN     uint32 `pb:"5" yaml:"ffn"`
	Tied    bool   `pb:"6" yaml:"tied"`
}

// ID names a recipe.
func (r Recipe) ID() crescendo.Hash {
	return digest.Sum("crescendo/research/recipe/v1", canon.Encode(r))
}

// Substance names what a recipe does, whoever wrote it: two recipes of equal
// substance are one recipe and a copy.
func (r Recipe) Substance() crescendo.Hash {
	r.Version, r.Author, r.Name, r.Parents = 0, "", "", nil
	if r.Optimizer.Schedule == Cosine {
		r.Optimizer.Schedule = ""
	}
	return digest.Sum("crescendo/research/substance/v1", canon.Encode(r))
}

// Baseline is the programme's own recipe, which takes part in every
// competition.
func Baseline(organiser crescendo.Account) Recipe {
	return Recipe{Version: RecipeVersion, Author: organiser, Name: "baseline"}
}
