//go:build !amd64

package kernel

// Without assembly these are not reached.

func (s *Set) pairs(dst, src []float32)       {}
func (s *Set) weave(dst, low, high []float32) {}

func (s *Set) multiplyPairs(rows, k int, a []float32, rowA, stepA int, b []float32, rowB int, c []float32, rowC int, add bool) {
	multiplyPairs(rows, k, a, rowA, stepA, b, rowB, c, rowC, add)
}
