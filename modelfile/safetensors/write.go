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

	"github.com/crescendo-network/crescendo/modelfile/half"
)

// Write writes tensors in the order given. Numbers are rounded to the types of their
// tensors; what would become infinite is an error. Equal arguments give
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
			var err error
			if buf, err = encode(buf[:0], data[:n], t.Type); err != nil {
				return fmt.Errorf("write safetensors: tensor %q: %w", t.Name, err)
			}
			if _, err := w.Write(buf); err != nil {
				return fmt.Errorf("write safetensors: tensor %q: %w", t.Name, err)
			}
			data = data[n:]
		}
	}
	return nil
}

// encode appends numbers in the type of a tensor.
func encode(b []byte, data []float32, kind string) ([]byte, error) {
	narrow, infinity := half.FromFloat32, uint16(0x7c00)
	switch kind {
	case "", F32:
		for _, v := range data {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		return b, nil
	case BF16:
		narrow, infinity = half.BrainFromFloat32, 0x7f80
	}
	for _, v := range data {
		h := narrow(v)
		if h&0x7fff == infinity && !math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("%v does not fit in %s", v, kind)
		}
		b = binary.LittleEndian.AppendUint16(b, h)
	}
	return b, nil
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
		kind := t.Type
		if kind == "" {
			kind = F32
		}
		end := at + elementBytes(kind)*len(t.Data)
		err := field(t.Name, struct {
			Type    string `json:"dtype"`
			Dims    []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}{kind, append([]int{}, t.Dims...), [2]int{at, end}})
		if err != nil {
			return nil, err
		}
		at = end
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
	if t.Type != "" && elementBytes(t.Type) == 0 {
		return fmt.Errorf("tensor %q: %w: %q", t.Name, ErrType, t.Type)
	}
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
