package kernel

// Products of one row, as decoding one text has them. They wait for memory, so
// several groups of columns are read side by side, and what comes next is asked
// for. Each output is the chain of FMAs that Multiply gives it.

const (
	// GroupColumns is how many columns a group has.
	GroupColumns = 32

	// ahead is how far before their use packed weights are asked for, in elements.
	ahead = 512
)

// MultiplyRow is Multiply of a single row by a packed factor of k rows.
func (s *Set) MultiplyRow(n, k int, a []float32, b Right, c []float32, add bool, w *Scratch) {
	done := 0
	if s.isa == avx512 {
		for done+2*GroupColumns <= n {
			var at, next [4]int
			groups := min(4, (n-done)/GroupColumns)
			for g := range groups {
				at[g] = (done + g*GroupColumns) * k
				next[g] = min(at[g]+ahead, len(b.Data)-1)
			}
			s.RowGroups(k, a, b.Data, at[:groups], next[:groups], GroupColumns, c[done:], add)
			done += groups * GroupColumns
		}
	}
	if done < n {
		b.Data, b.Depth = b.Data[done*k:], k
		s.Multiply(1, n-done, k, Left{Data: a, Row: k, Step: 1}, b, c[done:], n-done, add, w)
	}
}

// RowGroups multiplies a row of k elements with groups of 32 columns: row p of
// group g begins at data[at[g]+p*step]. The results of the groups follow each
// other in c. If given, next says where the groups begin that will be wanted
// afterwards; it has the length of at.
func (s *Set) RowGroups(k int, a, data []float32, at, next []int, step int, c []float32, add bool) {
	if k <= 0 || len(at) == 0 {
		return
	}
	if next == nil {
		next = at
	}
	_, _, _ = a[k-1], c[len(at)*GroupColumns-1], next[len(at)-1]
	for _, from := range at { // the assembly checks nothing
		_ = data[from : from+(k-1)*step+GroupColumns]
	}
	for len(at) > 0 {
		n := s.together(len(at), false)
		if n > 0 {
			s.row(k, a, data, at[:n], following(at, next, n), step, c, add)
		} else {
			n = 1
			for j := 0; j < GroupColumns; j += s.tile.columns {
				s.multiply(1, k, a, k, 1, data[at[0]+j:], step, c[j:], GroupColumns, add)
			}
		}
		at, next, c = at[n:], next[n:], c[n*GroupColumns:]
	}
}

// RowGroupsHalf is RowGroups with columns of numbers of 16 bits.
func (s *Set) RowGroupsHalf(k int, a []float32, data []uint16, at, next []int, step int, c []float32, add bool) {
	if k <= 0 || len(at) == 0 {
		return
	}
	if next == nil {
		next = at
	}
	_, _, _ = a[k-1], c[len(at)*GroupColumns-1], next[len(at)-1]
	for _, from := range at {
		_ = data[from : from+(k-1)*step+GroupColumns]
	}
	for len(at) > 0 {
		n := s.together(len(at), true)
		if n > 0 {
			s.rowHalf(k, a, data, at[:n], following(at, next, n), step, c, add)
		} else {
			n = 1
			rowHalfPortable(k, a, data[at[0]:], step, c, add)
		}
		at, next, c = at[n:], next[n:], c[n*GroupColumns:]
	}
}

// among is the largest of some sizes, largest first, that is within n, or 0.
func among(sizes []int, n int) int {
	for _, size := range sizes {
		if size <= n {
			return size
		}
	}
	return 0
}

// following says what to ask for while the first n groups are worked on: the ones
// after them or, with the last, what the caller named.
func following(at, next []int, n int) []int {
	if len(at) >= 2*n {
		return at[n : 2*n]
	}
	return next[:n]
}

func rowHalfPortable(k int, a []float32, data []uint16, step int, c []float32, add bool) {
	out := (*[GroupColumns]float32)(c)
	var acc [GroupColumns]float32
	if add {
		acc = *out
	}
	for p := range k {
		b := (*[GroupColumns]uint16)(data[p*step:])
		for j := range acc {
			acc[j] = FMA(a[p], widen(b[j]), acc[j])
		}
	}
	*out = acc
}

// Narrow rounds numbers to 16 bits, ties to even. Those too large become
// infinite.
func Narrow(dst []uint16, x []float32) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] = narrowAny(v)
	}
}

// Widen is the inverse of Narrow, up to what was rounded.
func (s *Set) Widen(dst []float32, x []uint16) {
	dst = dst[:len(x)]
	n := s.widenBlocks(dst, x)
	for i, h := range x[n:] {
		dst[n+i] = widen(h)
	}
}
