// Package r0 holds the primitives of numeric profile R0, under which the same
// calls give the same bits on every machine, build and instruction set.
//
// The rules: every product of floats is rounded before it is used, unless an
// FMA is asked for by name; reductions run in 16 lanes, lane j taking the
// elements whose index is j modulo 16 in order, and the lanes are then added as
// a fixed tree (j with j+8, then +4, +2, +1); exponentials, logarithms and the
// like are the functions written out here. NaN results agree as NaN, their sign
// and payload may differ.
//
// It trains nothing; package engine/native does, with the same kernels.
package r0

import (
	"math"

	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

// Exp is the exponential within about two units in the last place. It is 0
// below about -87.7 and saturates at exp(88.37), so it never overflows.
func Exp(x float32) float32 { return kernel.Exp(x) }

// Log is the natural logarithm, rounded from Log64.
func Log(x float32) float32 { return float32(Log64(float64(x))) }

// FMA32 is x*y+z rounded once.
func FMA32(x, y, z float32) float32 { return kernel.FMA(x, y, z) }

// Sqrt is the correctly rounded square root.
func Sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// Sigmoid is 1/(1+Exp(-x)).
func Sigmoid(x float32) float32 { return 1 / (1 + kernel.Exp(-x)) }

// Kernel names the code path in use: "avx512", "avx2", "neon" or "portable".
func Kernel() string { return kernel.Default().Name() }

// Dot is the sum of x[i]*y[i] in 16 lanes, over the shorter length.
func Dot(x, y []float32) float32 {
	n := min(len(x), len(y))
	return kernel.Default().Dot(x[:n], y[:n])
}

// SumSquares is Dot(x, x).
func SumSquares(x []float32) float32 { return kernel.Default().Dot(x, x) }

// sumBlock is the length over which SumSquares64 sums in float32.
const sumBlock = 4096

// SumSquares64 adds the SumSquares of blocks of 4096 elements in float64, so
// that long vectors lose no precision.
func SumSquares64(x []float32) float64 {
	var sum float64
	for len(x) > sumBlock {
		sum += float64(SumSquares(x[:sumBlock]))
		x = x[sumBlock:]
	}
	return sum + float64(SumSquares(x))
}

// Norm is the Euclidean norm, from SumSquares64.
func Norm(x []float32) float64 { return math.Sqrt(SumSquares64(x)) }

// Max is the largest element, -Inf for none. The result is not specified if
// there is a NaN.
func Max(x []float32) float32 { return kernel.Default().Max(x) }

// Scale multiplies every element by a.
func Scale(x []float32, a float32) { kernel.Default().Scale(x, a) }

// Combine sets dst[i] = a*x[i] + b*y[i], both products rounded. The slices must
// have one length and may be the same.
func Combine(dst []float32, a float32, x []float32, b float32, y []float32) {
	kernel.Default().Combine(dst, a, x, b, y)
}

// Axpy adds a*x[i] to y[i], the product rounded.
func Axpy(y []float32, a float32, x []float32) { kernel.Default().Combine(y, 1, y, a, x) }

// Finite reports whether no element is NaN or infinite.
func Finite(x []float32) bool {
	for _, v := range x {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return false
		}
	}
	return true
}
