//go:build !amd64 && !arm64

package kernel

func supported(i isa) bool { return i == portable }

func (s *Set) multiply(rows, k int, a []float32, rowA, stepA int, b []float32, rowB int, c []float32, rowC int, add bool) {
	multiplyPortable(rows, k, a, rowA, stepA, b, rowB, c, rowC, add)
}
