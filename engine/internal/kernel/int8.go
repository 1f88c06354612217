package kernel

import (
	"fmt"
	"math"
)

// Products in 8 bits, profile q8. A matrix is stored as Q8_0 of GGML: blocks of 32
// numbers of one row, each block with a scale of 16 bits. What it is multiplied
// with is rounded to blocks of 32 as well, with scales of 32 bits. The products of
// two blocks are summed exactly, in integers; an output is the chain of FMAs, in
// the order of the blocks, of that sum with the rounded product of the scales.

const (
	block        = 32
	blockColumns = 32 // rows of the matrix that are stored together
	blockBytes   = block * blockColumns
	zero8        = 128 // stored numbers are unsigned: this much more than meant
)

// An Int8 is a matrix of out rows of in numbers, by panels of 32 rows; within a
// panel by blocks; within a block four numbers of each row, then the next four.
type Int8 struct {
	in, out, blocks int
	data            []uint8
	scales          []uint16 // by panel, block, row of the panel
}

// NewInt8 returns a matrix of zeros.
func NewInt8(out, in int) *Int8 {
	m := &Int8{in: in, out: out, blocks: (in + block - 1) / block}
	n := m.Panels() * m.blocks
	m.data, m.scales = make([]uint8, n*blockBytes), make([]uint16, n*blockColumns)
	for i := range m.data {
		m.data[i] = zero8
	}
	return m
}

// Panels is the number of panels.
func (m *Int8) Panels() int { return (m.out + blockColumns - 1) / blockColumns }

// at is where number k of row j is stored.
func (m *Int8) at(j, k int) int {
	return ((j/blockColumns)*m.blocks+k/block)*blockBytes + (k%block/4)*4*blockColumns + (j%blockColumns)*4 + k%4
}

func (m *Int8) scaleAt(j, k int) int {
	return ((j/blockColumns)*m.blocks+k/block)*blockColumns + j%blockColumns
}

// SetRow rounds a row. The scale maps the largest magnitude of a block to 127 and
// is narrowed to 16 bits after it was used; halves are rounded away from zero.
func (m *Int8) SetRow(j int, x []float32) error {
	for k := 0; k < m.in; k += block {
		b := x[k:min(m.in, k+block)]
		top := magnitude(b)
		scale := math.Float32frombits(top) / 127
		if !(scale < 65520) {
			return fmt.Errorf("round to 8 bits: a block with %v has no 16-bit scale", math.Float32frombits(top))
		}
		var inverse float32
		if scale != 0 {
			inverse = 1 / scale
		}
		m.scales[m.scaleAt(j, k)] = narrow(scale)
		for i, v := range b {
			m.data[m.at(j, k+i)] = uint8(zero8 + awayFromZero(float32(v*inverse)))
		}
	}
	return nil
}

// Row is the inverse of SetRow, up to what was rounded.
func (m *Int8) Row(j int, x []float32) {
	for k := range x[:m.in] {
		x[k] = float32(widen(m.scales[m.scaleAt(j, k)]) * float32(int(m.data[m.at(j, k)])-zero8))
	}
}

// awayFromZero rounds to nearest within 127, halves away from zero.
func awayFromZero(v float32) int {
	n := int(v) // towards zero
	if rest := v - float32(n); rest >= 0.5 {
		n++
	} else if rest <= -0.5 {
		n--
	}
	return min(127, max(-127, n))
}

// magnitude is the largest absolute value, as bits. Those of infinity and NaN are
// larger than of any number.
func magnitude(x []float32) uint32 {
	var top uint32
	for _, v := range x {
		top = max(top, math.Float32bits(v)&^(1<<31))
	}
	return top
}

// A Small holds rows of numbers rounded to 8 bits.
type Small struct {
	blocks  int // of one row
	data    []int8
	scales  []float32
	offsets []int32 // what zero8 adds to the sum of a block's products, negated
}

// NewSmall has room for rows of up to width numbers.
func NewSmall(rows, width int) *Small {
	blocks := (width + block - 1) / block
	n := rows * blocks
	return &Small{blocks: blocks, data: make([]int8, n*block), scales: make([]float32, n), offsets: make([]int32, n)}
}

// Clear overwrites everything.
func (s *Small) Clear() {
	clear(s.data)
	clear(s.scales)
	clear(s.offsets)
}

const (
	tiny      = (127 - 100) << mantissa // bits of 2^-100: a block below it is zero
	infinite  = 0x7f800000
	notNumber = 0x7fc00000
)

// Set rounds a row, ties to even: the largest magnitude of a block becomes 127. A
// block that is not finite has a scale of NaN.
func (s *Small) Set(set *Set, r int, x []float32) {
	first := len(x) / block
	if at := r * s.blocks; first > 0 && !set.smallBlocks(first, x, s.data[at*block:(at+first)*block], s.scales[at:at+first], s.offsets[at:at+first]) {
		first = 0
	}
	for b := first; b*block < len(x); b++ {
		from := x[b*block : min(len(x), (b+1)*block)]
		to, at := s.data[(r*s.blocks+b)*block:][:block], r*s.blocks+b
		top := magnitude(from)
		clear(to[len(from):])
		switch {
		case top < tiny:
			s.scales[at], s.offsets[at] = 0, 0
			clear(to)
			continue
		case top >= infinite:
			s.scales[at], s.offsets[at] = math.Float32frombits(notNumber), 0
			clear(to)
			continue
		}
		largest := math.Float32frombits(top)
		inverse := 127 / largest
		var sum int32
		for i, v := range from {
			const even = 0x1.8p23 // adding it rounds to a whole number, ties to even
			n := int32(math.Float32bits(float32(v*inverse)+even)&0x7fffff) - 0x400000
			to[i] = int8(n)
			sum += n
		}
		s.scales[at], s.offsets[at] = largest/127, -zero8*sum
	}
}

// Multiply sets part task of tasks of the columns of y, whose rows are rowY apart,
// to the product of the first rows of x with the transpose of m or, with add,
// adds it.
func (m *Int8) Multiply(s *Set, rows int, x *Small, task, tasks int, y []float32, rowY int, add bool) {
	if rows == 0 || m.blocks == 0 {
		return
	}
	// The assembly checks no bounds. What others write into y is not read here.
	_, _ = y[(rows-1)*rowY+m.out:], x.scales[(rows-1)*x.blocks+m.blocks:]
	panels := m.Panels()
	for p := panels * task / tasks; p < panels*(task+1)/tasks; p++ {
		data := m.data[p*m.blocks*blockBytes : (p+1)*m.blocks*blockBytes]
		scales := m.scales[p*m.blocks*blockColumns : (p+1)*m.blocks*blockColumns]
		count := min(blockColumns, m.out-p*blockColumns)
		for r := 0; r < rows; {
			n := s.int8Rows(rows - r)
			c := y[r*rowY+p*blockColumns:]
			if count == blockColumns {
				s.multiplyInt8(n, m.blocks, data, scales, x, r, c, rowY, add)
			} else {
				m.edge(s, n, data, scales, x, r, c, rowY, count, add)
			}
			r += n
		}
	}
}

// edge computes a last panel that is not full.
func (m *Int8) edge(s *Set, n int, data []uint8, scales []uint16, x *Small, r int, c []float32, rowC, count int, add bool) {
	var whole [maxInt8Rows * blockColumns]float32
	if add {
		for i := range n {
			copy(whole[i*blockColumns:i*blockColumns+count], c[i*rowC:])
		}
	}
	s.multiplyInt8(n, m.blocks, data, scales, x, r, whole[:], blockColumns, add)
	for i := range n {
		copy(c[i*rowC:i*rowC+count], whole[i*blockColumns:])
	}
}

// maxInt8Rows is how many rows one call of the inner loop may compute.
const maxInt8Rows = 6

// multiplyInt8Portable computes one panel of columns of some rows.
func multiplyInt8Portable(rows, blocks int, data []uint8, scales []uint16, x *Small, r int, c []float32, rowC int, add bool) {
	for i := range rows {
		out := (*[blockColumns]float32)(c[i*rowC:])
		var acc [blockColumns]float32
		if add {
			acc = *out
		}
		for b := range blocks {
			at := (r+i)*x.blocks + b
			left := (*[block]int8)(x.data[at*block:])
			var sums [blockColumns]int32
			for j := range sums {
				sums[j] = x.offsets[at]
			}
			w := data[b*blockBytes : (b+1)*blockBytes]
			for g := range block / 4 {
				x0, x1, x2, x3 := int32(left[4*g]), int32(left[4*g+1]), int32(left[4*g+2]), int32(left[4*g+3])
				four := (*[4 * blockColumns]uint8)(w[g*4*blockColumns:])
				for j := range sums {
					sums[j] += x0*int32(four[4*j]) + x1*int32(four[4*j+1]) + x2*int32(four[4*j+2]) + x3*int32(four[4*j+3])
				}
			}
			for j := range acc {
				scale := float32(widen(scales[b*blockColumns+j]) * x.scales[at])
				acc[j] = FMA(float32(sums[j]), scale, acc[j])
			}
		}
		*out = acc
	}
}

// PanelColumns is how many columns so many panels of a packed factor hold.
func (s *Set) PanelColumns(panels int) int { return panels * s.tile.columns }

// widen is the value of a number of 16 bits (IEEE 754 binary16).
func widen(h uint16) float32 {
	sign, exponent, fraction := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero or below the normal range: fraction * 2^-24, exactly
		return math.Float32frombits(math.Float32bits(float32(float32(fraction)*0x1p-24)) | sign)
	case 31:
		return math.Float32frombits(sign | infinite | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<mantissa | fraction<<13)
}

// narrow rounds a number that is not negative and below 65520 to 16 bits, ties to
// even.
func narrow(f float32) uint16 {
	u := math.Float32bits(f)
	if u < 113<<mantissa { // below the normal range: a multiple of 2^-24
		const even = 0x1.8p23 * 0x1p-24
		return uint16(math.Float32bits(f+even) & 0xfff)
	}
	u += 0xfff + u>>13&1
	return uint16((u - 112<<mantissa) >> 13)
}

// narrowAny is narrow of any number.
func narrowAny(f float32) uint16 {
	u := math.Float32bits(f)
	sign := uint16(u >> 16 & 0x8000)
	switch u &^= 1 << 31; {
	case u > infinite:
		return sign | 0x7e00
	case u >= 0x477ff000: // 65520
		return sign | 0x7c00
	}
	return sign | narrow(math.Float32frombits(u))
}
