package engine

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo/engine/r0"
)

// ErrBadOptimizer means that the settings of an optimizer are out of range.
var ErrBadOptimizer = errors.New("bad optimizer settings")

// The kinds of inner optimizer.
const (
	Muon  = "muon"  // Muon on the matrices of layers, AdamW on embeddings and norms
	AdamW = "adamw" // AdamW on everything
)

// The schedules of the learning rate. All begin with a linear warm-up.
const (
	Cosine = "cosine" // half a cosine from the end of the warm-up to TotalSteps
	WSD    = "wsd"    // warm-up, stable, then a linear decay to TotalSteps
)

// What weight decay applies to.
const (
	DecayMatrices = "matrices" // everything but norms and biases
	DecayInner    = "inner"    // the matrices of layers only: not embeddings, output projections and routers
	DecayAll      = "all"
)

// An Optimizer is the inner optimizer of a recipe. Every field is part of the
// recipe's canonical form.
type Optimizer struct {
	Kind              string  `json:"kind"`
	LR                float32 `json:"lr"`        // of embeddings and norms
	MatrixLR          float32 `json:"matrix_lr"` // of the matrices of layers
	Beta1             float32 `json:"beta1"`
	Beta2             float32 `json:"beta2"`
	Eps               float32 `json:"eps"`
	WeightDecay       float32 `json:"weight_decay"` // times the learning rate; applied as Decay says
	Momentum          float32 `json:"momentum"`     // Muon's, with Nesterov's correction
	Clip              float32 `json:"clip"`         // bound on the norm of the gradient, 0 for none
	WarmupSteps       int     `json:"warmup_steps"`
	TotalSteps        int     `json:"total_steps"`
	FinalFraction     float32 `json:"final_fraction"` // of the peak, reached after TotalSteps
	NewtonSchulzSteps int     `json:"newton_schulz_steps"`

	// Schedule is Cosine if empty. DecaySteps is the length of WSD's decay, of
	// which 0 makes a fifth of TotalSteps.
	Schedule   string `json:"schedule,omitempty"`
	DecaySteps int    `json:"decay_steps,omitempty"`

	// Decay says what WeightDecay applies to: DecayMatrices if empty.
	Decay string `json:"decay,omitempty"`
}

// DefaultOptimizer is the inner optimizer that did best at half a million
// parameters under averaging every 20 steps: see docs/experiments.md. The long
// memory of Beta2 matters, because one trainer sees a rare token seldom.
func DefaultOptimizer(totalSteps int) Optimizer {
	return Optimizer{
		Kind: Muon, LR: 0.024, MatrixLR: 0.02,
		Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1, Momentum: 0.95, Clip: 1,
		WarmupSteps: totalSteps / 20, TotalSteps: totalSteps, FinalFraction: 0.1,
		NewtonSchulzSteps: 5,
	}
}

// Validate reports the first setting that is out of range.
func (o Optimizer) Validate() error {
	if o.Kind != Muon && o.Kind != AdamW {
		return fmt.Errorf("%w: kind is %q, want %q or %q", ErrBadOptimizer, o.Kind, Muon, AdamW)
	}
	ranges := []struct {
		name          string
		value, lo, hi float32
	}{
		{"lr", o.LR, 0, 10}, {"matrix_lr", o.MatrixLR, 0, 10},
		{"beta1", o.Beta1, 0, 0.99999}, {"beta2", o.Beta2, 0, 0.99999},
		{"eps", o.Eps, 1e-20, 1}, {"weight_decay", o.WeightDecay, 0, 10},
		{"momentum", o.Momentum, 0, 0.99999}, {"clip", o.Clip, 0, 1e6},
		{"final_fraction", o.FinalFraction, 0, 1},
	}
	for _, r := range ranges {
		if !(r.value >= r.lo && r.value <= r.hi) {
			return fmt.Errorf("%w: %s is %v, want %v to %v", ErrBadOptimizer, r.name, r.value, r.lo, r.hi)
		}
	}
	const maxSteps = 1 << 30
	switch {
	case o.TotalSteps < 1 || o.TotalSteps > maxSteps:
		return fmt.Errorf("%w: total_steps is %d, want 1 to %d", ErrBadOptimizer, o.TotalSteps, maxSteps)
	case o.WarmupSteps < 0 || o.WarmupSteps > o.TotalSteps:
		return fmt.Errorf("%w: warmup_steps is %d, want 0 to total_steps", ErrBadOptimizer, o.WarmupSteps)
	case o.NewtonSchulzSteps < 0 || o.NewtonSchulzSteps > 20 || (o.Kind == Muon && o.NewtonSchulzSteps == 0):
		return fmt.Errorf("%w: newton_schulz_steps is %d, want 1 to 20", ErrBadOptimizer, o.NewtonSchulzSteps)
	}
	switch {
	case o.Schedule != "" && o.Schedule != Cosine && o.Schedule != WSD:
		return fmt.Errorf("%w: schedule is %q, want %q or %q", ErrBadOptimizer, o.Schedule, Cosine, WSD)
	case o.Decay != "" && o.Decay != DecayMatrices && o.Decay != DecayInner && o.Decay != DecayAll:
		return fmt.Errorf("%w: decay is %q, want %q, %q or %q", ErrBadOptimizer, o.Decay, DecayMatrices, DecayInner, DecayAll)
	case o.DecaySteps < 0 || o.DecaySteps > o.TotalSteps-o.WarmupSteps:
		return fmt.Errorf("%w: decay_steps is %d, want 0 to total_steps less warmup_steps", ErrBadOptimizer, o.DecaySteps)
	}
	return nil
}

// Decays reports whether weight decay applies to a tensor.
func (o Optimizer) Decays(t Tensor) bool {
	switch o.Decay {
	case DecayAll:
		return true
	case DecayInner:
		return t.Matrix
	}
	return len(t.Dims) > 1
}

// decayStart is the step after which the learning rate falls.
func (o Optimizer) decayStart() int {
	if o.Schedule != WSD {
		return o.WarmupSteps
	}
	decay := o.DecaySteps
	if decay == 0 {
		decay = max(1, o.TotalSteps/5)
	}
	return max(o.WarmupSteps, o.TotalSteps-decay)
}

// Rate is the factor on the learning rates at a step counted from zero: a linear
// warm-up to one, then by Schedule down to FinalFraction at TotalSteps.
func (o Optimizer) Rate(step int) float32 {
	switch {
	case step < o.WarmupSteps:
		return float32(max(0, step)+1) / float32(o.WarmupSteps)
	case step >= o.TotalSteps:
		return o.FinalFraction
	}
	start := o.decayStart()
	if step < start {
		return 1
	}
	done := float64(step-start) / float64(o.TotalSteps-start)
	f := float64(o.FinalFraction)
	if o.Schedule == WSD {
		return float32(1 - float64((1-f)*done))
	}
	return float32(f + float64((1-f)*float64(0.5*(1+r0.Cos64(float64(r0.Pi*done))))))
}
