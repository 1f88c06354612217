package kernel

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"
)

// These compute rows by 16 columns, half a panel.

//go:noescape
func int8x2NEON(blocks int64, w *uint8, scales *uint16, x *int8, xScales *float32, row int64, c *float32, rowC int64, add int64)

//go:noescape
func int8x1NEON(blocks int64, w *uint8, scales *uint16, x *int8, xScales *float32, row int64, c *float32, rowC int64, add int64)

//go:noescape
func int8x2DOT(blocks int64, w *uint8, scales *uint16, x *int8, xScales *float32, row int64, c *float32, rowC int64, add int64)

//go:noescape
func int8x1DOT(blocks int64, w *uint8, scales *uint16, x *int8, xScales *float32, row int64, c *float32, rowC int64, add int64)

// dotProducts is whether the machine has dot products of bytes, which Armv8.2
// added. Linux tells it in the auxiliary vector; every Mac with this processor has
// them. Where it cannot be known the older instructions do.
var dotProducts = sync.OnceValue(func() bool {
	if runtime.GOOS == "darwin" {
		return true
	}
	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		return false
	}
	const capabilities, asimddp = 16, 1 << 20
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.LittleEndian.Uint64(auxv) == capabilities {
			return binary.LittleEndian.Uint64(auxv[8:])&asimddp != 0
		}
	}
	return false
})

func (s *Set) int8Rows(left int) int { return among([]int{2, 1}, left) }

func (s *Set) multiplyInt8(rows, blocks int, data []uint8, scales []uint16, x *Small, r int, c []float32, rowC int, add bool) {
	if s.isa != neon {
		multiplyInt8Portable(rows, blocks, data, scales, x, r, c, rowC, add)
		return
	}
	var begin int64
	if add {
		begin = 1
	}
	at := r * x.blocks
	n, row, rowC4 := int64(blocks), int64(x.blocks), int64(4*rowC)
	left, ls, dot := &x.data[at*block], &x.scales[at], dotProducts()
	for half := 0; half < blockColumns; half += 16 {
		w, ws, to := &data[4*half], &scales[half], &c[half]
		switch {
		case rows == 2 && dot:
			int8x2DOT(n, w, ws, left, ls, row, to, rowC4, begin)
		case rows == 2:
			int8x2NEON(n, w, ws, left, ls, row, to, rowC4, begin)
		case dot:
			int8x1DOT(n, w, ws, left, ls, row, to, rowC4, begin)
		default:
			int8x1NEON(n, w, ws, left, ls, row, to, rowC4, begin)
		}
	}
}
