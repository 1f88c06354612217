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
// long, with w, which has out columns, or adds it to them.
func (m *model) multiply(from, to int, x rowsOf, in int, w kernel.Right, out int, y rowsOf, add bool, k *worker) {
	if m.half != nil {
		m.half.multiply(from, to, x, in, w, out, y, add, k)
		return
	}
	m.set.Multiply(to-from, out, in, kernel.Left{Data: x.data[from*x.row:], Row: x.row, Step: 1}, w, y.data[from*y.row:], y.row, add, &k.Scratch)
}
