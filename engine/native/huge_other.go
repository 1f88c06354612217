//go:build !linux

package native

// huge allocates numbers.
func huge(n int) []float32 { return make([]float32, n) }
