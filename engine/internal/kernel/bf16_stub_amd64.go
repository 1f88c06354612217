package kernel

// Written in bf16_amd64.s.

//go:noescape
func gemm12x32BF16(k int64, a *float32, rowA int64, stepA int64, b *float32, stepB int64, c *float32, rowC int64, add int64)

//go:noescape
func gemm8x32BF16(k int64, a *float32, rowA int64, stepA int64, b *float32, stepB int64, c *float32, rowC int64, add int64)

//go:noescape
func gemm4x32BF16(k int64, a *float32, rowA int64, stepA int64, b *float32, stepB int64, c *float32, rowC int64, add int64)

//go:noescape
func gemm2x32BF16(k int64, a *float32, rowA int64, stepA int64, b *float32, stepB int64, c *float32, rowC int64, add int64)

//go:noescape
func gemm1x32BF16(k int64, a *float32, rowA int64, stepA int64, b *float32, stepB int64, c *float32, rowC int64, add int64)

//go:noescape
func pairsBF16(n int64, dst *float32, src *float32)

//go:noescape
func weaveBF16(n int64, dst *float32, low *float32, high *float32)
