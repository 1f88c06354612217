// Package llamacpp compares the speed of serving with that of llama.cpp, on the
// same model files. It needs the npm package node-llama-cpp and is skipped without
// it: see the target serve-bench of the Makefile. It judges nothing and holds
// tests only.
package llamacpp

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/engine/bench"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/modelfile/gguf"
)

// Directory is where node_modules with node-llama-cpp lies.
const Directory = "CRESCENDO_LLAMACPP"

type request struct {
	Model      string `json:"model"`
	Vocabulary int    `json:"vocabulary"`
	Context    int    `json:"context"`
	Prompt     int    `json:"prompt"`
	Threads    int    `json:"threads"`
	Batches    []int  `json:"batches"`
	Rounds     int    `json:"rounds"`
	Run        int    `json:"run"`
	Flash      bool   `json:"flash"`
}

// TestSpeed prints a table. CRESCENDO_SERVE_MODELS and CRESCENDO_SERVE_THREADS
// choose what is measured.
func TestSpeed(t *testing.T) {
	if os.Getenv(Directory) == "" {
		t.Skipf("set %s to a directory with node-llama-cpp: see make serve-bench", Directory)
	}
	models := strings.Split(cmp.Or(os.Getenv("CRESCENDO_SERVE_MODELS"), "12m,100m"), ",")
	threads := strings.Split(cmp.Or(os.Getenv("CRESCENDO_SERVE_THREADS"), "1,2"), ",")
	fmt.Println("| model | weights | threads | texts | prompt: ours | llama.cpp | ratio | by CPU | decoding: ours | llama.cpp | ratio | by CPU |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, name := range models {
		for _, n := range threads {
			count, err := strconv.Atoi(n)
			if err != nil {
				t.Fatal(err)
			}
			for _, kind := range []gguf.Type{gguf.F32, gguf.Q8} {
				compare(t, name, count, kind)
			}
		}
	}
}

// compare measures in turns, twice, and keeps the best of each.
func compare(t *testing.T, name string, threads int, kind gguf.Type) {
	spec, err := bench.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	e := native.New(threads)
	m, err := e.New(spec.Shape)
	if err != nil {
		t.Fatal(err)
	}
	e.Init(m, 1)
	file := filepath.Join(t.TempDir(), "model.gguf")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := gguf.WriteModel(f, gguf.Model{Name: "speed", Shape: spec.Shape, Params: m.Params(), Type: kind, Vocabulary: vocabulary(spec.Shape.Vocab)}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	batches := []int{1, 8}
	ours, theirs := make([]bench.ServeResult, len(batches)), make([]bench.ServeResult, len(batches))
	for _, flash := range []bool{false, true} {
		for i, r := range ask(t, request{Model: file, Vocabulary: spec.Shape.Vocab, Context: spec.Shape.Context, Prompt: bench.Prompt(spec.Shape), Threads: threads,
			Batches: batches, Rounds: 16, Run: 4, Flash: flash}) {
			theirs[i].Prefill, theirs[i].Decode = max(theirs[i].Prefill, r.Prefill), max(theirs[i].Decode, r.Decode)
			theirs[i].PrefillByCPU, theirs[i].DecodeByCPU = max(theirs[i].PrefillByCPU, r.PrefillByCPU), max(theirs[i].DecodeByCPU, r.DecodeByCPU)
		}
		for i, n := range batches {
			r, err := bench.Serve(m, bench.ServeSettings{Batch: n, Int8: kind == gguf.Q8})
			if err != nil {
				t.Fatal(err)
			}
			ours[i].Prefill, ours[i].Decode = max(ours[i].Prefill, r.Prefill), max(ours[i].Decode, r.Decode)
			ours[i].PrefillByCPU, ours[i].DecodeByCPU = max(ours[i].PrefillByCPU, r.PrefillByCPU), max(ours[i].DecodeByCPU, r.DecodeByCPU)
		}
	}
	for i, n := range batches {
		o, l := ours[i], theirs[i]
		fmt.Printf("| %s | %v | %d | %d | %.0f | %.0f | %.2f | %.2f | %.0f | %.0f | %.2f | %.2f |\n", name, kind, threads, n,
			o.Prefill, l.Prefill, o.Prefill/l.Prefill, o.PrefillByCPU/l.PrefillByCPU, o.Decode, l.Decode, o.Decode/l.Decode, o.DecodeByCPU/l.DecodeByCPU)
	}
}

// vocabulary is made up: nothing here is text, but llama.cpp wants one.
func vocabulary(n int) *gguf.Vocabulary {
	v := &gguf.Vocabulary{Pre: "llama-bpe", Merges: []string{"t 1"}, BOS: -1, EOS: 0, EOT: -1}
	for i := range n {
		v.Tokens, v.Types = append(v.Tokens, fmt.Sprintf("t%d", i)), append(v.Types, 1)
	}
	return v
}

func ask(t *testing.T, r request) []bench.ServeResult {
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "bench.mjs", os.Getenv(Directory), string(b))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node bench.mjs: %v", err)
	}
	var results []bench.ServeResult
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("answer of bench.mjs: %v\n%.300s", err, out)
	}
	return results
}
