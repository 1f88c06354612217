package crescendo_test

// House rules that a machine can hold: package comments, sizes, names.

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxLines is a third above what files should have (450): the test is a
// fence, not a target.
const maxLines = 600

var bannedNames = []string{"util", "utils", "common", "helpers", "helper", "manager", "types", "base", "misc"}

func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func generated(src []byte) bool {
	return bytes.Contains(src[:min(len(src), 400)], []byte("DO NOT EDIT"))
}

func TestEveryPackageHasAComment(t *testing.T) {
	documented, all := map[string]bool{}, map[string]bool{}
	for _, path := range goFiles(t) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(path)
		all[dir] = true
		documented[dir] = documented[dir] || f.Doc != nil
	}
	for dir := range all {
		if !documented[dir] && !generatedFolder(t, dir) {
			t.Errorf("%s: no package comment; say what the package is for and what it does not do", dir)
		}
	}
}

func generatedFolder(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if src, err := os.ReadFile(path); err != nil || !generated(src) {
			return false
		}
	}
	return true
}

func TestFilesAreSmall(t *testing.T) {
	for _, path := range goFiles(t) {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(src, []byte("\n")); n > maxLines && !generated(src) {
			t.Errorf("%s has %d lines: cut it by idea (aim for 450, never above %d)", path, n, maxLines)
		}
	}
}

func TestNamesSaySomething(t *testing.T) {
	for _, path := range goFiles(t) {
		for _, part := range strings.Split(strings.TrimSuffix(path, ".go"), string(filepath.Separator)) {
			if slices.Contains(bannedNames, strings.TrimSuffix(part, "_test")) {
				t.Errorf("%s: %q says nothing about what is inside", path, part)
			}
		}
	}
}

func TestNothingIsLeftForLater(t *testing.T) {
	for _, path := range goFiles(t) {
		if path == "style_test.go" {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "not implemented"} {
			if bytes.Contains(src, []byte(word)) && !generated(src) {
				t.Errorf("%s contains %q: finish it, or say in the status table what is missing", path, word)
			}
		}
	}
}
