package native

import "github.com/crescendo-network/crescendo/engine/internal/kernel"

// apart is how far apart rows of n elements are kept. Rows a whole number of
// 4 KiB apart would all compete for the same few lines of the first cache, so
// those get 16 elements more, which are never read.
func apart(n int) int {
	if n%1024 == 0 {
		return n + 16
	}
	return n
}

// A rowsOf is rows of one width, some distance apart.
type rowsOf struct {
	data []float32
	row  int
}

// multiply sets rows from to to of y to the product of those of x, in elements
// long, with w, which has out columns.
func (m *model) multiply(from, to int, x rowsOf, in int, w kernel.Right, out int, y rowsOf, add bool, k *worker) {
	m.set.Multiply(to-from, out, in, kernel.Left{Data: x.data[from*x.row:], Row: x.row, Step: 1}, w, y.data[from*y.row:], y.row, add, &k.Scratch)
}

// arranged is a matrix of rows by columns for products from the right: as it is
// if its rows are close, else brought together once for all of a batch.
func (m *model) arranged(w []float32, rows, columns int) kernel.Right {
	if columns <= kernel.FarRow {
		return kernel.Right{Data: w, Row: columns}
	}
	width := m.set.PackedLen(1, 1)
	to := m.packed[:m.set.PackedLen(rows, columns)]
	m.work.split(m.set.Panels(columns), 1, func(from, until int, _ *worker) {
		for j := from; j < until; j++ {
			m.set.Arrange(to[j*width*rows:], w[j*width:], columns, rows, min(width, columns-j*width))
		}
	})
	return kernel.Right{Data: to, Packed: true}
}
