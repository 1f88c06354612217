package engine

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func small() Shape {
	return Shape{Vocab: 4096, Dim: 64, Layers: 5, Heads: 2, KVHeads: 2, FFN: 176, Context: 128, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
}

func TestParameters(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape Shape
		want  int
	}{
		{"half a million", small(), 513_728},
		{"TinyLlama 1.1B", Shape{Vocab: 32000, Dim: 2048, Layers: 22, Heads: 32, KVHeads: 4, FFN: 5632, Context: 2048, RopeTheta: 10000, NormEps: 1e-5}, 1_100_048_384},
		{"Llama 3 70B", Shape{Vocab: 128256, Dim: 8192, Layers: 80, Heads: 64, KVHeads: 8, FFN: 28672, Context: 8192, RopeTheta: 500000, NormEps: 1e-5}, 70_553_706_496},
	} {
		if got := c.shape.Parameters(); got != c.want {
			t.Errorf("%s: %d parameters, want %d", c.name, got, c.want)
		}
	}
}

// TestTensorsCover checks on any valid shape that tensors lie end to end and that
// what is said of bad shapes is true.
func TestTensorsCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kv, group, half := rapid.IntRange(1, 4).Draw(t, "kv"), rapid.IntRange(1, 4).Draw(t, "group"), rapid.IntRange(1, 9).Draw(t, "half")
		s := Shape{Vocab: rapid.IntRange(2, 99).Draw(t, "vocab"), Dim: kv * group * half * 2, Layers: rapid.IntRange(1, 5).Draw(t, "layers"),
			Heads: kv * group, KVHeads: kv, FFN: rapid.IntRange(1, 50).Draw(t, "ffn"), Context: 8, Tied: rapid.Bool().Draw(t, "tied"), QKVBias: rapid.Bool().Draw(t, "bias"), RopeTheta: 10000, NormEps: 1e-5}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, tensor := range s.Tensors() {
			n := 1
			for _, d := range tensor.Dims {
				n *= d
			}
			if tensor.Offset != at || tensor.Len != n {
				t.Fatalf("%s is at %d with %d elements, want %d with %d", tensor.Name, tensor.Offset, tensor.Len, at, n)
			}
			at += n
		}
		if at != s.Parameters() {
			t.Fatalf("tensors hold %d elements, want %d", at, s.Parameters())
		}
	})
}

func TestTensorNames(t *testing.T) {
	s := Shape{Vocab: 10, Dim: 4, Layers: 1, Heads: 2, KVHeads: 1, FFN: 6, Context: 8, RopeTheta: 10000, NormEps: 1e-5}
	want := []Tensor{
		{"model.embed_tokens.weight", []int{10, 4}, 0, 40, false},
		{"model.layers.0.self_attn.q_proj.weight", []int{4, 4}, 40, 16, true},
		{"model.layers.0.self_attn.k_proj.weight", []int{2, 4}, 56, 8, true},
		{"model.layers.0.self_attn.v_proj.weight", []int{2, 4}, 64, 8, true},
		{"model.layers.0.self_attn.o_proj.weight", []int{4, 4}, 72, 16, true},
		{"model.layers.0.mlp.gate_proj.weight", []int{6, 4}, 88, 24, true},
		{"model.layers.0.mlp.up_proj.weight", []int{6, 4}, 112, 24, true},
		{"model.layers.0.mlp.down_proj.weight", []int{4, 6}, 136, 24, true},
		{"model.layers.0.input_layernorm.weight", []int{4}, 160, 4, false},
		{"model.layers.0.post_attention_layernorm.weight", []int{4}, 164, 4, false},
		{"model.norm.weight", []int{4}, 168, 4, false},
		{"lm_head.weight", []int{10, 4}, 172, 40, false},
	}
	if d := cmp.Diff(want, s.Tensors()); d != "" {
		t.Errorf("tensors differ:\n%s", d)
	}
}

func TestBadShapes(t *testing.T) {
	for name, change := range map[string]func(*Shape){
		"vocab of one": func(s *Shape) { s.Vocab = 1 }, "negative": func(s *Shape) { s.Layers = -1 }, "huge": func(s *Shape) { s.FFN = MaxFFN + 1 },
		"odd head": func(s *Shape) { s.Dim = 62 }, "groups": func(s *Shape) { s.KVHeads = 3 }, "theta": func(s *Shape) { s.RopeTheta = 0 },
		"scaling":      func(s *Shape) { s.RopeScaling.Kind = "yarn" },
		"stray factor": func(s *Shape) { s.RopeScaling.Factor = 2 },
		"small factor": func(s *Shape) { s.RopeScaling = RopeScaling{Kind: RopeLinear, Factor: 0.5} },
		"wrong order": func(s *Shape) {
			s.RopeScaling = RopeScaling{Kind: RopeLlama3, Factor: 8, LowFactor: 4, HighFactor: 4, Original: 64}
		},
		"no original":    func(s *Shape) { s.RopeScaling = RopeScaling{Kind: RopeLlama3, Factor: 8, LowFactor: 1, HighFactor: 4} },
		"linear context": func(s *Shape) { s.RopeScaling = RopeScaling{Kind: RopeLinear, Factor: 8, Original: 5} },
		"eps":            func(s *Shape) { s.NormEps = 0 }, "NaN": func(s *Shape) { s.RopeTheta = float32(math.NaN()) },
	} {
		s := small()
		change(&s)
		if err := s.Validate(); !errors.Is(err, ErrBadShape) {
			t.Errorf("%s: error is %v, want ErrBadShape", name, err)
		}
		if s.Parameters() != 0 || s.Tensors() != nil {
			t.Errorf("%s: a bad shape has tensors", name)
		}
	}
}

func TestSchedule(t *testing.T) {
	o := DefaultOptimizer(100)
	for _, c := range []struct {
		step int
		want float32
	}{{0, 0.2}, {4, 1}, {5, 1}, {1000, 0.1}, {100, 0.1}, {-3, 0.2}} {
		if got := o.Rate(c.step); math.Abs(float64(got-c.want)) > 1e-6 {
			t.Errorf("step %d: %v, want %v", c.step, got, c.want)
		}
	}
	for step := 6; step < 100; step++ {
		if a, b := o.Rate(step-1), o.Rate(step); b >= a || b < o.FinalFraction {
			t.Errorf("step %d: %v after %v", step, b, a)
		}
	}
	if got := DefaultOptimizer(3).Rate(0); got != 1 {
		t.Errorf("without warm-up the first step has %v", got)
	}
}

// TestWSD has the plateau, the ends of the decay, and its default length.
func TestWSD(t *testing.T) {
	o := DefaultOptimizer(100)
	o.Schedule, o.DecaySteps = WSD, 40
	for _, c := range []struct {
		decay, step int
		want        float32
	}{
		{40, 0, 0.2}, {40, 4, 1}, {40, 5, 1}, {40, 60, 1}, {40, 61, 0.9775}, {40, 80, 0.55}, {40, 99, 0.1225}, {40, 100, 0.1}, {40, 1 << 40, 0.1},
		{0, 80, 1}, {0, 90, 0.55}, {95, 5, 1}, {95, 6, 1 - 0.9/95},
	} {
		o.DecaySteps = c.decay
		if err := o.Validate(); err != nil {
			t.Fatal(err)
		}
		if got := o.Rate(c.step); math.Abs(float64(got-c.want)) > 1e-6 {
			t.Errorf("decay of %d, step %d: %v, want %v", c.decay, c.step, got, c.want)
		}
	}
	cosine, named := DefaultOptimizer(100), DefaultOptimizer(100)
	named.Schedule = Cosine
	for step := range 110 {
		if cosine.Rate(step) != named.Rate(step) {
			t.Errorf("step %d: no schedule gives %v, cosine %v", step, cosine.Rate(step), named.Rate(step))
		}
	}
}

func TestBadOptimizers(t *testing.T) {
	for name, change := range map[string]func(*Optimizer){
		"kind": func(o *Optimizer) { o.Kind = "sgd" }, "beta": func(o *Optimizer) { o.Beta1 = 1 }, "NaN": func(o *Optimizer) { o.LR = float32(math.NaN()) },
		"negative": func(o *Optimizer) { o.MatrixLR = -1 }, "no steps": func(o *Optimizer) { o.TotalSteps = 0 }, "warm-up": func(o *Optimizer) { o.WarmupSteps = 101 },
		"schulz": func(o *Optimizer) { o.NewtonSchulzSteps = 0 }, "schedule": func(o *Optimizer) { o.Schedule = "linear" },
		"long decay": func(o *Optimizer) { o.Schedule, o.DecaySteps = WSD, 96 }, "negative decay": func(o *Optimizer) { o.DecaySteps = -1 },
		"endless": func(o *Optimizer) { o.NewtonSchulzSteps = 1 << 30 },
	} {
		o := DefaultOptimizer(100)
		change(&o)
		if err := o.Validate(); !errors.Is(err, ErrBadOptimizer) {
			t.Errorf("%s: error is %v, want ErrBadOptimizer", name, err)
		}
	}
	if err := DefaultOptimizer(1).Validate(); err != nil {
		t.Error(err)
	}
}

// TestSplitMixGolden has the first outputs of the published generator for seed 1234567.
func TestSplitMixGolden(t *testing.T) {
	rng := NewSplitMix(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := rng.Uint64(); got != want {
			t.Errorf("output %d is %d, want %d", i, got, want)
		}
	}
	for range 1000 {
		if f := rng.Float64(); f < 0 || f >= 1 {
			t.Fatalf("%v is outside [0, 1)", f)
		}
		if n := rng.Intn(7); n < 0 || n >= 7 {
			t.Fatalf("%d is outside [0, 7)", n)
		}
	}
}

func TestInitParams(t *testing.T) {
	s := small()
	a, b := make([]float32, s.Parameters()), make([]float32, s.Parameters())
	InitParams(s, a, 1)
	InitParams(s, b, 2)
	h := fnv.New128a()
	for _, v := range a {
		h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
	if got, want := hex.EncodeToString(h.Sum(nil)), "b8087e1be71d5eaa9f8dc419f6149eb9"; got != want {
		t.Errorf("hash is %s, want %s", got, want)
	}
	for _, tensor := range s.Tensors() {
		w := a[tensor.Offset : tensor.Offset+tensor.Len]
		var sum, squares float64
		for _, v := range w {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		n := float64(len(w))
		deviation := math.Sqrt(squares / n)
		want := 0.05
		switch {
		case len(tensor.Dims) == 1:
			want = 1
		case tensor.Name == "model.embed_tokens.weight":
			want = 0.02
		case slices.Contains([]int{4, 7}, indexInLayer(s, tensor)):
			want = 0.05 / math.Sqrt(10)
		}
		if math.Abs(deviation-want) > 0.05*want {
			t.Errorf("%s: deviation %v, want %v", tensor.Name, deviation, want)
		}
		if want != 1 && math.Abs(sum/n) > 5*want/math.Sqrt(n) {
			t.Errorf("%s: mean %v", tensor.Name, sum/n)
		}
		if want != 1 && slices.Equal(w, b[tensor.Offset:tensor.Offset+tensor.Len]) {
			t.Errorf("%s is the same for two seeds", tensor.Name)
		}
	}
}

// indexInLayer is 1 for the query projection, up to 9 for the second norm.
func indexInLayer(s Shape, t Tensor) int {
	for i, u := range s.Tensors() {
		if u.Name == t.Name && i > 0 {
			return (i-1)%9 + 1
		}
	}
	return 0
}
