package engine

import (
	"fmt"

	"github.com/crescendo-network/crescendo/engine/r0"
)

// The kinds of RopeScaling.
const (
	RopeLinear = "linear" // all frequencies divided by Factor
	RopeLlama3 = "llama3" // low ones divided, high ones kept, a ramp between
)

// RopeScaling stretches the rotary embedding to texts longer than those a model
// was trained on. Its fields are those of Hugging Face's rope_scaling.
type RopeScaling struct {
	Kind       string  `json:"kind"`
	Factor     float32 `json:"factor"`
	LowFactor  float32 `json:"low_freq_factor,omitempty"`  // llama3 only, and so on
	HighFactor float32 `json:"high_freq_factor,omitempty"` // wavelengths below Original/HighFactor are kept
	Original   int     `json:"original_context,omitempty"` // the length trained on
}

func (r RopeScaling) validate() error {
	if r == (RopeScaling{}) {
		return nil
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: rope_scaling: %s", ErrBadShape, fmt.Sprintf(format, args...))
	}
	switch {
	case r.Kind != RopeLinear && r.Kind != RopeLlama3:
		return bad("kind is %q, want %q or %q", r.Kind, RopeLinear, RopeLlama3)
	case !(r.Factor >= 1 && r.Factor <= 1e4):
		return bad("factor is %v, want 1 to 10000", r.Factor)
	case r.Kind == RopeLinear && (r.LowFactor != 0 || r.HighFactor != 0 || r.Original != 0):
		return bad("%s has a factor only", RopeLinear)
	case r.Kind == RopeLinear:
		return nil
	case !(r.LowFactor >= 1e-3 && r.HighFactor > r.LowFactor && r.HighFactor <= 1e4):
		return bad("factors of frequency are %v and %v, want 0.001 < low < high < 10000", r.LowFactor, r.HighFactor)
	case r.Original < 1 || r.Original > MaxContext:
		return bad("original_context is %d, want 1 to %d", r.Original, MaxContext)
	}
	return nil
}

// Scale returns the frequency, in radians per position, that takes the place of f.
func (r RopeScaling) Scale(f float64) float64 {
	switch r.Kind {
	case RopeLinear:
		return f / float64(r.Factor)
	case RopeLlama3:
		turns := float64(float64(r.Original)*f) / float64(2*r0.Pi) // within the original context
		low, high := float64(r.LowFactor), float64(r.HighFactor)
		slow := f / float64(r.Factor)
		switch {
		case turns > high:
			return f
		case turns < low:
			return slow
		}
		ramp := (turns - low) / (high - low)
		return float64((1-ramp)*slow) + float64(ramp*f)
	}
	return f
}
