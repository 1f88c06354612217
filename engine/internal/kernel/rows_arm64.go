package kernel

//go:noescape
func rowHalf1x32NEON(k int64, a *float32, b *uint16, stepB int64, c *float32, add int64)

//go:noescape
func widenNEON(n int64, dst *float32, src *uint16)

//go:noescape
func smallNEON(n int64, x *float32, q *int8, scales *float32, offsets *int32)

// together is how many of n groups the assembly takes at a time, 0 if none.
func (s *Set) together(n int, half bool) int {
	if s.isa == neon && half {
		return 1
	}
	return 0
}

// row is not reached: see together.
func (s *Set) row(k int, a, data []float32, at, next []int, step int, c []float32, add bool) {}

func (s *Set) rowHalf(k int, a []float32, data []uint16, at, next []int, step int, c []float32, add bool) {
	var begin int64
	if add {
		begin = 1
	}
	rowHalf1x32NEON(int64(k), &a[0], &data[at[0]], int64(2*step), &c[0], begin)
}

// widenBlocks does whole blocks and returns how many numbers it did.
func (s *Set) widenBlocks(dst []float32, x []uint16) int {
	n := len(x) / lanes
	if n == 0 || s.isa != neon {
		return 0
	}
	widenNEON(int64(n), &dst[0], &x[0])
	return n * lanes
}

// smallBlocks rounds n blocks, at least one, if there is assembly for it.
func (s *Set) smallBlocks(n int, x []float32, data []int8, scales []float32, offsets []int32) bool {
	if s.isa != neon {
		return false
	}
	smallNEON(int64(n), &x[0], &data[0], &scales[0], &offsets[0])
	return true
}
