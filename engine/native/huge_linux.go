package native

import (
	"syscall"
	"unsafe"
)

// huge allocates numbers that are read from one end to the other for every token,
// and asks for pages of 2 MiB, which spares looking up many small ones. It is
// only advice.
func huge(n int) []float32 {
	const size = 2 << 20
	s := make([]float32, n)
	if 4*n < 4*size {
		return s
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), 4*n)
	from := -uintptr(unsafe.Pointer(&b[0])) & (size - 1)
	b = b[from:]
	_ = syscall.Madvise(b[:len(b)&^(size-1)], syscall.MADV_HUGEPAGE)
	return s
}
