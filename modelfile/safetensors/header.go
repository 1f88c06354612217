package safetensors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"sort"
)

const metadataKey = "__metadata__"

// parse checks the header against the number of data bytes: every byte belongs
// to exactly one tensor.
func (f *File) parse(header []byte, dataBytes int64) error {
	if len(header) == 0 || header[0] != '{' {
		return fmt.Errorf("%w: header does not begin with a brace", ErrFormat)
	}
	d := json.NewDecoder(bytes.NewReader(header))
	d.DisallowUnknownFields()
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	f.byName = map[string]int{}
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return fmt.Errorf("%w: %v", ErrFormat, err)
		}
		name, ok := key.(string)
		if !ok || len(name) > maxName || seen[name] || len(seen) > maxTensors {
			return fmt.Errorf("%w: too many names, or one that is too long or repeated", ErrFormat)
		}
		seen[name] = true
		if name == metadataKey {
			err = d.Decode(&f.metadata)
		} else {
			err = f.parseEntry(d, name)
		}
		if err != nil {
			return fmt.Errorf("%w: entry %q: %w", ErrFormat, name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("%w: %v", ErrFormat, err)
	}
	if len(bytes.Trim(header[d.InputOffset():], " ")) > 0 {
		return fmt.Errorf("%w: text after the header", ErrFormat)
	}
	return f.order(dataBytes)
}

func (f *File) parseEntry(d *json.Decoder, name string) error {
	var raw struct {
		Type    string   `json:"dtype"`
		Dims    []int64  `json:"shape"`
		Offsets []uint64 `json:"data_offsets"`
	}
	if err := d.Decode(&raw); err != nil {
		return err
	}
	width := int64(elementBytes(raw.Type))
	if width == 0 {
		return fmt.Errorf("%w: %q", ErrType, raw.Type)
	}
	if len(raw.Dims) > maxDims || len(raw.Offsets) != 2 {
		return fmt.Errorf("%d dimensions and %d offsets", len(raw.Dims), len(raw.Offsets))
	}
	e := Entry{Name: name, Type: raw.Type, Dims: []int{}}
	n := int64(1)
	for _, dim := range raw.Dims {
		if dim < 0 || dim > 1<<40 || (dim > 0 && n > 1<<46/dim) {
			return fmt.Errorf("dimension %d", dim)
		}
		n *= dim
		e.Dims = append(e.Dims, int(dim))
	}
	from, to := raw.Offsets[0], raw.Offsets[1]
	if to > math.MaxInt64 || from > to || to-from != uint64(n*width) {
		return fmt.Errorf("bytes %d to %d hold no %d elements of %s", from, to, n, raw.Type)
	}
	e.Len, e.from, e.to = int(n), int64(from), int64(to)
	f.entries = append(f.entries, e)
	return nil
}

// order sorts the entries by position and rejects gaps and overlaps.
func (f *File) order(dataBytes int64) error {
	sort.SliceStable(f.entries, func(i, j int) bool {
		a, b := f.entries[i], f.entries[j]
		return a.from < b.from || a.from == b.from && a.to < b.to
	})
	var at int64
	for i, e := range f.entries {
		if e.from != at {
			return fmt.Errorf("%w: tensor %q begins at byte %d, want %d", ErrFormat, e.Name, e.from, at)
		}
		at = e.to
		f.byName[e.Name] = i
	}
	if at != dataBytes {
		return fmt.Errorf("%w: tensors take %d bytes of %d", ErrFormat, at, dataBytes)
	}
	return nil
}
