package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
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
		fill := func(length, skip int) []float32 { return anyFloats(data, length, skip) }
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

// anyFloats repeats bit patterns, at least one.
func anyFloats(data []byte, length, skip int) []float32 {
	x := make([]float32, length)
	for i := range x {
		at := 4 * ((i*5 + skip) % (len(data) / 4))
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[at:]))
	}
	return x
}

func anyHalves(data []byte, length, skip int) []uint16 {
	x := make([]uint16, length)
	for i := range x {
		x[i] = binary.LittleEndian.Uint16(data[(i*7+2*skip)%(len(data)-1):])
	}
	return x
}

// FuzzInt8MatchesPortable compares products in 8 bits: of activations with any bit
// patterns, rounded by each set itself, and weights and scales of any bits, also
// such as no rounding makes.
func FuzzInt8MatchesPortable(f *testing.F) {
	f.Add(uint8(6), uint8(33), uint8(70), true, []byte("\x00\x00\x80\x7f\x00\x00\x00\x80\x01\x00\x00\x00\x00\x00\xc0\x7f\x00\x00\x80\x3f\xff\xff\x7f\x7f"))
	f.Add(uint8(5), uint8(64), uint8(64), false, []byte("\x00\x00\xfe\x42\x00\x00\xfe\xc2"))
	f.Add(uint8(2), uint8(31), uint8(32), false, []byte("\xff\xff\xff\x0d\x00\x00\x80\x0d\xff\x03\x00\x3c\x01\x00\x00\x7c"))
	f.Fuzz(func(t *testing.T, rows, columns, depth uint8, add bool, data []byte) {
		if len(data) < 4 {
			return
		}
		n, out, in := 1+int(rows)%9, 1+int(columns)%70, 1+int(depth)%100
		m := NewInt8(out, in)
		for i := range m.data {
			m.data[i] = data[(i*3+int(depth))%len(data)]
		}
		copy(m.scales, anyHalves(data, len(m.scales), 1))
		left, start := anyFloats(data, n*in, 0), anyFloats(data, n*out, 2)
		multiply := func(s *Set) (*Small, []float32) {
			x, y := NewSmall(n, in), append([]float32(nil), start...)
			for r := range n {
				x.Set(s, r, left[r*in:(r+1)*in])
			}
			m.Multiply(s, n, x, 0, 1, y, out, add)
			return x, y
		}
		small, want := multiply(sets[0])
		for _, s := range Available()[1:] {
			x, y := multiply(s)
			label := fmt.Sprintf("%s %dx%dx%d add %v", s.name, n, out, in, add)
			if !slices.Equal(x.data, small.data) || !slices.Equal(x.offsets, small.offsets) {
				t.Fatalf("%s: rounded to %v, want %v", label, x.data, small.data)
			}
			sameBits(t, label+" scales", small.scales, x.scales)
			sameBits(t, label, want, y)
		}
	})
}

// FuzzRowsMatchPortable compares products of one row with groups of columns of 32
// and of 16 bits.
func FuzzRowsMatchPortable(f *testing.F) {
	f.Add(uint8(7), uint8(40), uint8(3), true, []byte("\x00\x00\x80\x7f\x00\x00\x00\x80\x01\x00\x00\x00\x00\x00\xc0\x7f\x00\x00\x80\x3f\xff\xff\x7f\x7f"))
	f.Add(uint8(1), uint8(1), uint8(0), false, []byte("\xff\x03\x00\x3c\x01\x80\xff\x7b"))
	f.Fuzz(func(t *testing.T, groups, depth, gap uint8, add bool, data []byte) {
		if len(data) < 4 {
			return
		}
		n, k, step := 1+int(groups)%9, 1+int(depth)%50, GroupColumns+int(gap)%40
		at := make([]int, n)
		for g := range at {
			at[g] = (g * 37) % (7 * step)
		}
		size := (k+7)*step + GroupColumns
		a, from := anyFloats(data, k, 3), anyFloats(data, n*GroupColumns, 2)
		wide, half := anyFloats(data, size, 1), anyHalves(data, size, 0)
		for i, multiply := range []func(s *Set, c []float32){
			func(s *Set, c []float32) { s.RowGroups(k, a, wide, at, nil, step, c, add) },
			func(s *Set, c []float32) { s.RowGroupsHalf(k, a, half, at, nil, step, c, add) },
			func(s *Set, c []float32) { s.Widen(c, half[:min(len(c), len(half))]) },
		} {
			want := append([]float32(nil), from...)
			multiply(sets[0], want)
			for _, s := range Available()[1:] {
				got := append([]float32(nil), from...)
				multiply(s, got)
				sameBits(t, fmt.Sprintf("%s, %d groups of depth %d, kind %d, add %v", s.name, n, k, i, add), want, got)
			}
		}
	})
}
