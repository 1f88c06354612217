package kernel

import "math"

// A tile is the piece of a product that one call of the inner loop computes.
type tile struct {
	columns int
	rows    []int // heights there are kernels for, tallest first, ending in 1
}

const (
	depth      = 512 // rows of B worked on at a time, so that a panel stays in a near cache
	maxColumns = 32

	// FarRow: a direct right-hand side whose rows are further apart is copied into a
	// panel before use if at least manyRows rows of C will use it.
	FarRow   = 512
	manyRows = 24
)

// A Left is the left factor: element (i, p) is Data[i*Row+p*Step].
type Left struct {
	Data      []float32
	Row, Step int
}

// A Right is the right factor. Either element (p, j) is Data[p*Row+j], or Data
// was filled by Pack or Arrange, with Depth rows if more than are used.
type Right struct {
	Data       []float32
	Row, Depth int
	Packed     bool
}

// From is a packed factor from row p on.
func (s *Set) From(b Right, p int) Right {
	b.Data = b.Data[p*s.tile.columns:]
	return b
}

// Scratch is the working memory of one goroutine's products.
type Scratch struct {
	panel [depth * maxColumns]float32
	edge  [12 * maxColumns]float32
}

// PackedLen is the length of a packed factor of k rows and n columns.
func (s *Set) PackedLen(k, n int) int { return s.Panels(n) * s.tile.columns * k }

// Panels is the number of panels that n columns are packed into.
func (s *Set) Panels(n int) int { return (n + s.tile.columns - 1) / s.tile.columns }

// Pack writes panels from (inclusive) to (exclusive) of the transpose of w, which
// has n rows of k elements, row elements apart. The rest of a last panel is zero.
func (s *Set) Pack(dst, w []float32, row, k, n, from, to int) {
	width := s.tile.columns
	for j := from; j < to; j++ {
		panel := dst[j*width*k : (j+1)*width*k]
		s.packPanel(panel, w[j*width*row:], row, k, min(width, n-j*width))
	}
}

// Arrange writes panels of a factor that is not transposed: k rows of n elements,
// row elements apart. The rest of a last panel is zero.
func (s *Set) Arrange(dst, x []float32, row, k, n int) {
	width := s.tile.columns
	for j := 0; j < n; j += width {
		panel, count := dst[j*k:(j+width)*k], min(width, n-j)
		for p := range k {
			copy(panel[p*width:p*width+count], x[p*row+j:])
			clear(panel[p*width+count : (p+1)*width])
		}
	}
}

// packPanel transposes count rows of k elements into a panel.
func (s *Set) packPanel(panel, w []float32, row, k, count int) {
	width := s.tile.columns
	done := 0
	if s.transposes() && k >= 8 {
		for ; done+8 <= count; done += 8 {
			_ = w[(done+7)*row+k-1]
			s.transpose(panel[done:], width, w[done*row:], row, k/8)
			transposeRows(panel, width, w, row, done, done+8, k&^7, k)
		}
	}
	transposeRows(panel, width, w, row, done, count, 0, k)
	if count < width {
		for p := range k {
			clear(panel[p*width+count : (p+1)*width])
		}
	}
}

// transposeRows sets dst[p*rowDst+x] to src[x*rowSrc+p] for the given rows x and
// elements p.
func transposeRows(dst []float32, rowDst int, src []float32, rowSrc, fromX, toX, fromP, toP int) {
	for x := fromX; x < toX; x++ {
		for p := fromP; p < toP; p++ {
			dst[p*rowDst+x] = src[x*rowSrc+p]
		}
	}
}

// Multiply sets the m by n matrix C, whose rows are rowC apart, to A*B or, with
// add, to C+A*B, where A is m by k. Each element is one chain of FMAs in
// increasing k, so it depends neither on the tiles nor on how callers split rows
// or columns among goroutines.
func (s *Set) Multiply(m, n, k int, a Left, b Right, c []float32, rowC int, add bool, w *Scratch) {
	if m <= 0 || n <= 0 {
		return
	}
	if k <= 0 {
		for i := 0; i < m && !add; i++ {
			clear(c[i*rowC : i*rowC+n])
		}
		return
	}
	// The assembly checks nothing, so the corners are touched here.
	_, _ = a.Data[(m-1)*a.Row+(k-1)*a.Step], c[(m-1)*rowC+n-1]
	if b.Packed {
		b.Depth = max(b.Depth, k)
		_ = b.Data[(s.Panels(n)-1)*b.Depth*s.tile.columns+k*s.tile.columns-1]
	} else {
		_ = b.Data[(k-1)*b.Row+n-1]
	}
	width := s.tile.columns
	for p := 0; p < k; p += depth {
		steps := min(depth, k-p)
		left := Left{a.Data[p*a.Step:], a.Row, a.Step}
		for j := 0; j < n; j += width {
			count := min(width, n-j)
			panel, row := s.panel(b, p, j, steps, count, m, w)
			s.column(m, steps, left, panel, row, c[j:], rowC, count, add || p > 0, w)
		}
	}
}

// symmetricRows is how many rows of a symmetric product are computed at a time.
const symmetricRows = 2 * maxColumns

// MultiplySymmetric is Multiply of an n by n product that is known to be
// symmetric, as that of a matrix with its transpose: each element is computed
// once, and its twin, whose chain has the same factors, is copied.
func (s *Set) MultiplySymmetric(n, k int, a Left, b Right, c []float32, w *Scratch) {
	for i := 0; i < n; i += symmetricRows {
		rows, right := min(symmetricRows, n-i), b
		if b.Packed {
			right.Depth = k
			right.Data = b.Data[i*k:] // whole panels, because tiles divide symmetricRows
		} else {
			right.Data = b.Data[i:]
		}
		s.Multiply(rows, n-i, k, Left{a.Data[i*a.Row:], a.Row, a.Step}, right, c[i*n+i:], n, false, w)
		for y := i + rows; y < n; y++ {
			row := c[y*n : y*n+i+rows]
			for x := i; x < i+rows; x++ {
				row[x] = c[x*n+y]
			}
		}
	}
}

// panel finds rows p to p+steps of columns j to j+count of b, copying them if
// they cannot or should not be read in place.
func (s *Set) panel(b Right, p, j, steps, count, m int, w *Scratch) (data []float32, row int) {
	width := s.tile.columns
	if b.Packed {
		return b.Data[j*b.Depth+p*width:], width
	}
	if count == width && (b.Row <= FarRow || m < manyRows) {
		return b.Data[p*b.Row+j:], b.Row
	}
	for q := range steps {
		copy(w.panel[q*width:q*width+count], b.Data[(p+q)*b.Row+j:])
		clear(w.panel[q*width+count : (q+1)*width])
	}
	return w.panel[:steps*width], width
}

// column computes up to a tile's width of columns of C, by tiles from the top.
func (s *Set) column(m, k int, a Left, b []float32, rowB int, c []float32, rowC, count int, add bool, w *Scratch) {
	width := s.tile.columns
	for i := 0; i < m; {
		rows := 1
		for _, r := range s.tile.rows {
			if i+r <= m {
				rows = r
				break
			}
		}
		if count == width {
			s.product(rows, k, a.Data[i*a.Row:], a.Row, a.Step, b, rowB, c[i*rowC:], rowC, add)
			i += rows
			continue
		}
		if add {
			for r := range rows {
				copy(w.edge[r*width:r*width+count], c[(i+r)*rowC:])
			}
		}
		s.product(rows, k, a.Data[i*a.Row:], a.Row, a.Step, b, rowB, w.edge[:], width, add)
		for r := range rows {
			copy(c[(i+r)*rowC:(i+r)*rowC+count], w.edge[r*width:])
		}
		i += rows
	}
}

// product computes one tile; add is whether to begin from C.
func (s *Set) product(rows, k int, a []float32, rowA, stepA int, b []float32, rowB int, c []float32, rowC int, add bool) {
	if s.isa == bf16 || s.isa == bf16Portable {
		s.multiplyPairs(rows, k, a, rowA, stepA, b, rowB, c, rowC, add)
	} else {
		s.multiply(rows, k, a, rowA, stepA, b, rowB, c, rowC, add)
	}
}

// multiplyPortable computes a tile one row at a time.
func multiplyPortable(rows, k int, a []float32, rowA, stepA int, b []float32, rowB int, c []float32, rowC int, add bool) {
	const width = 16
	for i := range rows {
		row := (*[width]float32)(c[i*rowC:])
		var acc [width]float32
		if add {
			acc = *row
		}
		for p := range k {
			x := float64(a[i*rowA+p*stepA])
			bp := (*[width]float32)(b[p*rowB:])
			for j := range acc { // FMA, written out because it is too long to be inlined
				product := float64(x * float64(bp[j]))
				sum := product + float64(acc[j])
				if delicate(math.Float64bits(sum)) {
					acc[j] = roundOnce(product, float64(acc[j]), sum)
				} else {
					acc[j] = float32(sum)
				}
			}
		}
		*row = acc
	}
}
