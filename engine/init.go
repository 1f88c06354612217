package engine

import (
	"strings"

	"github.com/crescendo-network/crescendo/engine/r0"
)

// Standard deviations of initial weights. The matrices' is larger than usual
// because the models are narrow: about 0.4/sqrt(dim) at dim 64.
const (
	embeddingDeviation = 0.02
	matrixDeviation    = 0.05
)

// InitParams fills a flat parameter vector from a seed: normal weights, with
// those that write to the residual stream divided by sqrt(2*layers), and norm
// gains of one, biases of zero. Element i of tensor t depends on (seed, t, i) only, so any
// tensor can be recomputed alone. It panics if params has the wrong length.
func InitParams(s Shape, params []float32, seed uint64) {
	if len(params) != s.Parameters() {
		panic("engine: parameter vector does not fit its shape")
	}
	residual := r0.Sqrt64(float64(2 * s.Layers))
	for index, t := range s.Tensors() {
		w := params[t.Offset : t.Offset+t.Len]
		deviation := float64(embeddingDeviation)
		switch {
		case strings.HasSuffix(t.Name, ".bias"):
			clear(w)
			continue
		case len(t.Dims) == 1:
			for i := range w {
				w[i] = 1
			}
			continue
		case strings.HasSuffix(t.Name, "o_proj.weight"), strings.HasSuffix(t.Name, "down_proj.weight"), strings.HasSuffix(t.Name, ".w2.weight"):
			deviation = matrixDeviation / residual
		case t.Matrix:
			deviation = matrixDeviation
		}
		fillNormal(w, mix64(seed)^mix64(uint64(index+1)*splitMixGamma), deviation)
	}
}

// fillNormal draws pairs by the method of Box and Muller.
func fillNormal(w []float32, key uint64, deviation float64) {
	rng := NewSplitMix(key)
	for i := 0; i < len(w); i += 2 {
		// 1-u is in (0, 1], where the logarithm is finite.
		radius := r0.Sqrt64(float64(-2 * r0.Log64(1-rng.Float64())))
		angle := float64(2 * r0.Pi * rng.Float64())
		w[i] = float32(float64(radius*r0.Cos64(angle)) * deviation)
		if i+1 < len(w) {
			w[i+1] = float32(float64(radius*r0.Sin64(angle)) * deviation)
		}
	}
}
