// Package llamacpp checks our GGUF files against llama.cpp itself: tokens, logits
// and greedy continuations. It needs the npm package node-llama-cpp and is skipped
// without it; README.md has the command. It holds tests only.
package llamacpp

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/modelfile/gguf"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// Directory is where node_modules with node-llama-cpp lies.
const Directory = "CRESCENDO_LLAMACPP"

type request struct {
	Model      string    `json:"model"`
	Vocabulary int       `json:"vocabulary"`
	Context    int       `json:"context"`
	Threads    int       `json:"threads"`
	Generate   int       `json:"generate"`
	Texts      []string  `json:"texts"`
	Sequences  [][]int32 `json:"sequences"`
}

type answer struct {
	Tokens        [][]int32     `json:"tokens"`
	Special       [][]int32     `json:"special"`
	Pieces        []string      `json:"pieces"` // the text of each token
	EOS           *int32        `json:"eos"`
	EOT           *int32        `json:"eot"`
	AddBOS        bool          `json:"addBOS"`
	ContextLength int           `json:"contextLength"`
	Logits        [][][]float32 `json:"logits"` // sequence, position, token
	Greedy        [][]int32     `json:"greedy"`
}

func ask(t *testing.T, r request) answer {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "request.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	answerPath := path + ".answer"
	if out, err := exec.CommandContext(t.Context(), "node", "compare.mjs", os.Getenv(Directory), path, answerPath).CombinedOutput(); err != nil {
		t.Fatalf("node compare.mjs: %v\n%s", err, out)
	}
	out, err := os.ReadFile(answerPath)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("answer of compare.mjs: %v\n%.500s", err, out)
	}
	return a
}

// corpus is text of this repository: prose and source.
func corpus(t *testing.T) []byte {
	t.Helper()
	var text []byte
	for _, pattern := range []string{"../../../docs/*.md", "../../../docs/formats/*.md", "../../*.go", "../../../engine/*.go", "../../../engine/native/*.go", "../../../tokenizer/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, b...)
		}
	}
	if len(text) < 100_000 {
		t.Fatalf("%d bytes of text to train on", len(text))
	}
	return text
}

// trained returns a model that has learned something, so that its logits are far
// from equal.
func trained(t *testing.T, shape engine.Shape, ids []int32) engine.Model {
	t.Helper()
	e := native.New(1)
	m, err := e.New(shape)
	if err != nil {
		t.Fatal(err)
	}
	e.Init(m, 1)
	const steps, batch, seq = 100, 4, 128
	o := engine.DefaultOptimizer(steps)
	for step := range steps {
		var tokens []int32
		for b := range batch {
			at := (step*batch + b) * 997 % (len(ids) - seq - 1)
			tokens = append(tokens, ids[at:at+seq+1]...)
		}
		if _, err := m.Step(tokens, batch, seq, o, step); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// awkward texts: everything that the pattern of words treats in its own way.
var awkward = []string{
	"The quick brown fox doesn't jump; it's over-rated, isn't IT'S?", " leading", "trailing  ", "a\n\n\nb\r\n\tc  d\n ",
	"12345678 3.14 1e-9 ٣٤٥", "func f(x []int) (y map[string]int) {\n\treturn nil // ok\n}\n", "naïve café Straße žluťoučký",
	"日本語のテキスト 中文 한국어", "emoji 🙂🙃 👩‍👩‍👧 flags 🇩🇪", "!!!???...---===", "x'll y'RE 'tis", "    four spaces\n\t\ttabs", "\u00a0nbsp\u2003em",
	"<|endoftext|> is text here", "ⅧⅨ ½ ², ³", "e\u0301 combining",
}

func TestLlamaCpp(t *testing.T) {
	if os.Getenv(Directory) == "" {
		t.Skipf("set %s to a directory with node-llama-cpp: see README.md", Directory)
	}
	text := corpus(t)
	tok, err := tokenizer.Train(t.Context(), [][]byte{text}, 1024, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := tok.Encode(text)
	shapes := map[string]engine.Shape{
		"tied": {Vocab: 1024, Dim: 64, Layers: 5, Heads: 2, KVHeads: 2, FFN: 176, Context: 128, Tied: true, RopeTheta: 10000, NormEps: 1e-5},
		// Grouped heads, an output of its own, more ids than the tokenizer has.
		"grouped": {Vocab: 1056, Dim: 96, Layers: 2, Heads: 6, KVHeads: 2, FFN: 256, Context: 160, RopeTheta: 500000, NormEps: 1e-6},
		"biases":  {Vocab: 1024, Dim: 64, Layers: 2, Heads: 4, KVHeads: 2, FFN: 160, Context: 128, Tied: true, RopeTheta: 10000, NormEps: 1e-6, QKVBias: true},
		"all biases": {Vocab: 1024, Dim: 64, Layers: 2, Heads: 4, KVHeads: 2, FFN: 160, Context: 128, Tied: true, RopeTheta: 10000, NormEps: 1e-6,
			QKVBias: true, OutBias: true, FFNBias: true},
		"mixture": {Vocab: 1024, Dim: 64, Layers: 2, Heads: 4, KVHeads: 2, FFN: 160, Context: 128, Tied: true, RopeTheta: 10000, NormEps: 1e-6,
			Experts: 4, ExpertsPerToken: 2, Balance: 0.01},
		"linear": {Vocab: 1024, Dim: 64, Layers: 2, Heads: 2, KVHeads: 2, FFN: 160, Context: 128, Tied: true, RopeTheta: 10000, NormEps: 1e-6,
			RopeScaling: engine.RopeScaling{Kind: engine.RopeLinear, Factor: 2}},
		"llama3": {Vocab: 1024, Dim: 64, Layers: 2, Heads: 2, KVHeads: 2, FFN: 160, Context: 128, Tied: true, RopeTheta: 10000, NormEps: 1e-6,
			RopeScaling: engine.RopeScaling{Kind: engine.RopeLlama3, Factor: 8, LowFactor: 1, HighFactor: 4, Original: 64}},
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			m := trained(t, shape, ids)
			for _, kind := range []gguf.Type{gguf.F32, gguf.F16, gguf.Q8} {
				if (shape.QKVBias || shape.Experts > 0 || shape.RopeScaling.Kind != "") && kind != gguf.F32 {
					continue // what they add is stored one way only
				}
				t.Run(kind.String(), func(t *testing.T) { compare(t, m, tok, text, kind) })
			}
		})
	}
}

// tolerances of logits by type. llama.cpp rounds activations to 16 or 8 bits too
// when weights are, so that its logits are not those of the rounded weights.
var tolerances = map[gguf.Type]float64{gguf.F32: 1e-4, gguf.F16: 0.05, gguf.Q8: 0.5}

func compare(t *testing.T, m engine.Model, tok *tokenizer.Tokenizer, text []byte, kind gguf.Type) {
	shape := m.Shape()
	file := filepath.Join(t.TempDir(), "model.gguf")
	write(t, file, m, tok, kind)
	ids := tok.Encode(text)
	r := request{Model: file, Vocabulary: shape.Vocab, Context: shape.Context, Threads: 1, Generate: 40, Texts: awkward}
	for i := range 4 {
		at := 5000 * (i + 1)
		r.Sequences = append(r.Sequences, ids[at:at+60])
	}
	for at := 0; at+2000 < len(text) && len(r.Texts) < 60; at += 7919 {
		r.Texts = append(r.Texts, string(bytes.ToValidUTF8(text[at:at+2000], []byte("?"))))
	}
	a := ask(t, r)
	checkTokens(t, tok, r, a, shape)
	session, err := m.Session(shape.Context)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	checkLogits(t, session, r, a, tolerances[kind])
	checkGreedy(t, session, r, a, tolerances[kind])
}

func write(t *testing.T, path string, m engine.Model, tok *tokenizer.Tokenizer, kind gguf.Type) {
	t.Helper()
	description, err := tok.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	v, err := gguf.ParseTokenizer(description)
	if err != nil {
		t.Fatal(err)
	}
	v.EOS, v.EOT, v.ChatTemplate = tokenizer.EndOfText, tokenizer.EndOfTurn, tokenizer.ChatTemplate
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := gguf.WriteModel(f, gguf.Model{Name: "test", Shape: m.Shape(), Params: m.Params(), Type: kind, Vocabulary: v}); err != nil {
		t.Fatal(err)
	}
}

func checkTokens(t *testing.T, tok *tokenizer.Tokenizer, r request, a answer, shape engine.Shape) {
	t.Helper()
	count := 0
	for i, text := range r.Texts {
		want := tok.Encode([]byte(text))
		count += len(want)
		if !slices.Equal(a.Tokens[i], want) {
			t.Errorf("tokens of %.80q:\nllama.cpp %v\nours      %v", text, a.Tokens[i], want)
		}
	}
	t.Logf("%d texts, %d tokens compared", len(r.Texts), count)
	checkPieces(t, tok, a)
	i := slices.Index(r.Texts, "<|endoftext|> is text here")
	if a.Special[i][0] != tokenizer.EndOfText {
		t.Errorf("llama.cpp does not know <|endoftext|> as a control token: %v", a.Special[i])
	}
	if a.EOS == nil || *a.EOS != tokenizer.EndOfText || a.EOT == nil || *a.EOT != tokenizer.EndOfTurn || a.AddBOS || a.ContextLength != shape.Context {
		t.Errorf("special tokens or context differ: eos %v, eot %v, add bos %v, context %d", a.EOS, a.EOT, a.AddBOS, a.ContextLength)
	}
}

// checkPieces compares the text of tokens, but for those with spaces: llama.cpp takes
// spaces before punctuation out of what it decodes at once, though not out of what it
// decodes token by token.
func checkPieces(t *testing.T, tok *tokenizer.Tokenizer, a answer) {
	t.Helper()
	n := 0
	for id := range tok.Vocab() {
		want := tok.TokenBytes(int32(id))
		if len(want) == 0 || !utf8.Valid(want) || bytes.ContainsRune(want, ' ') {
			continue
		}
		if n++; a.Pieces[id] != string(want) {
			t.Errorf("token %d is %q to llama.cpp, %q to us", id, a.Pieces[id], want)
		}
	}
	t.Logf("text of %d tokens compared", n)
}

func checkLogits(t *testing.T, session engine.Session, r request, a answer, tolerance float64) {
	t.Helper()
	var worst, sum float64
	n, agree, positions := 0, 0, 0
	for i, tokens := range r.Sequences {
		session.Reset()
		for at, token := range tokens {
			ours, err := session.Feed([]int32{token})
			if err != nil {
				t.Fatal(err)
			}
			theirs := a.Logits[i][at]
			for id := range ours {
				d := math.Abs(float64(ours[id]) - float64(theirs[id]))
				worst, sum, n = max(worst, d), sum+d, n+1
			}
			positions++
			if best(ours) == best(theirs) {
				agree++
			}
		}
	}
	t.Logf("%d logits: mean difference %.2g, worst %.2g; same best token at %d of %d positions", n, sum/float64(n), worst, agree, positions)
	if !(worst <= tolerance) {
		t.Errorf("a logit differs by %v, want at most %v", worst, tolerance)
	}
}

// checkGreedy follows llama.cpp's choices: each must be our best token too, but
// for two that are closer than the tolerance.
func checkGreedy(t *testing.T, session engine.Session, r request, a answer, tolerance float64) {
	t.Helper()
	same, total := 0, 0
	for i, tokens := range r.Sequences {
		session.Reset()
		input := tokens
		for at, chosen := range a.Greedy[i] {
			ours, err := session.Feed(input)
			if err != nil {
				t.Fatal(err)
			}
			b := best(ours)
			if total++; b == int(chosen) {
				same++
			} else if d := float64(ours[b] - ours[chosen]); d > 2*tolerance {
				t.Errorf("sequence %d, token %d: llama.cpp chose %d, we %d, whose logit is higher by %v", i, at, chosen, b, d)
			}
			input = []int32{chosen}
		}
	}
	t.Logf("greedy: %d of %d tokens are the same", same, total)
}

func best(logits []float32) int {
	at := 0
	for i, v := range logits {
		if v > logits[at] {
			at = i
		}
	}
	return at
}
