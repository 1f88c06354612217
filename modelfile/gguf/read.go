package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// An Entry describes one tensor of a file.
type Entry struct {
	Name string
	Dims []int // row-major, as in Tensor
	Type Type
	Len  int // number of elements

	from, size int64
}

// A File is an opened container.
type File struct {
	metadata []Pair
	entries  []Entry
	r        io.ReaderAt
}

// Open reads and checks the header of a file of the given size.
func Open(r io.ReaderAt, size int64) (*File, error) {
	d := &decoder{r: io.NewSectionReader(r, 0, min(size, maxHeader)), left: min(size, maxHeader)}
	f := &File{r: r}
	err := f.parse(d, size)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: it ends early", ErrFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("open GGUF: %w", err)
	}
	return f, nil
}

// Metadata lists the pairs in the order of the file.
func (f *File) Metadata() []Pair { return f.metadata }

// Value finds the value of a key, nil if there is none.
func (f *File) Value(key string) any {
	for _, p := range f.metadata {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

// Entries lists the tensors in the order of the file.
func (f *File) Entries() []Entry { return f.entries }

// ReadFloat32 fills dst, which must have the tensor's length.
func (f *File) ReadFloat32(name string, dst []float32) error {
	i := slices.IndexFunc(f.entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return fmt.Errorf("read tensor %q: %w", name, ErrAbsent)
	}
	e := f.entries[i]
	if len(dst) != e.Len {
		return fmt.Errorf("read tensor %q: it has %d elements, want %d", name, e.Len, len(dst))
	}
	numbers, bytes := e.Type.block()
	const step = 1 << 15
	buf := make([]byte, min(e.size, int64(step/numbers*bytes)))
	at := e.from
	for len(dst) > 0 {
		n := min(len(dst), step)
		b := buf[:n/numbers*bytes]
		if _, err := io.ReadFull(io.NewSectionReader(f.r, at, int64(len(b))), b); err != nil {
			return fmt.Errorf("read tensor %q: %w", name, err)
		}
		readNumbers(dst[:n], e.Type, b)
		dst, at = dst[n:], at+int64(len(b))
	}
	return nil
}

func (f *File) parse(d *decoder, size int64) error {
	if string(d.bytes(4)) != magic {
		return errors.Join(d.err, fmt.Errorf("%w: wrong magic", ErrFormat))
	}
	if v := d.uint32(); v != version {
		return errors.Join(d.err, fmt.Errorf("%w: version %d, want %d", ErrFormat, v, version))
	}
	tensors, pairs := d.uint64(), d.uint64()
	if tensors > maxTensors || pairs > maxPairs {
		return fmt.Errorf("%w: %d tensors and %d pairs of metadata", ErrFormat, tensors, pairs)
	}
	keys := map[string]bool{}
	for range pairs {
		key := d.string(maxName)
		value := d.value(d.uint32())
		if d.err == nil && keys[key] {
			d.err = fmt.Errorf("%w: key %q is there twice", ErrFormat, key)
		}
		if d.err != nil {
			return fmt.Errorf("metadata %q: %w", key, d.err)
		}
		keys[key] = true
		f.metadata = append(f.metadata, Pair{key, value})
	}
	if a := f.Value("general.alignment"); a != nil && a != uint32(alignment) {
		return fmt.Errorf("%w: alignment %v, want %d", ErrType, a, alignment)
	}
	for range tensors {
		e, err := d.entry()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", e.Name, err)
		}
		f.entries = append(f.entries, e)
	}
	return f.place(align(d.read), size)
}

// place turns offsets into positions in the file. Tensors follow each other
// without gaps and end with the file.
func (f *File) place(base, size int64) error {
	names := map[string]bool{}
	at := base
	for i := range f.entries {
		e := &f.entries[i]
		if names[e.Name] || e.from != at-base || e.size > size-at {
			return fmt.Errorf("%w: tensor %q is there twice, out of place or beyond the end", ErrFormat, e.Name)
		}
		names[e.Name] = true
		e.from = at
		at += align(e.size)
	}
	if at != size {
		return fmt.Errorf("%w: %d bytes where tensors take %d", ErrFormat, size, at)
	}
	return nil
}

// decoder reads values and stops at the first error.
type decoder struct {
	r          io.Reader
	read, left int64
	err        error
}

func (d *decoder) bytes(n int64) []byte {
	if d.err == nil && n > d.left {
		d.err = io.ErrUnexpectedEOF
	}
	if d.err != nil {
		return nil
	}
	b := make([]byte, n)
	_, d.err = io.ReadFull(d.r, b)
	d.read, d.left = d.read+n, d.left-n
	return b
}

func (d *decoder) uint32() uint32 {
	if b := d.bytes(4); d.err == nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.bytes(8); d.err == nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) string(limit uint64) string {
	n := d.uint64()
	if d.err == nil && n > limit {
		d.err = fmt.Errorf("%w: string of %d bytes, limit %d", ErrFormat, n, limit)
	}
	s := string(d.bytes(int64(min(n, limit))))
	if d.err == nil && !utf8.ValidString(s) {
		d.err = fmt.Errorf("%w: a string is not UTF-8", ErrFormat)
	}
	return s
}

func (d *decoder) value(kind uint32) any {
	switch kind {
	case kindUint32:
		return d.uint32()
	case kindInt32:
		return int32(d.uint32())
	case kindUint64:
		return d.uint64()
	case kindFloat32:
		return math.Float32frombits(d.uint32())
	case kindBool:
		b := d.bytes(1)
		if d.err == nil && b[0] > 1 {
			d.err = fmt.Errorf("%w: a truth value of %d", ErrFormat, b[0])
		}
		return d.err == nil && b[0] == 1
	case kindString:
		return d.string(maxString)
	case kindArray:
		return d.array(d.uint32(), d.uint64())
	}
	if d.err == nil {
		d.err = fmt.Errorf("%w: metadata of kind %d", ErrType, kind)
	}
	return nil
}

// array checks the count against what is left before it asks for memory: a
// string takes at least eight bytes.
func (d *decoder) array(kind uint32, n uint64) any {
	least := uint64(4)
	if kind == kindString {
		least = 8
	}
	if d.err == nil && (n > maxArray || n > uint64(d.left)/least) {
		d.err = fmt.Errorf("%w: array of %d", ErrFormat, n)
	}
	if d.err != nil {
		return nil
	}
	switch kind {
	case kindInt32:
		v := make([]int32, n)
		for i := range v {
			v[i] = int32(d.uint32())
		}
		return v
	case kindFloat32:
		v := make([]float32, n)
		for i := range v {
			v[i] = math.Float32frombits(d.uint32())
		}
		return v
	case kindString:
		v := make([]string, n)
		for i := range v {
			v[i] = d.string(maxString)
		}
		return v
	}
	d.err = fmt.Errorf("%w: array of kind %d", ErrType, kind)
	return nil
}

func (d *decoder) entry() (Entry, error) {
	e := Entry{Name: d.string(maxName)}
	n := d.uint32()
	if d.err == nil && (n < 1 || n > maxDims) {
		d.err = fmt.Errorf("%w: %d dimensions", ErrFormat, n)
	}
	if d.err != nil {
		return e, d.err
	}
	for range n {
		e.Dims = append(e.Dims, int(min(d.uint64(), math.MaxInt32)))
	}
	slices.Reverse(e.Dims)
	e.Type = Type(d.uint32())
	e.from = int64(min(d.uint64(), math.MaxInt64))
	if d.err != nil {
		return e, d.err
	}
	var err error
	if e.Len, err = product(e.Dims); err == nil {
		e.size, err = e.Type.size(e.Len, e.Dims[len(e.Dims)-1])
	}
	return e, err
}
