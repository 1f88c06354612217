package r0

import "github.com/crescendo-network/crescendo/engine/internal/kernel"

// LogSumExp returns the largest element and the logarithm of the sum of
// Exp(x[i]-top), and leaves those exponentials in x. The log probability of
// element i is float64(x[i]-top) - logSum, which is the loss of the profile, up
// to its sign.
func LogSumExp(x []float32) (top float32, logSum float64) {
	set := kernel.Default()
	top = set.Max(x)
	return top, Log64(float64(set.ExpSum(x, 1, top)))
}
