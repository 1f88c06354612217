// Package bench measures an engine on fixed work: named models, fixed seeds, so
// that two machines, kernels or versions can be compared, and the weights that
// come out be compared to the bit. It judges nothing: a figure is for a person
// to look at, never for a test.
package bench

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo/engine"
)

// Steps is the number of training steps of a run.
const Steps = 8

// A Model is a named shape and the batch it is trained with.
type Model struct {
	Name       string       `json:"model"`
	Parameters int          `json:"parameters"`
	Batch      int          `json:"batch"`
	Sequence   int          `json:"sequence"`
	Kind       string       `json:"optimizer"`
	Shape      engine.Shape `json:"-"`
}

func llama(vocab, dim, layers, heads, ffn, context int) engine.Shape {
	return engine.Shape{Vocab: vocab, Dim: dim, Layers: layers, Heads: heads, KVHeads: heads, FFN: ffn, Context: context,
		Tied: true, RopeTheta: 10000, NormEps: 1e-5}
}

// Models lists what can be measured, smallest first.
func Models() []Model {
	list := []Model{
		{Name: "tiny", Batch: 4, Sequence: 64, Kind: engine.Muon, Shape: llama(256, 64, 2, 2, 176, 128)},
		{Name: "0.5m", Batch: 4, Sequence: 128, Kind: engine.Muon, Shape: llama(4096, 64, 5, 2, 176, 128)},
		{Name: "12m", Batch: 8, Sequence: 256, Kind: engine.AdamW, Shape: llama(4096, 384, 6, 6, 1024, 1024)},
		{Name: "100m", Batch: 4, Sequence: 512, Kind: engine.AdamW, Shape: llama(16384, 768, 12, 12, 2048, 1024)},
	}
	for i := range list {
		list[i].Parameters = list[i].Shape.Parameters()
	}
	return list
}

// Named finds a model by its name.
func Named(name string) (Model, error) {
	all := Models()
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	if i := slices.Index(names, name); i >= 0 {
		return all[i], nil
	}
	return Model{}, fmt.Errorf("choose model: there is no %q, only %s", name, strings.Join(names, ", "))
}

// MaxSequence bounds Settings.Sequence: one sequence is trained on whole.
const MaxSequence = 1 << 17

// Stretched is the model with sequences of another length, as many as make up
// about the same step but at least one, and a context of twice that, so that
// decoding begins after a prompt of one sequence.
func (m Model) Stretched(sequence int) Model {
	if sequence > 0 {
		m.Batch, m.Sequence, m.Shape.Context = max(1, m.Batch*m.Sequence/sequence), sequence, 2*sequence
	}
	return m
}

// A Result is what one run measured. Rates are of the best step by wall time;
// the one per CPU-second is of the step that used the least processor time, on
// all threads together.
type Result struct {
	Model      string  `json:"model"`
	Optimizer  string  `json:"optimizer"`
	Profile    string  `json:"profile"`
	Threads    int     `json:"threads"`
	Kernel     string  `json:"kernel"`
	Train      float64 `json:"train_tokens_per_second"`
	TrainByCPU float64 `json:"train_tokens_per_cpu_second"`
	Prefill    float64 `json:"prefill_tokens_per_second"`
	Decode     float64 `json:"decode_tokens_per_second"`
	PeakBytes  int64   `json:"peak_bytes"`
	Loss       float64 `json:"loss"`
	SHA256     string  `json:"weights_sha256"`
	Steps      int     `json:"steps"`
	Sequence   int     `json:"sequence"`

	PrefillByCPU float64 `json:"prefill_tokens_per_cpu_second"`
	DecodeByCPU  float64 `json:"decode_tokens_per_cpu_second"`

	Serving *ServeResult `json:"serving,omitempty"` // if Settings.Batch or Int8 ask for it
}

// Settings are what a run may vary. Steps, Sequence, Kind and the profile change the
// hash of the weights, the others must not.
type Settings struct {
	Threads  int
	Steps    int    // 0 for Steps
	Sequence int    // tokens in a sequence, 0 for the model's own; see Model.Stretched
	Kind     string // of optimizer, "" for the model's own
	Profile  string // numeric profile of the engine, for the result

	Batch int  // texts to decode together as a server does, 0 for none
	Int8  bool // in 8 bits, also for a batch of one
}

// Run trains a fresh model and then decodes with it.
func Run(e engine.Engine, m Model, s Settings) (Result, error) {
	if s.Steps == 0 {
		s.Steps = Steps
	}
	if s.Kind == "" {
		s.Kind = m.Kind
	}
	m = m.Stretched(s.Sequence)
	r := Result{Model: m.Name, Optimizer: s.Kind, Profile: s.Profile, Threads: s.Threads, Kernel: e.Kernel(), Steps: s.Steps, Sequence: m.Sequence}
	model, err := e.New(m.Shape)
	if err != nil {
		return r, fmt.Errorf("measure %s: %w", m.Name, err)
	}
	e.Init(model, 1)
	if err := r.train(model, m, s); err != nil {
		return r, fmt.Errorf("measure %s: %w", m.Name, err)
	}
	r.PeakBytes = peakBytes() // before decoding, which copies the weights
	if err := r.decode(model, m); err != nil {
		return r, fmt.Errorf("measure %s: %w", m.Name, err)
	}
	if s.Batch > 0 || s.Int8 {
		serving, err := Serve(model, ServeSettings{Batch: max(1, s.Batch), Int8: s.Int8})
		if err != nil {
			return r, fmt.Errorf("measure %s: %w", m.Name, err)
		}
		r.Serving = &serving
	}
	return r, nil
}

func (r *Result) train(model engine.Model, m Model, s Settings) error {
	o := engine.DefaultOptimizer(1000)
	o.Kind, o.WarmupSteps = s.Kind, 0
	if s.Kind == engine.AdamW {
		o.LR, o.MatrixLR = 3e-4, 3e-4
	}
	for step := range s.Steps {
		tokens := Tokens(uint64(step), m.Shape.Vocab, m.Batch*(m.Sequence+1))
		wall, cpu := time.Now(), cpuSeconds()
		loss, err := model.Step(tokens, m.Batch, m.Sequence, o, step)
		if err != nil {
			return err
		}
		n := float64(m.Batch * m.Sequence)
		r.TrainByCPU = max(r.TrainByCPU, n/(cpuSeconds()-cpu))
		r.Train = max(r.Train, n/time.Since(wall).Seconds())
		r.Loss = float64(loss) / 1e6
	}
	r.SHA256 = hash(model.Params())
	return nil
}

// decode measures a prompt of half the context, then single tokens.
func (r *Result) decode(model engine.Model, m Model) error {
	s, err := model.Session(m.Shape.Context)
	if err != nil {
		return err
	}
	defer s.Close()
	prompt := Tokens(99, m.Shape.Vocab, m.Shape.Context/2)
	for range 3 {
		s.Reset()
		wall, cpu := time.Now(), cpuSeconds()
		if _, err := s.Feed(prompt); err != nil {
			return err
		}
		r.PrefillByCPU = max(r.PrefillByCPU, float64(len(prompt))/max(1e-6, cpuSeconds()-cpu))
		r.Prefill = max(r.Prefill, float64(len(prompt))/time.Since(wall).Seconds())
	}
	next := []int32{prompt[0]}
	const run = 16
	for s.Len()+run <= m.Shape.Context && s.Len() < len(prompt)+8*run {
		wall, cpu := time.Now(), cpuSeconds()
		for range run {
			logits, err := s.Feed(next)
			if err != nil {
				return err
			}
			next[0] = engine.Sample(logits, 0, 0, nil)
		}
		r.DecodeByCPU = max(r.DecodeByCPU, run/max(1e-6, cpuSeconds()-cpu))
		r.Decode = max(r.Decode, run/time.Since(wall).Seconds())
	}
	return nil
}

// Tokens draws a text in which three tokens of four follow from the one before.
func Tokens(seed uint64, vocab, n int) []int32 {
	rng := engine.NewSplitMix(seed)
	t := make([]int32, n)
	for i := range t {
		t[i] = int32(rng.Intn(vocab))
		if i > 0 && rng.Intn(4) > 0 {
			t[i] = int32((int64(t[i-1])*3 + 1) % int64(vocab))
		}
	}
	return t
}

func hash(x []float32) string {
	h := sha256.New()
	b := make([]byte, 0, 4096)
	for len(x) > 0 {
		n := min(len(x), 1024)
		for _, v := range x[:n] {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		h.Write(b)
		b, x = b[:0], x[n:]
	}
	return hex.EncodeToString(h.Sum(nil))
}
