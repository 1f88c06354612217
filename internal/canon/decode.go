package canon

import (
	"fmt"
	"reflect"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

func decodeStruct(data []byte, v reflect.Value, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested more than %d deep: %w", maxDepth, ErrNotCanonical)
	}
	fields := layout(v.Type())
	for len(data) > 0 {
		num, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return ErrNotCanonical
		}
		data = data[n:]
		f, ok := find(fields, num)
		if !ok {
			return fmt.Errorf("unknown field %d: %w", num, ErrNotCanonical)
		}
		var err error
		if data, err = decodeField(data, typ, v.Field(f.index), depth); err != nil {
			return err
		}
	}
	return nil
}

func find(fields []field, num protowire.Number) (field, bool) {
	for _, f := range fields {
		if f.num == num {
			return f, true
		}
	}
	return field{}, false
}

func decodeField(data []byte, typ protowire.Type, v reflect.Value, depth int) ([]byte, error) {
	if typ == protowire.VarintType {
		n, used := protowire.ConsumeVarint(data)
		if used < 0 {
			return nil, ErrNotCanonical
		}
		return data[used:], setScalar(v, n)
	}
	if typ != protowire.BytesType {
		return nil, fmt.Errorf("wire type %d: %w", typ, ErrNotCanonical)
	}
	raw, used := protowire.ConsumeBytes(data)
	if used < 0 {
		return nil, ErrNotCanonical
	}
	return data[used:], setBytes(v, raw, depth)
}

func setScalar(v reflect.Value, n uint64) error {
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(n != 0)
	case v.CanUint():
		if v.OverflowUint(n) {
			return fmt.Errorf("%d does not fit %s: %w", n, v.Type(), ErrNotCanonical)
		}
		v.SetUint(n)
	case v.CanInt():
		if v.OverflowInt(int64(n)) {
			return fmt.Errorf("%d does not fit %s: %w", int64(n), v.Type(), ErrNotCanonical)
		}
		v.SetInt(int64(n))
	default:
		return fmt.Errorf("varint for %s: %w", v.Type(), ErrNotCanonical)
	}
	return nil
}

func setBytes(v reflect.Value, raw []byte, depth int) error {
	switch {
	case v.Kind() == reflect.String:
		if !utf8.Valid(raw) {
			return fmt.Errorf("string is not UTF-8: %w", ErrNotCanonical)
		}
		v.SetString(string(raw))
	case v.Kind() == reflect.Struct:
		return decodeStruct(raw, v, depth+1)
	case v.Kind() == reflect.Array && isBytes(v.Type()):
		if len(raw) != v.Len() {
			return fmt.Errorf("%d bytes for %s: %w", len(raw), v.Type(), ErrNotCanonical)
		}
		reflect.Copy(v, reflect.ValueOf(raw))
	case v.Kind() == reflect.Slice && isBytes(v.Type()):
		v.SetBytes(append([]byte(nil), raw...))
	case v.Kind() == reflect.Slice:
		return appendElement(v, raw, depth)
	default:
		return fmt.Errorf("bytes for %s: %w", v.Type(), ErrNotCanonical)
	}
	return nil
}

// appendElement adds one bytes-like element, or all elements of a packed run.
func appendElement(v reflect.Value, raw []byte, depth int) error {
	elem := v.Type().Elem()
	if elem.Kind() == reflect.Struct || isBytes(elem) {
		if v.Len() >= maxElements {
			return fmt.Errorf("more than %d elements: %w", maxElements, ErrNotCanonical)
		}
		e := reflect.New(elem).Elem()
		if err := setBytes(e, raw, depth); err != nil {
			return err
		}
		v.Set(reflect.Append(v, e))
		return nil
	}
	for len(raw) > 0 {
		if v.Len() >= maxElements {
			return fmt.Errorf("more than %d elements: %w", maxElements, ErrNotCanonical)
		}
		n, used := protowire.ConsumeVarint(raw)
		if used < 0 {
			return ErrNotCanonical
		}
		raw = raw[used:]
		e := reflect.New(elem).Elem()
		if err := setScalar(e, n); err != nil {
			return err
		}
		v.Set(reflect.Append(v, e))
	}
	return nil
}
