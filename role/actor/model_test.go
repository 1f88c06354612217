package actor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/modelfile"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/actor"
	"github.com/crescendo-network/crescendo/tokenizer"
	"github.com/crescendo-network/crescendo/training/outer"
	"github.com/crescendo-network/crescendo/training/start"
)

// elsewhere is a model that another programme has trained, with biases and a
// scaled rotation, and a programme whose rung is to start from it.
type elsewhere struct {
	spec   program.Spec
	folder modelfile.Folder
	dir    string
	text   string
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	tok, err := tokenizer.Train(t.Context(), [][]byte{[]byte(strings.Repeat("other words were read where it was trained\n", 9))}, 290, nil)
	must(t, err)
	raw, err := tok.MarshalJSON()
	must(t, err)
	return newElsewhereWith(t, 290, modelfile.Generation{}, raw)
}

// newElsewhereWith takes the tokenizer.json.
func newElsewhereWith(t *testing.T, vocab int, g modelfile.Generation, raw []byte) *elsewhere {
	t.Helper()
	e := &elsewhere{dir: filepath.Join(t.TempDir(), "model"), text: t.TempDir()}
	line := "func main() { return the model that was trained elsewhere }\n"
	for i := range 20 {
		name := filepath.Join(e.text, string(rune('a'+i))+".txt")
		must(t, os.WriteFile(name, []byte(strings.Repeat(line, 40+i)), 0o600))
	}
	model := program.Model{Dim: 16, Layers: 2, Heads: 2, KVHeads: 1, FFN: 24, Context: 32, Tied: true, QKVBias: true, RopeTheta: 500000,
		NormEpsBillionths: 1000, RopeScaling: program.RopeScaling{Kind: "llama3", Factor: 8000, LowFactor: 1000, HighFactor: 4000, Original: 16}}
	e.spec = program.Spec{Corpus: program.Corpus{Source: "texts", Vocabulary: uint32(vocab), HeldOutPerMille: 100}, Evaluation: program.Evaluation{Sequences: 2},
		Rungs: []program.Rung{{Model: model, Training: program.Training{Rounds: 1, Steps: 1, Sequences: 1, Codec: "q2"}}}}
	shape := outer.ShapeOf(model, uint32(vocab))
	e.folder = modelfile.Folder{Shape: shape, Params: make([]float32, shape.Parameters()), Generation: g, Files: map[string][]byte{"tokenizer.json": raw}}
	engine.InitParams(shape, e.folder.Params, 5)
	for i := range e.folder.Params {
		e.folder.Params[i] += float32(i%7) / 64 // biases too
	}
	must(t, modelfile.WriteFolder(e.dir, e.folder, modelfile.Layout{}))
	return e
}

// announce writes into the programme what `model import` prints.
func (e *elsewhere) announce(t *testing.T) {
	t.Helper()
	f, err := modelfile.ReadFolder(e.dir)
	must(t, err)
	m, err := actor.Import(f, e.spec, 1)
	must(t, err)
	must(t, m.Unusable)
	e.spec.Rungs[0].Start = program.Start{From: program.FromCheckpoint, Checkpoint: blob.Sum(m.Checkpoint), Tokenizer: blob.Sum(m.Tokenizer)}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Tokenizers of other kinds cut corpora, too. Documents begin with what they begin
// texts with; the one text that their decoding does not give back is left out.
func TestImportAndPackForeign(t *testing.T) {
	for name, c := range map[string]struct {
		g         modelfile.Generation
		separator string
		documents int
	}{
		"llama2": {modelfile.Generation{EOS: []int32{2}}, "<s>", 21},
		"llama3": {modelfile.Generation{}, "<|begin_of_text|>", 22},
		"smollm": {modelfile.Generation{EOS: []int32{0}}, "<|endoftext|>", 22},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile("../../tokenizer/testdata/foreign/" + name + ".json")
			must(t, err)
			e := newElsewhereWith(t, 1000, c.g, raw)
			must(t, os.WriteFile(filepath.Join(e.text, "y.txt"), []byte("a ▁ is a blank to some"), 0o600))
			must(t, os.WriteFile(filepath.Join(e.text, "z.txt"), []byte(" naïve 日本語, 12345\n\n\t<s> "), 0o600))
			e.announce(t)
			store := blob.NewMemory()
			pack, err := actor.Pack(t.Context(), e.spec, e.text, []string{e.dir}, 1, store, nil)
			must(t, err)
			r, err := corpus.Open(t.Context(), store, pack.Hash)
			must(t, err)
			must(t, r.VerifyTexts(t.Context(), corpus.Train))
			must(t, r.VerifyTexts(t.Context(), corpus.HeldOut))
			if got := r.Manifest().Train.Documents + r.Manifest().HeldOut.Documents; got != c.documents {
				t.Errorf("%d documents, want %d", got, c.documents)
			}
			first, err := r.Tokens(t.Context(), nil, corpus.Train, 0, 1)
			must(t, err)
			if got := r.Tokenizer().Control(first[0]); got != c.separator {
				t.Errorf("documents begin with %q, want %q", got, c.separator)
			}
		})
	}
}

// A folder becomes the rung's first checkpoint, parameter by parameter, and its
// tokenizer cuts the corpus: what is packed is what everybody then checks.
func TestImportAndPack(t *testing.T) {
	e := newElsewhere(t)
	e.announce(t)
	store := blob.NewMemory()
	pack, err := actor.Pack(t.Context(), e.spec, e.text, []string{e.dir}, 1, store, nil)
	must(t, err)
	reader, err := corpus.Open(t.Context(), store, pack.Hash)
	must(t, err)
	if got, want := reader.Manifest().Tokenizer, e.spec.Rungs[0].Start.Tokenizer; got != want {
		t.Errorf("the corpus has tokenizer %s, want %s", got, want)
	}
	o, err := start.Of(kv.NewMemory(), "crescendo-dev-import", e.spec, 1, pack.Hash)
	must(t, err)
	must(t, o.Check(t.Context(), store, e.spec.Rungs[0].Start.Checkpoint))
	params, err := o.Params(t.Context(), store, 1)
	must(t, err)
	if d := cmp.Diff(e.folder.Params, params); d != "" {
		t.Errorf("the rung starts from other parameters: %s", d)
	}
	// A store that has it all needs no folder.
	if _, err := actor.Pack(t.Context(), e.spec, e.text, nil, 1, store, nil); err != nil {
		t.Error(err)
	}
}

func TestImportRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *elsewhere)
		text   string
		hint   string
	}{
		"no folder":                    {func(_ *testing.T, e *elsewhere) { e.dir = "" }, "starts from checkpoint", "--model DIR"},
		"another model":                {func(_ *testing.T, e *elsewhere) { e.spec.Rungs[0].Start.Checkpoint[0] ^= 1 }, "is checkpoint", "--model DIR"},
		"another tokenizer":            {func(_ *testing.T, e *elsewhere) { e.spec.Rungs[0].Start.Tokenizer[0] ^= 1 }, "with tokenizer", "--model DIR"},
		"another shape":                {func(_ *testing.T, e *elsewhere) { e.spec.Rungs[0].Model.FFN = 32 }, "ffn: 32", "--model DIR"},
		"a vocabulary that is not its": {func(_ *testing.T, e *elsewhere) { e.spec.Rungs[0].Model.Vocab, e.spec.Corpus.Vocabulary = 290, 280 }, "it has 290 tokens, the programme's corpus 280", "tokenizer.md"},
		"a foreign tokenizer": {func(t *testing.T, e *elsewhere) {
			foreign := []byte(`{"model":{"type":"BPE","vocab":{},"merges":[]}}`)
			must(t, os.WriteFile(filepath.Join(e.dir, "tokenizer.json"), foreign, 0o600))
			e.spec.Rungs[0].Start.Tokenizer = blob.Sum(foreign)
		}, "no corpus can be packed with its tokenizer", "tokenizer.md"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newElsewhere(t)
			e.announce(t)
			c.change(t, e)
			var folders []string
			if e.dir != "" {
				folders = []string{e.dir}
			}
			_, err := actor.Pack(t.Context(), e.spec, e.text, folders, 1, blob.NewMemory(), nil)
			refusal, ok := err.(*crescendo.Error)
			if !ok || !strings.Contains(err.Error(), c.text) || !strings.Contains(refusal.Hint, c.hint) {
				t.Errorf("error %v, want %q with hint %q", err, c.text, c.hint)
			}
		})
	}
	e := newElsewhere(t)
	e.spec.Rungs[0].Model.RopeTheta = 0
	f, err := modelfile.ReadFolder(e.dir)
	must(t, err)
	if _, err := actor.Import(f, e.spec, 1); err == nil || !strings.Contains(err.(*crescendo.Error).Hint, "rope-theta: 500000, norm-eps-billionths: 1000, qkv-bias: true, rope-scaling: {kind: llama3") {
		t.Errorf("another shape: %v, want a hint with the model's line", err)
	}
}
