package crescendo_test

// This file holds the architecture: who may import whom, what the measured
// vault may link, and what rules may not do. It is an ordinary test, so the
// picture in docs/architecture.md cannot rot. A failure here is a question of
// design: do not change the tables to make a build pass.

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/crescendo-network/crescendo"

// layers lists folders from the bottom up; the longest matching prefix of a
// package's path decides. A package may import lower layers and its own
// folder, never another folder of its own layer, except as sideways says.
var layers = [][]string{
	{"."},
	{"internal"},
	{"funding", "research", "training", "evaluation", "sealing", "inference", "revenue", "governance"}, // rules
	{"program"}, // composes the rules
	{ // means
		"blob", "engine", "attest", "corpus", "tokenizer", "modelfile", "ledger",
		"program/programfile", "inference/openai", "sealing/container", "sealing/keyshare",
		"training/delta", "training/assign", "training/outer", "training/growth", "training/start", "research/trial", "planner", "programs",
	},
	{"role"},
	{"node"},
	{"sim"},
	{"cmd"},
}

// sideways lists the imports between means that the design wants.
var sideways = map[string][]string{
	"corpus":            {"blob", "tokenizer"},
	"modelfile":         {"engine"},
	"sealing/container": {"sealing/keyshare", "engine", "modelfile"},
	"training/delta":    {"engine"},
	"training/growth":   {"engine"},
	"training/outer":    {"engine", "corpus", "blob", "training/delta", "training/assign"},
	"training/start":    {"engine", "corpus", "blob", "training/outer", "training/growth"},
	"research/trial":    {"engine", "corpus", "blob", "training/assign", "training/outer", "training/start"},
	"ledger":            {"blob"},
	"inference/openai":  {"tokenizer"},
}

// drivers are named in node/ only: seats know the interface.
var drivers = []string{
	"blob/file", "blob/http", "engine/native", "ledger/client", "ledger/memory", "ledger/cosmos",
}

// seatsThatNameDrivers are the exceptions, each with its reason.
var seatsThatNameDrivers = map[string]string{
	"role/vault":   "the measured vault links exactly one engine: the choice is part of the measurement",
	"role/archive": "it is the HTTP face of the blob store and of the chain's history",
	"role/auditor": "it trusts no running node, so it recomputes with the reference engine and the rules in memory",
}

// vaultMayLink is everything of this module the measured vault may link.
var vaultMayLink = []string{
	".", "internal", "program", "funding", "research", "training", "evaluation", "sealing", "inference", "revenue", "governance",
	"attest", "engine", "tokenizer", "corpus", "modelfile", "blob",
	"sealing/container", "sealing/keyshare", "inference/openai",
	"training/delta", "training/assign", "training/outer", "ledger", "role/vault", "cmd/crescendo-vault",
}

// ruleMayImport is the standard library and third parties as rules see them.
var ruleMayImport = []string{
	"bytes", "cmp", "crypto/ed25519", "encoding/binary", "encoding/hex", "errors", "fmt", "math/bits", "slices",
	"sort", "strconv", "strings", "unicode/utf8", "math", "iter", "maps",
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

var list = sync.OnceValues(func() ([]goPackage, error) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,Deps", "./...")
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
})

func packages(t *testing.T) []goPackage {
	t.Helper()
	pkgs, err := list()
	if err != nil {
		t.Fatalf("go list ./...: %v", err)
	}
	return pkgs
}

// folder returns the entry of layers that a path of this module belongs to,
// and its level.
func folder(t *testing.T, importPath string) (string, int) {
	t.Helper()
	rel := strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
	if rel == "" {
		return ".", 0
	}
	best, level := "", -1
	for i, layer := range layers {
		for _, dir := range layer {
			if (rel == dir || strings.HasPrefix(rel, dir+"/")) && len(dir) > len(best) {
				best, level = dir, i
			}
		}
	}
	if level < 0 {
		t.Fatalf("folder %q is in no layer: add it to layers and to docs/architecture.md", rel)
	}
	return best, level
}

func ours(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		from, fromLevel := folder(t, p.ImportPath)
		for _, imp := range p.Imports {
			if !ours(imp) {
				continue
			}
			to, toLevel := folder(t, imp)
			if from == to || toLevel < fromLevel || slices.Contains(sideways[from], to) {
				continue
			}
			t.Errorf("%s imports %s: %q may not depend on %q", p.ImportPath, imp, from, to)
		}
	}
}

func TestSeatsDoNotNameDrivers(t *testing.T) {
	for _, p := range packages(t) {
		rel := strings.TrimPrefix(p.ImportPath, module+"/")
		if !strings.HasPrefix(rel, "role/") || slices.ContainsFunc(exceptions(), func(dir string) bool {
			return within(p.ImportPath, dir)
		}) {
			continue
		}
		for _, imp := range p.Imports {
			if slices.Contains(drivers, strings.TrimPrefix(imp, module+"/")) {
				t.Errorf("%s imports the driver %s: take the interface and let node/ choose", rel, imp)
			}
		}
	}
}

// within reports whether a package of this module is in dir or below it.
func within(importPath, dir string) bool {
	rel := strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
	return rel == dir || (rel == "" && dir == ".") || strings.HasPrefix(rel, dir+"/")
}

func exceptions() []string {
	var dirs []string
	for dir := range seatsThatNameDrivers {
		dirs = append(dirs, dir)
	}
	return dirs
}

func TestVaultIsSmall(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath != module+"/cmd/crescendo-vault" {
			continue
		}
		for _, dep := range p.Deps {
			switch {
			case ours(dep):
				if !slices.ContainsFunc(vaultMayLink, func(dir string) bool { return within(dep, dir) }) {
					t.Errorf("crescendo-vault links %s: every byte here is part of the measurement", dep)
				}
			case dep == "net/http" || cosmos(dep):
				t.Errorf("crescendo-vault links %s: it speaks over its own socket only", dep)
			}
		}
	}
}

func cosmos(importPath string) bool {
	for _, prefix := range []string{"github.com/cosmos/cosmos-sdk", "cosmossdk.io/", "github.com/cometbft/"} {
		if strings.HasPrefix(importPath, prefix) {
			return true
		}
	}
	return false
}

// TestCosmosStaysInTheLedger keeps what a contributor downloads small.
func TestCosmosStaysInTheLedger(t *testing.T) {
	for _, p := range packages(t) {
		rel := strings.TrimPrefix(p.ImportPath, module+"/")
		if strings.HasPrefix(rel, "ledger/cosmos") || rel == "cmd/crescendo-ledger" {
			continue
		}
		for _, dep := range p.Deps {
			if cosmos(dep) {
				t.Errorf("%s links %s: the Cosmos SDK stays in ledger/cosmos", rel, dep)
				break
			}
		}
	}
}

// TestRulesArePure keeps out of rules whatever could differ between two
// validators: clocks, randomness, I/O, goroutines, floats, map order.
func TestRulesArePure(t *testing.T) {
	for _, dir := range append(slices.Clone(layers[2]), "program") {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, imp := range f.Imports {
				name, _ := strconv.Unquote(imp.Path.Value)
				if !ours(name) && !slices.Contains(ruleMayImport, name) {
					t.Errorf("%s imports %s: rules do no I/O and see no clock", fset.Position(imp.Pos()), name)
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: goroutine in rules", fset.Position(n.Pos()))
				case *ast.MapType:
					t.Errorf("%s: map in rules: its order differs between runs", fset.Position(n.Pos()))
				case *ast.Ident:
					if n.Name == "float64" || n.Name == "float32" {
						t.Errorf("%s: %s in rules", fset.Position(n.Pos()), n.Name)
					}
				}
				return true
			})
		}
	}
}
