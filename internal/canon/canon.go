// Package canon encodes Go structs as protocol buffers in exactly one way.
//
// A struct field tagged `pb:"3"` is field number 3. The encoding is the
// deterministic proto3 form: fields in increasing number, zero values left
// out, varints minimal, repeated integers packed. Decode accepts nothing else,
// so two byte strings that decode to the same value are equal: hashes and
// signatures over encodings are hashes and signatures over values.
//
// Supported kinds: bool, unsigned integers, signed integers (as two's
// complement int64, not zig-zag), strings, []byte, byte arrays (as bytes),
// structs, and slices of all these except bool and []byte-like nesting deeper
// than one level. It is meant for transactions, ledger state and signed
// payloads, not for tensors.
package canon

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds on what Decode accepts; a transaction or state entry is far smaller.
const (
	MaxSize     = 1 << 20
	maxElements = 1 << 16
	maxDepth    = 8
)

// ErrNotCanonical means the bytes are not the one encoding of any value of
// the type: unknown field, wrong order, padded varint, explicit zero, or too
// large.
var ErrNotCanonical = errors.New("not a canonical encoding")

// Encode returns the canonical encoding of v, a struct or pointer to struct.
// It panics when the type itself is unsupported, which is a bug in the type.
func Encode(v any) []byte {
	rv := reflect.Indirect(reflect.ValueOf(v))
	return appendStruct(nil, rv)
}

// Decode fills the struct dst points to. On error dst is unspecified.
func Decode(data []byte, dst any) error {
	rv := reflect.ValueOf(dst)
	if rv.Kind() != reflect.Pointer || rv.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decode into %T: want pointer to struct", dst)
	}
	if len(data) > MaxSize {
		return fmt.Errorf("%d bytes: %w", len(data), ErrNotCanonical)
	}
	rv = rv.Elem()
	rv.SetZero()
	if err := decodeStruct(data, rv, 0); err != nil {
		return fmt.Errorf("decode %s: %w", rv.Type(), err)
	}
	if got := appendStruct(make([]byte, 0, len(data)), rv); !slices.Equal(got, data) {
		return fmt.Errorf("decode %s: %w", rv.Type(), ErrNotCanonical)
	}
	return nil
}

type field struct {
	num   protowire.Number
	index int
}

var layouts sync.Map // reflect.Type -> []field, sorted by number

func layout(t reflect.Type) []field {
	if l, ok := layouts.Load(t); ok {
		return l.([]field)
	}
	var fs []field
	for i := range t.NumField() {
		tag, ok := t.Field(i).Tag.Lookup("pb")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(tag)
		if err != nil || n <= 0 {
			panic(fmt.Sprintf("canon: bad pb tag %q on %s.%s", tag, t, t.Field(i).Name))
		}
		fs = append(fs, field{protowire.Number(n), i})
	}
	slices.SortFunc(fs, func(a, b field) int { return int(a.num) - int(b.num) })
	layouts.Store(t, fs)
	return fs
}

func appendStruct(b []byte, v reflect.Value) []byte {
	for _, f := range layout(v.Type()) {
		b = appendField(b, f.num, v.Field(f.index))
	}
	return b
}

func appendField(b []byte, num protowire.Number, v reflect.Value) []byte {
	if raw, ok := byteValue(v); ok {
		if len(raw) == 0 || (v.Kind() == reflect.Array && v.IsZero()) {
			return b
		}
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), raw)
	}
	switch v.Kind() {
	case reflect.Struct:
		inner := appendStruct(nil, v)
		if len(inner) == 0 {
			return b
		}
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), inner)
	case reflect.Slice:
		return appendSlice(b, num, v)
	}
	n := scalar(v)
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

func appendSlice(b []byte, num protowire.Number, v reflect.Value) []byte {
	if v.Len() == 0 {
		return b
	}
	elem := v.Type().Elem()
	if elem.Kind() != reflect.Struct && !isBytes(elem) {
		var packed []byte
		for i := range v.Len() {
			packed = protowire.AppendVarint(packed, scalar(v.Index(i)))
		}
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), packed)
	}
	for i := range v.Len() {
		var raw []byte
		if elem.Kind() == reflect.Struct {
			raw = appendStruct(nil, v.Index(i))
		} else {
			raw, _ = byteValue(v.Index(i))
		}
		b = protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), raw)
	}
	return b
}

func isBytes(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String:
		return true
	case reflect.Slice, reflect.Array:
		return t.Elem().Kind() == reflect.Uint8
	}
	return false
}

func byteValue(v reflect.Value) ([]byte, bool) {
	if !isBytes(v.Type()) {
		return nil, false
	}
	switch v.Kind() {
	case reflect.String:
		return []byte(v.String()), true
	case reflect.Slice:
		return v.Bytes(), true
	}
	raw := make([]byte, v.Len())
	reflect.Copy(reflect.ValueOf(raw), v)
	return raw, true
}

func scalar(v reflect.Value) uint64 {
	switch {
	case v.Kind() == reflect.Bool:
		if v.Bool() {
			return 1
		}
		return 0
	case v.CanUint():
		return v.Uint()
	case v.CanInt():
		return uint64(v.Int())
	}
	panic("canon: unsupported type " + v.Type().String())
}
