//go:build !amd64 && !arm64

package kernel

func (s *Set) int8Rows(left int) int { return min(left, maxInt8Rows) }

func (s *Set) multiplyInt8(rows, blocks int, data []uint8, scales []uint16, x *Small, r int, c []float32, rowC int, add bool) {
	multiplyInt8Portable(rows, blocks, data, scales, x, r, c, rowC, add)
}
