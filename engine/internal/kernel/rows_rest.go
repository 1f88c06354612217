//go:build !amd64

package kernel

// Without assembly of rows neither is reached.

func (s *Set) row(k int, a, data []float32, at, next []int, step int, c []float32, add bool) {}

func (s *Set) rowHalf(k int, a []float32, data []uint16, at, next []int, step int, c []float32, add bool) {
}

func widenBlocks(dst []float32, x []uint16) {}

func smallBlocks(n int, x []float32, data []int8, scales []float32, offsets []int32) {}
