package cosmos_test

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/cosmos/gogoproto/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/crescendo-network/crescendo/program"
)

// The .proto files say the same as the Go structs of the rules: numbers,
// names and kinds of fields.
func TestProtoMirrorsStructs(t *testing.T) {
	resolver := proto.HybridResolver
	methods := 0
	seen := map[string]bool{}
	for _, m := range program.Messages() {
		name := strings.TrimPrefix(m.TypeURL(), "/")
		d, err := resolver.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compare(t, name, d.(protoreflect.MessageDescriptor), reflect.TypeOf(m).Elem())
		service := string(d.ParentFile().Package()) + ".Msg"
		if seen[service] {
			continue
		}
		seen[service] = true
		sd, err := resolver.FindDescriptorByName(protoreflect.FullName(service))
		if err != nil {
			t.Errorf("%s: %v", service, err)
			continue
		}
		methods += sd.(protoreflect.ServiceDescriptor).Methods().Len()
	}
	if n := len(program.Messages()); methods != n {
		t.Errorf("%d methods of services for %d messages", methods, n)
	}
}

func compare(t *testing.T, path string, d protoreflect.MessageDescriptor, s reflect.Type) {
	t.Helper()
	count := 0
	for i := range s.NumField() {
		f := s.Field(i)
		tag, ok := f.Tag.Lookup("pb")
		if !ok {
			continue
		}
		count++
		number, err := strconv.Atoi(tag)
		if err != nil {
			t.Errorf("%s.%s: tag %q", path, f.Name, tag)
			continue
		}
		field := d.Fields().ByNumber(protoreflect.FieldNumber(number))
		if field == nil {
			t.Errorf("%s: .proto lacks field %d, %s", path, number, f.Name)
			continue
		}
		if got, want := string(field.Name()), snake(f.Name); got != want {
			t.Errorf("%s: field %d is %s in .proto, %s in Go", path, number, got, want)
		}
		kind, element := kindOf(f.Type)
		if field.Kind() != kind || field.IsList() != (element != f.Type) {
			t.Errorf("%s.%s: kind %v (repeated %v) in .proto, %v (%v) in Go", path, f.Name, field.Kind(), field.IsList(), kind, f.Type)
		} else if kind == protoreflect.MessageKind {
			compare(t, path+"."+f.Name, field.Message(), element)
		}
	}
	if n := d.Fields().Len(); n != count {
		t.Errorf("%s: %d fields in .proto, %d in Go", path, n, count)
	}
}

// kindOf returns the protobuf kind of a Go type, and the element's type if it
// is a repeated one.
func kindOf(t reflect.Type) (protoreflect.Kind, reflect.Type) {
	isBytes := (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() == reflect.Uint8
	switch {
	case isBytes:
		return protoreflect.BytesKind, t
	case t.Kind() == reflect.Slice:
		kind, _ := kindOf(t.Elem())
		return kind, t.Elem()
	}
	return map[reflect.Kind]protoreflect.Kind{
		reflect.String: protoreflect.StringKind, reflect.Bool: protoreflect.BoolKind,
		reflect.Uint32: protoreflect.Uint32Kind, reflect.Uint64: protoreflect.Uint64Kind,
		reflect.Int64: protoreflect.Int64Kind, reflect.Struct: protoreflect.MessageKind,
	}[t.Kind()], t
}

// snake turns KeyCheck into key_check, KVHeads into kv_heads and PerKiB into
// per_kib.
func snake(name string) string {
	name = strings.ReplaceAll(name, "KiB", "Kib")
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		begins := unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
