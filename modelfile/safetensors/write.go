package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// Write writes tensors in the order given, as float32. Equal arguments give
// equal bytes.
func Write(w io.Writer, metadata map[string]string, tensors []Tensor) error {
	header, err := buildHeader(metadata, tensors)
	if err != nil {
		return fmt.Errorf("write safetensors: %w", err)
	}
	prefix := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	if _, err := w.Write(append(prefix, header...)); err != nil {
		return fmt.Errorf("write safetensors: header: %w", err)
	}
	buf := make([]byte, 0, 1<<18)
	for _, t := range tensors {
		for data := t.Data; len(data) > 0; {
			n := min(len(data), cap(buf)/4)
			buf = buf[:0]
			for _, v := range data[:n] {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			}
			if _, err := w.Write(buf); err != nil {
				return fmt.Errorf("write safetensors: tensor %q: %w", t.Name, err)
			}
			data = data[n:]
		}
	}
	return nil
}

// buildHeader makes the JSON, padded with spaces so that the data is aligned.
func buildHeader(metadata map[string]string, tensors []Tensor) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	field := func(key string, value any) error {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		v, err := json.Marshal(value) // sorts the keys of a map
		if err != nil {
			return err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
		return nil
	}
	if len(metadata) > 0 {
		if err := field(metadataKey, metadata); err != nil {
			return nil, err
		}
	}
	var names []string
	at := 0
	for _, t := range tensors {
		if err := t.check(); err != nil {
			return nil, err
		}
		names = append(names, t.Name)
		err := field(t.Name, struct {
			Type    string `json:"dtype"`
			Dims    []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}{F32, append([]int{}, t.Dims...), [2]int{at, at + 4*len(t.Data)}})
		if err != nil {
			return nil, err
		}
		at += 4 * len(t.Data)
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) || len(names) > maxTensors {
		return nil, fmt.Errorf("%d tensors, two of one name or too many", len(names))
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > MaxHeader {
		return nil, fmt.Errorf("header of %d bytes, limit %d", b.Len(), MaxHeader)
	}
	return b.Bytes(), nil
}

func (t Tensor) check() error {
	if t.Name == "" || t.Name == metadataKey || len(t.Name) > maxName || !utf8.ValidString(t.Name) || len(t.Dims) > maxDims {
		return fmt.Errorf("tensor %q: bad name or %d dimensions", t.Name, len(t.Dims))
	}
	n := 1
	for _, d := range t.Dims {
		if d < 0 || (d > 0 && n > 1<<46/d) {
			return fmt.Errorf("tensor %q: dimension %d", t.Name, d)
		}
		n *= d
	}
	if n != len(t.Data) {
		return fmt.Errorf("tensor %q: dimensions %v do not hold %d elements", t.Name, t.Dims, len(t.Data))
	}
	return nil
}
