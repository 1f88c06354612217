package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// Write writes metadata and tensors in the order given. Equal arguments give equal
// bytes.
func Write(w io.Writer, metadata []Pair, tensors []Tensor) error {
	header, err := buildHeader(metadata, tensors)
	if err != nil {
		return fmt.Errorf("write GGUF: %w", err)
	}
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("write GGUF: header: %w", err)
	}
	for _, t := range tensors {
		if err := writeData(w, t); err != nil {
			return fmt.Errorf("write GGUF: tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

// writeData writes the numbers of a tensor and the zeros up to the next one.
func writeData(w io.Writer, t Tensor) error {
	const step = 1 << 15 // whole blocks
	var buf []byte
	var written int64
	for data := t.Data; len(data) > 0; {
		n := min(len(data), step)
		var err error
		if buf, err = appendNumbers(buf[:0], t.Type, data[:n]); err != nil {
			return err
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		written += int64(len(buf))
		data = data[n:]
	}
	_, err := w.Write(make([]byte, align(written)-written))
	return err
}

func buildHeader(metadata []Pair, tensors []Tensor) ([]byte, error) {
	if len(metadata) > maxPairs || len(tensors) > maxTensors {
		return nil, fmt.Errorf("%d pairs of metadata and %d tensors are too many", len(metadata), len(tensors))
	}
	b := []byte(magic)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(metadata)))
	keys := map[string]bool{}
	for _, p := range metadata {
		if p.Key == "" || len(p.Key) > maxName || keys[p.Key] {
			return nil, fmt.Errorf("key %q is empty, too long or there twice", p.Key)
		}
		keys[p.Key] = true
		var err error
		if b, err = appendValue(appendString(b, p.Key), p.Value); err != nil {
			return nil, fmt.Errorf("metadata %s: %w", p.Key, err)
		}
	}
	var at int64
	names := map[string]bool{}
	for _, t := range tensors {
		size, err := t.check()
		if err == nil && names[t.Name] {
			err = fmt.Errorf("it is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		names[t.Name] = true
		b = appendString(b, t.Name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Dims)))
		for i := len(t.Dims) - 1; i >= 0; i-- {
			b = binary.LittleEndian.AppendUint64(b, uint64(t.Dims[i]))
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(t.Type))
		b = binary.LittleEndian.AppendUint64(b, uint64(at))
		at += align(size)
	}
	b = append(b, make([]byte, align(int64(len(b)))-int64(len(b)))...)
	if len(b) > maxHeader {
		return nil, fmt.Errorf("header of %d bytes, limit %d", len(b), maxHeader)
	}
	return b, nil
}

// check returns the bytes of the tensor's data.
func (t Tensor) check() (int64, error) {
	if t.Name == "" || len(t.Name) > maxName || !utf8.ValidString(t.Name) || len(t.Dims) < 1 || len(t.Dims) > maxDims {
		return 0, fmt.Errorf("bad name or %d dimensions", len(t.Dims))
	}
	n, err := product(t.Dims)
	if err != nil {
		return 0, err
	}
	if n != len(t.Data) {
		return 0, fmt.Errorf("dimensions %v do not hold %d numbers", t.Dims, len(t.Data))
	}
	return t.Type.size(n, t.Dims[len(t.Dims)-1])
}

// product multiplies dimensions, which must be positive and of a sane size.
func product(dims []int) (int, error) {
	n := 1
	for _, d := range dims {
		if d < 1 || n > 1<<40/d {
			return 0, fmt.Errorf("%w: dimensions %v", ErrFormat, dims)
		}
		n *= d
	}
	return n, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

func appendKind(b []byte, kind uint32) []byte { return binary.LittleEndian.AppendUint32(b, kind) }

func appendArray(b []byte, kind uint32, n int) ([]byte, error) {
	if n > maxArray {
		return nil, fmt.Errorf("array of %d, limit %d", n, maxArray)
	}
	return binary.LittleEndian.AppendUint64(appendKind(appendKind(b, kindArray), kind), uint64(n)), nil
}

func appendValue(b []byte, value any) (_ []byte, err error) {
	le := binary.LittleEndian
	switch v := value.(type) {
	case uint32:
		return le.AppendUint32(appendKind(b, kindUint32), v), nil
	case int32:
		return le.AppendUint32(appendKind(b, kindInt32), uint32(v)), nil
	case uint64:
		return le.AppendUint64(appendKind(b, kindUint64), v), nil
	case float32:
		return le.AppendUint32(appendKind(b, kindFloat32), math.Float32bits(v)), nil
	case bool:
		b = append(appendKind(b, kindBool), 0)
		if v {
			b[len(b)-1] = 1
		}
		return b, nil
	case string:
		if len(v) > maxString {
			return nil, fmt.Errorf("string of %d bytes, limit %d", len(v), maxString)
		}
		return appendString(appendKind(b, kindString), v), nil
	case []int32:
		if b, err = appendArray(b, kindInt32, len(v)); err != nil {
			return nil, err
		}
		for _, x := range v {
			b = le.AppendUint32(b, uint32(x))
		}
		return b, nil
	case []float32:
		if b, err = appendArray(b, kindFloat32, len(v)); err != nil {
			return nil, err
		}
		for _, x := range v {
			b = le.AppendUint32(b, math.Float32bits(x))
		}
		return b, nil
	case []string:
		if b, err = appendArray(b, kindString, len(v)); err != nil {
			return nil, err
		}
		for _, x := range v {
			if len(x) > maxString {
				return nil, fmt.Errorf("string of %d bytes, limit %d", len(x), maxString)
			}
			b = appendString(b, x)
		}
		return b, nil
	}
	return nil, fmt.Errorf("%w: %T", ErrType, value)
}
