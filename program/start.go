package program

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

// What a rung's training starts from.
const (
	FromSeed       = "seed"       // weights drawn from the chain's name
	FromPrevious   = "previous"   // the last public checkpoint of the rung before, grown
	FromCheckpoint = "checkpoint" // a model that was trained elsewhere
)

// MaxNoise bounds Start.NoisePerMille: as large as the weights themselves.
const MaxNoise = 1000

// Start says what the first checkpoint of a rung is made of. Zero: its seed.
// Whatever it is, everybody can make it again.
type Start struct {
	From string `pb:"1" yaml:"from"`

	// Checkpoint is the blob of round 0, and Tokenizer the one that the model
	// was trained with, which has to be the corpus's.
	Checkpoint crescendo.Hash `pb:"2" yaml:"checkpoint"`
	Tokenizer  crescendo.Hash `pb:"3" yaml:"tokenizer"`

	// NoisePerMille, of the root mean square of grown weights, parts the copies.
	NoisePerMille uint32 `pb:"4" yaml:"noise-per-mille"`
}

// Kind is what the programme asks for: FromSeed where it says nothing.
func (s Start) Kind() string {
	if s.From == "" {
		return FromSeed
	}
	return s.From
}

// StartsFrom says what a rung really starts from, given the programme as this
// rung and the one before are trained. A recipe may have a shape that the model
// before cannot be grown to: then the rung starts from its seed.
func (s Spec) StartsFrom(rung crescendo.RungID) string {
	kind := s.Rungs[rung-1].Start.Kind()
	if kind == FromPrevious && s.grows(int(rung-1)) != nil {
		return FromSeed
	}
	return kind
}

// grows says why the model of a rung cannot be grown from that of the rung
// before; nil: it can.
func (s Spec) grows(i int) error {
	if i < 1 {
		return errors.New("there is no rung before")
	}
	if s.Rungs[i-1].Training.Tokenizer != s.Rungs[i].Training.Tokenizer {
		return errors.New("its tokens mean something else")
	}
	return CanGrow(s.Rungs[i-1].Model, s.Rungs[i].Model, s.Corpus.Vocabulary)
}

// CanGrow reports the first reason why a model cannot be grown into another:
// width grows by whole factors, heads are copied whole, an output may become one
// of its own, a feed-forward may become experts, nothing shrinks but the context,
// and all else stays. Vocabulary is
// the corpus's. It is the rule of training/growth, which computes, in integers.
func CanGrow(from, to Model, vocabulary uint32) error {
	from, to = from.plain(vocabulary), to.plain(vocabulary)
	if from.Dim == 0 || from.Heads == 0 || from.KVHeads == 0 || to.Heads == 0 || to.KVHeads == 0 {
		return errors.New("a model has no heads")
	}
	switch {
	case to.Dim%from.Dim != 0:
		return fmt.Errorf("width %d is no multiple of %d", to.Dim, from.Dim)
	case to.Dim/to.Heads != from.Dim/from.Heads:
		return fmt.Errorf("heads of width %d cannot become %d wide", from.Dim/from.Heads, to.Dim/to.Heads)
	case to.KVHeads%from.KVHeads != 0:
		return fmt.Errorf("%d key-value heads are no multiple of %d", to.KVHeads, from.KVHeads)
	case to.FFN < from.FFN:
		return fmt.Errorf("feed-forward width %d is below %d", to.FFN, from.FFN)
	case to.Layers < from.Layers:
		return fmt.Errorf("%d layers are fewer than %d", to.Layers, from.Layers)
	case to.Tied && !from.Tied:
		return errors.New("an output of its own cannot become the embedding")
	case from.Mixture() && (to.Experts != from.Experts || to.ExpertsPerToken != from.ExpertsPerToken):
		return fmt.Errorf("%d experts, %d a token, cannot become %d, %d a token; only a plain model becomes a mixture, and then its experts stay as many",
			from.Experts, from.ExpertsPerToken, to.Experts, to.ExpertsPerToken)
	}
	rest := to
	rest.Dim, rest.Heads, rest.KVHeads, rest.FFN, rest.Layers, rest.Context = from.Dim, from.Heads, from.KVHeads, from.FFN, from.Layers, from.Context
	rest.Tied = from.Tied
	rest.Experts, rest.ExpertsPerToken, rest.BalanceMillionths = from.Experts, from.ExpertsPerToken, from.BalanceMillionths
	if rest != from {
		return errors.New("vocabulary, norms, biases and rotary embedding must stay")
	}
	return nil
}

// validateStart refuses a start that could not be made.
func (s Spec) validateStart(i int) error {
	start := s.Rungs[i].Start
	kind := start.Kind()
	switch {
	case kind != FromSeed && kind != FromPrevious && kind != FromCheckpoint:
		return fmt.Errorf("from: %q, want %s, %s or %s", clip(start.From), FromSeed, FromPrevious, FromCheckpoint)
	case kind != FromCheckpoint && (!start.Checkpoint.IsZero() || !start.Tokenizer.IsZero()):
		return fmt.Errorf("checkpoint: it is named, but the rung starts from: %s", kind)
	case kind == FromCheckpoint && start.Checkpoint.IsZero():
		return errors.New("checkpoint: want the hash that `crescendo model import` prints")
	case kind == FromCheckpoint && start.Tokenizer.IsZero():
		return errors.New("tokenizer: want the hash that `crescendo model import` prints")
	case kind == FromPrevious && (start.NoisePerMille == 0 || start.NoisePerMille > MaxNoise):
		return fmt.Errorf("noise-per-mille: %d, want 1 to %d", start.NoisePerMille, MaxNoise)
	case kind != FromPrevious && start.NoisePerMille != 0:
		return fmt.Errorf("noise-per-mille: it is for rungs that start from: %s", FromPrevious)
	}
	if kind == FromPrevious {
		if err := s.grows(i); err != nil {
			return fmt.Errorf("from: the model cannot be grown from that of the rung before: %w", err)
		}
	}
	if t := s.Tokenizer(); kind == FromCheckpoint && t != start.Tokenizer {
		return fmt.Errorf("tokenizer: another rung names %s, and all rungs read one corpus", t.Short())
	}
	return nil
}

// Tokenizer is the blob of the tokenizer that the corpus has to be packed with;
// zero: any, which is trained on the corpus.
func (s Spec) Tokenizer() crescendo.Hash {
	for _, r := range s.Rungs {
		if r.Start.Kind() == FromCheckpoint {
			return r.Start.Tokenizer
		}
	}
	return crescendo.Hash{}
}

// fitStart refuses a recipe with another shape than the checkpoint that the rung
// starts from.
func (r Rung) fitStart(recipe research.Recipe) error {
	if r.Start.Kind() != FromCheckpoint || recipe.Model == (research.Model{}) && recipe.Context == 0 {
		return nil
	}
	return errors.New("model: the rung starts from a checkpoint, so model and context stay as the programme has them")
}

// checkBase refuses a first checkpoint that is not the one the programme names.
// What is drawn or grown the ledger cannot compute: trainers, evaluators and
// auditors do, and refuse.
func (c *call) checkBase(id crescendo.RungID, base crescendo.Hash) error {
	start := c.spec.Rungs[id-1].Start
	if start.Kind() != FromCheckpoint || base == start.Checkpoint {
		return nil
	}
	return crescendo.Errorf(crescendo.CodeInvalid, "start training of rung %d: the programme starts it from checkpoint %s, not %s", id, start.Checkpoint.Short(), base.Short())
}
