// Package gguf writes models as GGUF, version 3, the one-file format of llama.cpp:
// metadata with the tokenizer, then tensors in float32, float16 or Q8_0. It reads
// those files too, with every size checked before memory is asked for, so that what
// was written can be checked. It writes Llama-family models only and does not
// quantise below 8 bits; llama.cpp's own tool does that from what is written here.
package gguf

import (
	"errors"
	"fmt"
)

// Errors that callers may tell apart.
var (
	ErrFormat = errors.New("not a valid GGUF file")
	ErrType   = errors.New("type is not supported")
	ErrAbsent = errors.New("no such tensor")
)

const (
	magic     = "GGUF"
	version   = 3
	alignment = 32
)

// Bounds on what is read and written. The header of a model with 128,000 tokens
// in its vocabulary is about 6 MB.
const (
	maxHeader  = 64 << 20
	maxPairs   = 1 << 12
	maxTensors = 1 << 16
	maxDims    = 4
	maxName    = 1 << 10
	maxString  = 1 << 20
	maxArray   = 1 << 22
)

// A Type is how the numbers of a tensor are stored.
type Type uint32

// The types of tensors that are written and read, by GGML's numbers.
const (
	F32 Type = 0
	F16 Type = 1
	Q8  Type = 8 // Q8_0: blocks of 32 signed bytes with a float16 scale
)

func (t Type) String() string {
	switch t {
	case F32:
		return "f32"
	case F16:
		return "f16"
	case Q8:
		return "q8_0"
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// ParseType finds a type by its name.
func ParseType(name string) (Type, error) {
	for _, t := range []Type{F32, F16, Q8} {
		if t.String() == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%w: %q, want f32, f16 or q8_0", ErrType, name)
}

// block returns how many numbers are stored together, and in how many bytes.
func (t Type) block() (numbers, bytes int) {
	switch t {
	case F32:
		return 1, 4
	case F16:
		return 1, 2
	case Q8:
		return 32, 34
	}
	return 0, 0
}

// A Pair is one entry of the metadata. The value is a uint32, int32, uint64,
// float32, bool or string, or a slice of int32, float32 or string.
type Pair struct {
	Key   string
	Value any
}

// A Tensor is a named array. Dims are row-major, the outermost first, as in
// Hugging Face's files; the file itself lists them the other way round.
type Tensor struct {
	Name string
	Dims []int
	Type Type
	Data []float32
}

// The numbers of value types in the file.
const (
	kindUint32  = 4
	kindInt32   = 5
	kindFloat32 = 6
	kindBool    = 7
	kindString  = 8
	kindArray   = 9
	kindUint64  = 10
)

// size returns the bytes of a tensor of n numbers in rows of the given length.
func (t Type) size(n, row int) (int64, error) {
	numbers, bytes := t.block()
	if numbers == 0 {
		return 0, fmt.Errorf("%w: %v", ErrType, t)
	}
	if row%numbers != 0 {
		return 0, fmt.Errorf("%w: rows of %d are not whole blocks of %v", ErrFormat, row, t)
	}
	return int64(n/numbers) * int64(bytes), nil
}

func align(n int64) int64 { return (n + alignment - 1) / alignment * alignment }
