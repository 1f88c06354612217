package native

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/enginetest"
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

func TestContract(t *testing.T) {
	for _, name := range Kernels() {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d", name, threads), func(t *testing.T) {
				e, err := NewWithKernel(threads, name)
				if err != nil {
					t.Fatal(err)
				}
				enginetest.Run(t, e)
			})
		}
	}
}

// golden are hashes of parameters and optimizer state after a few steps. They
// are part of profile R0: a change here makes old work impossible to audit.
var golden = []struct {
	name  string
	shape engine.Shape
	kind  string
	want  string
}{
	{"even", engine.Shape{Vocab: 128, Dim: 64, Layers: 1, Heads: 2, KVHeads: 2, FFN: 96, Context: 64, Tied: true, RopeTheta: 10000, NormEps: 1e-5}, engine.Muon, "b70fce10b027538debfa4c8644844f9f"},
	{"even", engine.Shape{Vocab: 128, Dim: 64, Layers: 1, Heads: 2, KVHeads: 2, FFN: 96, Context: 64, Tied: true, RopeTheta: 10000, NormEps: 1e-5}, engine.AdamW, "dd240dbfdb641b82ed46bc89e3817f8b"},
	{"odd", engine.Shape{Vocab: 131, Dim: 36, Layers: 2, Heads: 6, KVHeads: 2, FFN: 53, Context: 64, RopeTheta: 500, NormEps: 1e-6}, engine.Muon, "40b0cbab12fb95662b19cd2e61b58761"},
	{"odd", engine.Shape{Vocab: 131, Dim: 36, Layers: 2, Heads: 6, KVHeads: 2, FFN: 53, Context: 64, RopeTheta: 500, NormEps: 1e-6}, engine.AdamW, "fec75845b0f524b0b4663125a48c9f5a"},
	{"biased", engine.Shape{Vocab: 64, Dim: 48, Layers: 2, Heads: 4, KVHeads: 2, FFN: 64, Context: 64, RopeTheta: 10000, NormEps: 1e-5, QKVBias: true,
		RopeScaling: engine.RopeScaling{Kind: engine.RopeLlama3, Factor: 8, LowFactor: 1, HighFactor: 4, Original: 32}}, engine.Muon, "45306c86d846472481ed71558feba9fa"},
	{"linear", engine.Shape{Vocab: 64, Dim: 48, Layers: 1, Heads: 2, KVHeads: 1, FFN: 96, Context: 64, RopeTheta: 10000, NormEps: 1e-5,
		RopeScaling: engine.RopeScaling{Kind: engine.RopeLinear, Factor: 4}}, engine.Muon, "cbb39ee74e2411593630959e4c525174"},
	{"wide", engine.Shape{Vocab: 64, Dim: 32, Layers: 1, Heads: 2, KVHeads: 1, FFN: 1024, Context: 64, RopeTheta: 10000, NormEps: 1e-5}, engine.AdamW, "3810ca13bd328e014dd90a5db7eae902"},
	{"all biases", engine.Shape{Vocab: 64, Dim: 48, Layers: 2, Heads: 4, KVHeads: 2, FFN: 52, Context: 64, RopeTheta: 10000, NormEps: 1e-5,
		QKVBias: true, OutBias: true, FFNBias: true}, engine.Muon, "d023e835d7dc0d583e1ad0c5959f3f21"},
	{"mixture", engine.Shape{Vocab: 64, Dim: 48, Layers: 2, Heads: 4, KVHeads: 2, FFN: 52, Context: 64, RopeTheta: 10000, NormEps: 1e-5,
		Experts: 5, ExpertsPerToken: 2, Balance: 0.01}, engine.Muon, "e34fd645274a9d88108a1c2ffe6dcf7e"},
	{"mixture", engine.Shape{Vocab: 64, Dim: 48, Layers: 2, Heads: 4, KVHeads: 2, FFN: 1024, Context: 64, RopeTheta: 10000, NormEps: 1e-5,
		Experts: 3, ExpertsPerToken: 1}, engine.AdamW, "fe625755af4c71639b40586bec160be1"},
}

// TestGoldenBits trains with every kernel and several numbers of threads.
func TestGoldenBits(t *testing.T) {
	for _, g := range golden {
		for _, name := range Kernels() {
			for _, threads := range []int{1, 2, 3, 4, 5, 6, 7, 8} {
				if name == "portable" && threads%4 != 1 { // it is slow
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s/%d", g.name, g.kind, name, threads), func(t *testing.T) {
					if got := trainAndHash(t, g.shape, g.kind, name, threads); got != g.want {
						t.Errorf("hash is %s, want %s", got, g.want)
					}
				})
			}
		}
	}
}

func trainAndHash(t *testing.T, shape engine.Shape, kind, name string, threads int) string {
	t.Helper()
	return trainUnder(t, R0, shape, kind, name, threads)
}

func trainUnder(t *testing.T, profile string, shape engine.Shape, kind, name string, threads int) string {
	t.Helper()
	e, err := NewWithKernel(threads, name)
	if err == nil {
		e, err = WithProfile(e, profile)
	}
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.New(shape)
	if err != nil {
		t.Fatal(err)
	}
	e.Init(m, 42)
	o := engine.DefaultOptimizer(6)
	o.Kind = kind
	const batch, seq, steps = 2, 45, 3
	for step := range steps {
		if _, err := m.Step(enginetest.Tokens(uint64(step), shape.Vocab, batch*(seq+1)), batch, seq, o, step); err != nil {
			t.Fatal(err)
		}
	}
	losses, err := m.Loss(enginetest.Tokens(99, shape.Vocab, batch*(seq+1)), batch, seq)
	if err != nil {
		t.Fatal(err)
	}
	all := append(append([]float32(nil), m.Params()...), m.OptimizerState()...)
	for _, l := range losses {
		all = append(all, float32(l))
	}
	return hash(all)
}

// TestLongAttention checks that attention computed again in the backward pass
// has the bits of attention kept.
func TestLongAttention(t *testing.T) {
	shape := engine.Shape{Vocab: 31, Dim: 24, Layers: 2, Heads: 4, KVHeads: 2, FFN: 16, Context: 300, RopeTheta: 500, NormEps: 1e-6}
	for _, seq := range []int{longBlock - 1, longBlock, 2*longBlock + 33} {
		var want []float32
		for _, keep := range []int{seq, 0} {
			e := New(2)
			made, err := e.New(shape)
			if err != nil {
				t.Fatal(err)
			}
			e.Init(made, 3)
			m := made.(*model)
			m.keep = keep
			if _, err := m.gradient(enginetest.Tokens(4, shape.Vocab, 2*(seq+1)), 2, seq); err != nil {
				t.Fatal(err)
			}
			if kept := m.acts.layers[0].attention != nil; kept != (keep == seq) {
				t.Fatalf("attention of %d tokens is kept: %v", seq, kept)
			}
			if want == nil {
				want = m.grads
			} else if !sameBits(want, m.grads) {
				t.Errorf("gradients of %d tokens differ", seq)
			}
		}
	}
}

// TestDecodingHasTheBitsOfForward compares a session's logits, token by token,
// with those of a forward pass over the whole text.
func TestDecodingHasTheBitsOfForward(t *testing.T) {
	for _, g := range golden[1:] {
		e := New(2)
		made, err := e.New(g.shape)
		if err != nil {
			t.Fatal(err)
		}
		e.Init(made, 5)
		m := made.(*model)
		const seq = 61
		tokens := enginetest.Tokens(1, g.shape.Vocab, seq+1)
		s, err := m.Session(seq)
		if err != nil {
			t.Fatal(err)
		}
		a := m.prepare(1, seq, false)
		a.load(tokens, nil)
		m.forward(a)
		m.head(a, false) // its logits are overwritten by exponentials, so do without
		packed := m.pack(m.layout.head.of(m.params), m.dims.dim, m.dims.vocab)
		want := make([]float32, seq*m.dims.vocab)
		m.set.Multiply(seq, m.dims.vocab, m.dims.dim, kernel.Left{Data: a.hidden, Row: m.dims.dim, Step: 1}, packed, want, m.dims.vocab, false, &m.work.list[0].Scratch)
		for i := range seq {
			got, err := s.Feed(tokens[i : i+1])
			if err != nil {
				t.Fatal(err)
			}
			if !sameBits(got, want[i*m.dims.vocab:(i+1)*m.dims.vocab]) {
				t.Fatalf("%s: logits of token %d differ", g.name, i)
			}
		}
	}
}

// TestOnlyExactMath holds the rule that profile R0 rests on: of package math,
// only what is exact everywhere.
func TestOnlyExactMath(t *testing.T) {
	allowed := []string{"Sqrt", "FMA", "Float32bits", "Float32frombits", "Float64bits", "Float64frombits", "Inf", "MaxFloat64", "MaxFloat32", "MaxInt64", "MaxInt", "Sqrt2"}
	var files []string
	for _, dir := range []string{".", "..", "../r0", "../internal/kernel"} {
		found, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no source in %s: %v", dir, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if i.Path.Value == `"math"` && i.Name != nil {
				t.Errorf("%s renames package math", file)
			}
			if strings.Contains(i.Path.Value, "math/rand") || strings.Contains(i.Path.Value, "math/cmplx") {
				t.Errorf("%s imports %s", file, i.Path.Value)
			}
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "math" && !slices.Contains(allowed, s.Sel.Name) {
					t.Errorf("%s uses math.%s", file, s.Sel.Name)
				}
			}
			return true
		})
	}
}
