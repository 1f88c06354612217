package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
)

// FuzzMultiplyMatchesPortable compares products of any shape up to several tiles,
// of any bit patterns: NaN, infinities, subnormals, zeros of both signs.
func FuzzMultiplyMatchesPortable(f *testing.F) {
	f.Add(uint8(13), uint8(33), uint8(9), true, []byte("\x00\x00\x80\x7f\x00\x00\x00\x80\x01\x00\x00\x00\x00\x00\xc0\x7f\x00\x00\x80\x3f\xff\xff\x7f\x7f"))
	f.Add(uint8(25), uint8(16), uint8(1), false, []byte("\x00\x00\x80\x3f\x00\x00\x00\xbf"))
	f.Fuzz(func(t *testing.T, rows, columns, depth uint8, transposed bool, data []byte) {
		m, n, k := 1+int(rows)%40, 1+int(columns)%70, 1+int(depth)%20
		if len(data) < 4 {
			return
		}
		fill := func(length, skip int) []float32 {
			x := make([]float32, length)
			for i := range x {
				at := 4 * ((i*5 + skip) % (len(data) / 4))
				x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[at:]))
			}
			return x
		}
		left := Left{fill(m*k, 0), k, 1}
		if transposed {
			left.Row, left.Step = 1, m
		}
		b, c := fill(k*n, 1), fill(m*n, 2)
		want := append([]float32(nil), c...)
		sets[0].Multiply(m, n, k, left, Right{Data: b, Row: n}, want, n, transposed, new(Scratch))
		for _, s := range Available()[1:] {
			panels := make([]float32, s.PackedLen(k, n))
			s.Arrange(panels, b, n, k, n)
			for _, right := range []Right{{Data: b, Row: n}, {Data: panels, Packed: true, Depth: k}} {
				got := append([]float32(nil), c...)
				s.Multiply(m, n, k, left, right, got, n, transposed, new(Scratch))
				sameBits(t, fmt.Sprintf("%s %dx%dx%d packed %v", s.name, m, n, k, right.Packed), want, got)
			}
		}
	})
}
