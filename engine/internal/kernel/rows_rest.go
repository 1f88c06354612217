//go:build !amd64 && !arm64

package kernel

func (s *Set) together(n int, half bool) int { return 0 }

// Without assembly of rows neither is reached.

func (s *Set) row(k int, a, data []float32, at, next []int, step int, c []float32, add bool) {}

func (s *Set) rowHalf(k int, a []float32, data []uint16, at, next []int, step int, c []float32, add bool) {
}

func (s *Set) widenBlocks(dst []float32, x []uint16) int { return 0 }

func (s *Set) smallBlocks(n int, x []float32, data []int8, scales []float32, offsets []int32) bool {
	return false
}
