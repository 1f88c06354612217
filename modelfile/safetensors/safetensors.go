// Package safetensors reads and writes Hugging Face's container for tensors: the
// length of a JSON header, the header, and the raw numbers. It writes and
// reads float32, bfloat16 and float16. It takes files from strangers: every size
// is bounded and checked before memory is asked for. It knows nothing of models;
// package modelfile does.
package safetensors

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/crescendo-network/crescendo/modelfile/half"
)

// Errors that callers may tell apart. All mean that the file is not usable.
var (
	ErrFormat = errors.New("not a valid safetensors file")
	ErrType   = errors.New("element type is not supported")
	ErrAbsent = errors.New("no such tensor")
)

// Bounds on what is read. The header of a model of 100,000 tensors is 12 MB.
const (
	MaxHeader  = 16 << 20
	maxDims    = 8
	maxName    = 1024
	maxTensors = 1 << 17
)

// The element types that are read and written.
const (
	F32  = "F32"
	BF16 = "BF16"
	F16  = "F16"
)

// A Tensor is one named array in row-major order. Type is how it is written, F32 if
// empty.
type Tensor struct {
	Name string
	Type string
	Dims []int
	Data []float32
}

// An Entry describes one tensor of a file.
type Entry struct {
	Name string
	Type string
	Dims []int
	Len  int // number of elements

	from, to int64 // in bytes from the end of the header
}

// A File is an opened container. Its methods may be called concurrently if the
// reader allows it.
type File struct {
	metadata map[string]string
	entries  []Entry
	byName   map[string]int
	r        io.ReaderAt
	base     int64
}

// Open reads and checks the header of a file of the given size.
func Open(r io.ReaderAt, size int64) (*File, error) {
	var prefix [8]byte
	if size < 8 {
		return nil, fmt.Errorf("open safetensors: %w: %d bytes", ErrFormat, size)
	}
	if err := readFull(r, prefix[:], 0); err != nil {
		return nil, fmt.Errorf("open safetensors: read length of header: %w", err)
	}
	var n uint64
	for i, b := range prefix {
		n |= uint64(b) << (8 * i)
	}
	if n > MaxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("open safetensors: %w: header of %d bytes", ErrFormat, n)
	}
	header := make([]byte, n)
	if err := readFull(r, header, 8); err != nil {
		return nil, fmt.Errorf("open safetensors: read header: %w", err)
	}
	f := &File{r: r, base: 8 + int64(n)}
	if err := f.parse(header, size-f.base); err != nil {
		return nil, fmt.Errorf("open safetensors: %w", err)
	}
	return f, nil
}

// readFull reads exactly len(p) bytes.
func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Metadata is the file's free text, nil if it has none.
func (f *File) Metadata() map[string]string { return f.metadata }

// Entries lists the tensors in the order of their data.
func (f *File) Entries() []Entry { return f.entries }

// Entry finds a tensor by name.
func (f *File) Entry(name string) (Entry, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Entry{}, false
	}
	return f.entries[i], true
}

// ReadFloat32 fills dst, which must have the tensor's length, converting from the
// type of the file.
func (f *File) ReadFloat32(name string, dst []float32) error {
	e, ok := f.Entry(name)
	if !ok {
		return fmt.Errorf("read tensor %q: %w", name, ErrAbsent)
	}
	if len(dst) != e.Len {
		return fmt.Errorf("read tensor %q: it has %d elements, want %d", name, e.Len, len(dst))
	}
	width := elementBytes(e.Type)
	buf := make([]byte, min(len(dst)*width, 1<<20))
	at := f.base + e.from
	for len(dst) > 0 {
		n := min(len(dst), len(buf)/width)
		if err := readFull(f.r, buf[:n*width], at); err != nil {
			return fmt.Errorf("read tensor %q: %w", name, err)
		}
		decode(dst[:n], buf, e.Type)
		dst, at = dst[n:], at+int64(n*width)
	}
	return nil
}

func elementBytes(t string) int {
	switch t {
	case F32:
		return 4
	case BF16, F16:
		return 2
	}
	return 0
}

func decode(dst []float32, b []byte, t string) {
	for i := range dst {
		switch t {
		case F32:
			dst[i] = math.Float32frombits(uint32(b[4*i]) | uint32(b[4*i+1])<<8 | uint32(b[4*i+2])<<16 | uint32(b[4*i+3])<<24)
		case BF16:
			dst[i] = half.BrainFloat32(uint16(b[2*i]) | uint16(b[2*i+1])<<8)
		case F16:
			dst[i] = half.Float32(uint16(b[2*i]) | uint16(b[2*i+1])<<8)
		}
	}
}

// Read opens a file held in memory and reads every tensor.
func Read(r io.ReaderAt, size int64) (metadata map[string]string, tensors []Tensor, err error) {
	f, err := Open(r, size)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range f.entries {
		t := Tensor{Name: e.Name, Type: e.Type, Dims: e.Dims, Data: make([]float32, e.Len)}
		if err := f.ReadFloat32(e.Name, t.Data); err != nil {
			return nil, nil, err
		}
		tensors = append(tensors, t)
	}
	return f.metadata, tensors, nil
}
