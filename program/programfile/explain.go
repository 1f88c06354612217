package programfile

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/crescendo-network/crescendo"
)

var unknownField = regexp.MustCompile(`^line (\d+): field (.*) not found in type ([\w.]+)$`)

// explain turns the decoder's error into one that a person who has never seen
// the Go types understands.
func explain(name string, data []byte, err error) error {
	return explainIn(reflect.TypeFor[file](), "programme", name, data, err)
}

// explainIn is explain for a file of another kind, whose keys root has.
func explainIn(root reflect.Type, kind, name string, data []byte, err error) error {
	var typed *yaml.TypeError
	if !errors.As(err, &typed) || len(typed.Errors) == 0 {
		if strings.TrimSpace(string(data)) == "" {
			return crescendo.Errorf(crescendo.CodeInvalid, "read %s %s: the file is empty", kind, name)
		}
		return crescendo.Errorf(crescendo.CodeInvalid, "read %s %s: %s", kind, name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	first := typed.Errors[0]
	m := unknownField.FindStringSubmatch(first)
	if m == nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "read %s %s: %s", kind, name, first)
	}
	line, key, section := m[1], m[2], m[3]
	e := crescendo.Errorf(crescendo.CodeInvalid, "read %s %s: line %s: unknown key %q", kind, name, line, clipped(key))
	keys := keysOf(root, section)
	if near, _ := nearest(key, keys); near != "" {
		return e.WithHint(fmt.Sprintf("did you mean %q?", near))
	}
	return e.WithHint("keys here: " + strings.Join(keys, ", "))
}

func clipped(s string) string { return s[:min(len(s), 64)] }

// keysOf lists the keys of the struct that a decoder error names, such as
// "program.Training".
func keysOf(root reflect.Type, section string) []string {
	var found []string
	visit(root, map[reflect.Type]bool{}, func(t reflect.Type) {
		if t.String() == section {
			found = keys(t)
		}
	})
	return found
}

func visit(t reflect.Type, seen map[reflect.Type]bool, do func(reflect.Type)) {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return
	}
	seen[t] = true
	do(t)
	for i := range t.NumField() {
		visit(t.Field(i).Type, seen, do)
	}
}

func keys(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			out = append(out, keys(f.Type)...)
		case tag != "" && tag != "-":
			out = append(out, tag)
		}
	}
	return out
}

// nearest returns the word closest to what was written, if it is close, and
// whether it is the word itself.
func nearest(written string, words []string) (string, bool) {
	best, bound := "", max(2, len(written)/3)+1
	for _, w := range words {
		if d := distance(written, w, bound); d < bound {
			best, bound = w, d
		}
	}
	return best, best == written
}

// distance counts the edits between two words, and gives up at the limit.
func distance(a, b string, limit int) int {
	if len(a) > 64 || len(b) > 64 {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
