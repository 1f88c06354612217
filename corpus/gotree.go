package corpus

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// goLicence is the licence of the Go tree, for installations that keep it
// elsewhere.
//
//go:embed go_licence.txt
var goLicence []byte

const goHint = "install Go from https://go.dev/dl, set GOROOT, or give --corpus a directory of your own"

// GoTree returns the Go tree's own source and documentation: real text with a
// known licence that everybody who builds this program already has.
func GoTree(ctx context.Context) (Source, error) {
	root := goRoot(ctx)
	if root == "" {
		return Source{}, unusable(goHint, "find the Go tree: neither `go env GOROOT` nor $GOROOT names one")
	}
	return GoTreeAt(root)
}

// GoTreeAt is GoTree for a known GOROOT.
func GoTreeAt(root string) (Source, error) {
	if info, err := os.Stat(filepath.Join(root, "src", "fmt")); err != nil || !info.IsDir() {
		return Source{}, unusable(goHint, "read the Go tree: %s has no source of the standard library", root)
	}
	description := "source and documentation of the Go tree"
	if version, err := os.ReadFile(filepath.Join(root, "VERSION")); err == nil && len(version) < 1<<10 {
		first, _, _ := strings.Cut(string(version), "\n")
		description += ", " + strings.ToValidUTF8(strings.TrimSpace(first), "?")
	}
	return Source{Description: description, SPDX: "BSD-3-Clause", root: root, goTree: true}, nil
}

func goRoot(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output(); err == nil {
		if root := strings.TrimSpace(string(out)); root != "" {
			return root
		}
	}
	// Deprecated because it names the tree of the machine that built the
	// program: which is this one, or the check for fmt fails.
	return runtime.GOROOT()
}

// goFolders are the parts of the tree that hold text; distributions may link
// them from elsewhere.
var goFolders = []string{"doc", "misc", "src", "test"}

func (s Source) walkGoTree(root string, walk func(dir, prefix string) error) error {
	for _, folder := range goFolders {
		dir, err := filepath.EvalSymlinks(filepath.Join(root, folder))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = walk(dir, folder)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wantGoFile chooses source, Markdown and the documentation's HTML.
func wantGoFile(name string) bool {
	switch filepath.Ext(name) {
	case ".go", ".md":
		return true
	case ".html":
		return strings.HasPrefix(name, "doc/")
	}
	return false
}
