package modelfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/modelfile/half"
	"github.com/crescendo-network/crescendo/modelfile/safetensors"
	"github.com/google/go-cmp/cmp"
)

func shapes() map[string]engine.Shape {
	return map[string]engine.Shape{
		"tied":       {Vocab: 40, Dim: 16, Layers: 2, Heads: 2, KVHeads: 2, FFN: 24, Context: 32, Tied: true, RopeTheta: 10000, NormEps: 1e-5},
		"grouped":    {Vocab: 33, Dim: 24, Layers: 1, Heads: 4, KVHeads: 2, FFN: 20, Context: 64, RopeTheta: 500000, NormEps: 1e-6},
		"biases":     {Vocab: 33, Dim: 24, Layers: 2, Heads: 4, KVHeads: 2, FFN: 20, Context: 64, RopeTheta: 1e6, NormEps: 1e-6, QKVBias: true},
		"all biases": {Vocab: 33, Dim: 24, Layers: 2, Heads: 4, KVHeads: 2, FFN: 20, Context: 64, RopeTheta: 1e6, NormEps: 1e-6, QKVBias: true, OutBias: true, FFNBias: true},
		"mixture": {Vocab: 33, Dim: 24, Layers: 2, Heads: 4, KVHeads: 2, FFN: 20, Context: 64, RopeTheta: 1e6, NormEps: 1e-6,
			Experts: 4, ExpertsPerToken: 2, Balance: 0.02},
		"linear": {Vocab: 33, Dim: 24, Layers: 1, Heads: 4, KVHeads: 2, FFN: 20, Context: 64, RopeTheta: 1e4, NormEps: 1e-6,
			RopeScaling: engine.RopeScaling{Kind: engine.RopeLinear, Factor: 4}},
		"llama3": {Vocab: 33, Dim: 24, Layers: 1, Heads: 4, KVHeads: 2, FFN: 20, Context: 64, RopeTheta: 5e5, NormEps: 1e-6,
			RopeScaling: engine.RopeScaling{Kind: engine.RopeLlama3, Factor: 8, LowFactor: 1, HighFactor: 4, Original: 16}},
	}
}

func folder(s engine.Shape) Folder {
	f := Folder{Shape: s, Params: make([]float32, s.Parameters()), Files: map[string][]byte{"tokenizer.json": []byte("{}")}}
	engine.InitParams(s, f.Params, 5)
	pad := int32(0)
	f.Generation = Generation{EOS: []int32{0, 4}, Pad: &pad}
	return f
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Folders come back as they were, in one file or several, rounded to the type they
// are written in; a second model leaves nothing of the first.
func TestFolderRoundTrip(t *testing.T) {
	narrow := map[string]func(float32) float32{
		"":               func(v float32) float32 { return v },
		safetensors.BF16: func(v float32) float32 { return half.BrainFloat32(half.BrainFromFloat32(v)) },
		safetensors.F16:  func(v float32) float32 { return half.Float32(half.FromFloat32(v)) },
	}
	for name, shape := range shapes() {
		for kind, round := range narrow {
			dir := filepath.Join(t.TempDir(), "a", "model")
			for _, l := range []Layout{{kind, 0}, {kind, 3000}, {kind, 1}, {kind, 0}} {
				want := folder(shape)
				if err := WriteFolder(dir, want, l); err != nil {
					t.Fatal(err)
				}
				got, err := ReadFolder(dir)
				if err != nil {
					t.Fatalf("%s, %+v: %v", name, l, err)
				}
				for i := range want.Params {
					want.Params[i] = round(want.Params[i])
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s, %+v: folder differs:\n%s", name, l, d)
				}
				names := files(t, dir)
				if single := slices.Contains(names, WeightsName); single != (l.ShardBytes == 0) || single == slices.Contains(names, IndexName) {
					t.Errorf("%s, %+v: files are %v", name, l, names)
				}
			}
		}
	}
}

// TestShardedFiles holds names and index as other programs read them.
func TestShardedFiles(t *testing.T) {
	dir := t.TempDir()
	shape := shapes()["tied"]
	if err := WriteFolder(dir, folder(shape), Layout{Type: safetensors.BF16, ShardBytes: 6000}); err != nil {
		t.Fatal(err)
	}
	want := []string{"config.json", "generation_config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
		"model.safetensors.index.json", "tokenizer.json"}
	if d := cmp.Diff(want, files(t, dir)); d != "" {
		t.Errorf("files differ:\n%s", d)
	}
	var index struct {
		Metadata struct {
			Size int `json:"total_size"`
		} `json:"metadata"`
		Map map[string]string `json:"weight_map"`
	}
	b, err := os.ReadFile(filepath.Join(dir, IndexName))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &index); err != nil {
		t.Fatal(err)
	}
	if index.Metadata.Size != 2*shape.Parameters() || len(index.Map) != len(shape.Tensors()) ||
		index.Map["model.embed_tokens.weight"] != want[2] || index.Map["model.norm.weight"] != want[3] {
		t.Errorf("index is %+v", index)
	}
}

func TestCard(t *testing.T) {
	dir := t.TempDir()
	f := folder(shapes()["tied"])
	f.Card = &Card{Name: "a\nmodel", License: "MIT", Tags: []string{`x: "y"`}, Facts: [][2]string{{"a|b", "c\nd"}}, Text: "Text."}
	if err := WriteFolder(dir, f, Layout{}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, CardName))
	if err != nil {
		t.Fatal(err)
	}
	want := "---\nlicense: \"mit\"\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- \"llama\"\n- \"x: \\\"y\\\"\"\n---\n\n# a model\n\nText.\n\n| | |\n|---|---|\n| a\\|b | c d |\n"
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
}

func TestWriteFolderRefuses(t *testing.T) {
	for _, name := range []string{"../x", "a/b", "..", "config.json", "model.safetensors", "", "other.bin"} {
		f := folder(shapes()["tied"])
		f.Files = map[string][]byte{name: nil}
		if err := WriteFolder(t.TempDir(), f, Layout{}); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	f := folder(shapes()["tied"])
	if err := WriteFolder(t.TempDir(), f, Layout{Type: "F64"}); !errors.Is(err, safetensors.ErrType) {
		t.Errorf("error is %v, want ErrType", err)
	}
	f.Params = f.Params[1:]
	if err := WriteFolder(t.TempDir(), f, Layout{}); !errors.Is(err, ErrMismatch) {
		t.Errorf("error is %v, want ErrMismatch", err)
	}
}

// foreign writes a folder as a stranger might: tensors of the shape, changed.
func foreign(t *testing.T, s engine.Shape, change func(*[]safetensors.Tensor)) string {
	t.Helper()
	dir := t.TempDir()
	f := folder(s)
	if err := WriteFolder(dir, f, Layout{}); err != nil {
		t.Fatal(err)
	}
	tensors := shardsOf(s, f.Params, Layout{Type: safetensors.F32})[0]
	change(&tensors)
	var b bytes.Buffer
	if err := safetensors.Write(&b, nil, tensors); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, WeightsName), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReadForeign(t *testing.T) {
	shape := shapes()["tied"]
	add := func(name string, dims ...int) func(*[]safetensors.Tensor) {
		return func(list *[]safetensors.Tensor) {
			n := 1
			for _, d := range dims {
				n *= d
			}
			*list = append(*list, safetensors.Tensor{Name: name, Dims: dims, Data: make([]float32, n)})
		}
	}
	for name, c := range map[string]struct {
		change func(*[]safetensors.Tensor)
		want   error
		text   string
	}{
		"as it is":              {func(*[]safetensors.Tensor) {}, nil, ""},
		"another order":         {func(l *[]safetensors.Tensor) { slices.Reverse(*l) }, nil, ""},
		"a buffer":              {add("model.layers.0.self_attn.rotary_emb.inv_freq", 4), nil, ""},
		"the output again":      {add("lm_head.weight", 40, 16), nil, ""},
		"a bias":                {add("model.layers.0.self_attn.q_proj.bias", 16), ErrMismatch, "biases"},
		"experts":               {add("model.layers.0.block_sparse_moe.experts.0.w1.weight", 2), ErrMismatch, "experts"},
		"a tensor too few":      {func(l *[]safetensors.Tensor) { *l = (*l)[1:] }, ErrMismatch, "embed_tokens"},
		"another layer":         {add("model.layers.2.input_layernorm.weight", 16), ErrMismatch, "no place"},
		"another width":         {func(l *[]safetensors.Tensor) { (*l)[0].Dims = []int{16, 40} }, ErrMismatch, "[16 40]"},
		"a number not finite":   {func(l *[]safetensors.Tensor) { (*l)[3].Data[7] = float32(math.Inf(1)) }, engine.ErrNotFinite, "v_proj"},
		"a number that is none": {func(l *[]safetensors.Tensor) { (*l)[0].Data[0] = float32(math.NaN()) }, engine.ErrNotFinite, "embed_tokens"},
	} {
		_, err := ReadFolder(foreign(t, shape, c.change))
		if !errors.Is(err, c.want) || (err != nil && !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%s: error is %v, want %v about %q", name, err, c.want, c.text)
		}
	}
}

// A folder can be damaged in every file; what is wrong is said, nothing panics.
func TestReadDamaged(t *testing.T) {
	shape := shapes()["tied"]
	replace := func(name, content string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   error // nil for any
	}{
		"no config":           {remove(ConfigName), os.ErrNotExist},
		"no index":            {remove(IndexName), nil},
		"no shard":            {remove("model-00002-of-00002.safetensors"), os.ErrNotExist},
		"empty shard":         {replace("model-00002-of-00002.safetensors", ""), safetensors.ErrFormat},
		"index not JSON":      {replace(IndexName, "{"), ErrIndex},
		"index of nothing":    {replace(IndexName, "{}"), ErrIndex},
		"index leads out":     {replace(IndexName, `{"weight_map":{"a":"../config.json"}}`), ErrIndex},
		"index leads away":    {replace(IndexName, `{"weight_map":{"a":"/etc/passwd"}}`), ErrIndex},
		"index of a folder":   {replace(IndexName, `{"weight_map":{"a":".."}}`), ErrIndex},
		"index to the config": {replace(IndexName, `{"weight_map":{"a":"config.json"}}`), ErrIndex},
		"index of another":    {replace(IndexName, `{"weight_map":{"a":"model-00001-of-00002.safetensors"}}`), ErrIndex},
		"generation not JSON": {replace(GenerationName, "{"), nil},
		"generation of text":  {replace(GenerationName, `{"eos_token_id":"x"}`), nil},
	} {
		dir := t.TempDir()
		if err := WriteFolder(dir, folder(shape), Layout{ShardBytes: 12000}); err != nil {
			t.Fatal(err)
		}
		c.damage(t, dir)
		if _, err := ReadFolder(dir); err == nil || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: error is %v, want %v", name, err, c.want)
		}
	}
}

// The config of a stranger may promise more than its weights hold: no memory is
// asked for, neither for numbers nor for the names of a million tensors.
func TestReadPromises(t *testing.T) {
	for name, change := range map[string]func(*engine.Shape){
		"wide":         func(s *engine.Shape) { s.Vocab, s.Dim = engine.MaxVocab, engine.MaxDim },
		"many experts": func(s *engine.Shape) { s.Layers, s.Experts, s.ExpertsPerToken = engine.MaxLayers, engine.MaxExperts, 1 },
		"many small experts": func(s *engine.Shape) {
			s.Dim, s.Heads, s.KVHeads, s.FFN, s.Vocab = 2, 1, 1, 1, 2
			s.Layers, s.Experts, s.ExpertsPerToken = 32, engine.MaxExperts, 1
		},
	} {
		dir := t.TempDir()
		f := folder(shapes()["tied"])
		f.Shape.Vocab *= 400 // some megabytes
		f = folder(f.Shape)
		if err := WriteFolder(dir, f, Layout{}); err != nil {
			t.Fatal(err)
		}
		promised := shapes()["tied"]
		change(&promised)
		b, err := encodeConfig(promised, safetensors.F32, Generation{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ConfigName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		allocations := testing.AllocsPerRun(1, func() { _, err = ReadFolder(dir) })
		if !errors.Is(err, ErrMismatch) || allocations > 10_000 {
			t.Errorf("%s: error is %v, want ErrMismatch; %.0f allocations", name, err, allocations)
		}
	}
}

// A pipe in the place of a file would be waited for.
func TestReadPipe(t *testing.T) {
	for _, name := range []string{ConfigName, WeightsName, "tokenizer.json"} {
		dir := t.TempDir()
		if err := WriteFolder(dir, folder(shapes()["tied"]), Layout{}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFolder(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func FuzzDecodeIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":1},"weight_map":{"a":"model-00001-of-00001.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../x.safetensors"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		index, err := decodeIndex(b)
		if err != nil {
			return
		}
		for _, name := range index {
			if dir, file := filepath.Split(filepath.Join("/models/m", name)); dir != "/models/m/" || file != name {
				t.Fatalf("%q leads out of the folder", name)
			}
		}
	})
}
