package enginetest

import (
	"fmt"
	"math"
	"sort"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
)

// Shapes are those on which every engine must agree with Reference.
var Shapes = map[string]engine.Shape{
	"tied":       {Vocab: 61, Dim: 24, Layers: 2, Heads: 2, KVHeads: 2, FFN: 27, Context: 40, Tied: true, RopeTheta: 10000, NormEps: 1e-5},
	"grouped":    Shape,
	"biases":     {Vocab: 40, Dim: 32, Layers: 2, Heads: 4, KVHeads: 2, FFN: 16, Context: 40, RopeTheta: 500, NormEps: 1e-6, QKVBias: true},
	"all biases": {Vocab: 40, Dim: 32, Layers: 2, Heads: 4, KVHeads: 2, FFN: 16, Context: 40, RopeTheta: 500, NormEps: 1e-6, QKVBias: true, OutBias: true, FFNBias: true},
	"mixture": {Vocab: 40, Dim: 20, Layers: 2, Heads: 2, KVHeads: 1, FFN: 13, Context: 40, RopeTheta: 10000, NormEps: 1e-5,
		Experts: 5, ExpertsPerToken: 2, Balance: 0.01},
	"linear": {Vocab: 40, Dim: 32, Layers: 1, Heads: 4, KVHeads: 1, FFN: 16, Context: 40, RopeTheta: 10000, NormEps: 1e-5,
		RopeScaling: engine.RopeScaling{Kind: engine.RopeLinear, Factor: 3}},
	"llama3": {Vocab: 40, Dim: 32, Layers: 1, Heads: 2, KVHeads: 1, FFN: 16, Context: 40, RopeTheta: 10000, NormEps: 1e-5,
		RopeScaling: engine.RopeScaling{Kind: engine.RopeLlama3, Factor: 4, LowFactor: 0.5, HighFactor: 2, Original: 20}},
}

// agreesWithReference compares losses with plain float64 arithmetic.
func agreesWithReference(t *testing.T, e engine.Engine) {
	for name, shape := range Shapes {
		m, err := e.New(shape)
		if err != nil {
			t.Fatalf("%s: make model: %v", name, err)
		}
		e.Init(m, 5)
		rng := engine.NewSplitMix(8)
		for i := range m.Params() {
			m.Params()[i] += float32(0.2 * (rng.Float64() - 0.5)) // biases and gains too
		}
		const seq = 35
		tokens := Tokens(6, shape.Vocab, seq+1)
		got, err := m.Loss(tokens, 1, seq)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := 1e6 * Reference(shape, m.Params(), tokens); math.Abs(float64(got[0])-want) > 3*seq {
			t.Errorf("%s: loss is %d micro-nats, in float64 %.0f", name, got[0], want)
		}
	}
}

// Reference is the sum of the losses of a text's tokens after the first, in nats.
// It is written to be read: float64, no cache, one position after another.
func Reference(s engine.Shape, params []float32, tokens []int32) float64 {
	r := reference{shape: s, tensor: map[string][]float32{}}
	for _, t := range s.Tensors() {
		r.tensor[t.Name] = params[t.Offset : t.Offset+t.Len]
	}
	if s.Tied {
		r.tensor["lm_head.weight"] = r.tensor["model.embed_tokens.weight"]
	}
	n := len(tokens) - 1
	x := make([][]float64, n)
	for i := range x {
		for j := range s.Dim {
			x[i] = append(x[i], float64(r.tensor["model.embed_tokens.weight"][int(tokens[i])*s.Dim+j]))
		}
	}
	for layer := range s.Layers {
		r.prefix = "model.layers." + string(rune('0'+layer)) + "."
		r.attend(x)
		for i := range x {
			h := r.norm(x[i], r.prefix+"post_attention_layernorm.weight")
			if s.Experts > 0 {
				add(x[i], r.mixture(h))
			} else {
				add(x[i], r.feed(h, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"))
			}
		}
	}
	var loss float64
	r.prefix = ""
	for i := range x {
		logits := r.linear(r.norm(x[i], "model.norm.weight"), "lm_head")
		var sum float64
		for _, v := range logits {
			sum += math.Exp(v)
		}
		loss += math.Log(sum) - logits[tokens[i+1]]
	}
	return loss
}

type reference struct {
	shape  engine.Shape
	tensor map[string][]float32
	prefix string
}

func add(x, y []float64) {
	for i, v := range y {
		x[i] += v
	}
}

func (r *reference) norm(x []float64, gains string) []float64 {
	var squares float64
	for _, v := range x {
		squares += v * v
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v / math.Sqrt(squares/float64(len(x))+float64(r.shape.NormEps)) * float64(r.tensor[gains][i])
	}
	return y
}

func (r *reference) linear(x []float64, name string) []float64 {
	w, bias := r.tensor[r.prefix+name+".weight"], r.tensor[r.prefix+name+".bias"]
	y := make([]float64, len(w)/len(x))
	for i := range y {
		for j, v := range x {
			y[i] += v * float64(w[i*len(x)+j])
		}
		if bias != nil {
			y[i] += float64(bias[i])
		}
	}
	return y
}

func (r *reference) feed(h []float64, gateName, upName, downName string) []float64 {
	gate, up := r.linear(h, gateName), r.linear(h, upName)
	for j, g := range gate {
		gate[j] = g / (1 + math.Exp(-g)) * up[j]
	}
	return r.linear(gate, downName)
}

// mixture weighs the outputs of the experts with the largest logits.
func (r *reference) mixture(h []float64) []float64 {
	logits := r.linear(h, "block_sparse_moe.gate")
	order := make([]int, len(logits))
	for e := range order {
		order[e] = e
	}
	sort.SliceStable(order, func(i, j int) bool { return logits[order[i]] > logits[order[j]] })
	order = order[:r.shape.ExpertsPerToken]
	var sum float64
	for _, e := range order {
		sum += math.Exp(logits[e])
	}
	y := make([]float64, len(h))
	for _, e := range order {
		p := fmt.Sprintf("block_sparse_moe.experts.%d.", e)
		for i, v := range r.feed(h, p+"w1", p+"w3", p+"w2") {
			y[i] += math.Exp(logits[e]) / sum * v
		}
	}
	return y
}

func (r *reference) attend(x [][]float64) {
	s, head := r.shape, r.shape.HeadDim()
	var q, k, v [][]float64
	for i := range x {
		h := r.norm(x[i], r.prefix+"input_layernorm.weight")
		q, k, v = append(q, r.linear(h, "self_attn.q_proj")), append(k, r.linear(h, "self_attn.k_proj")), append(v, r.linear(h, "self_attn.v_proj"))
		r.rotate(q[i], i)
		r.rotate(k[i], i)
	}
	for i := range x {
		y := make([]float64, s.Dim)
		for h := range s.Heads {
			kv := h / (s.Heads / s.KVHeads) * head
			weight, sum := make([]float64, i+1), 0.0
			for j := range weight {
				var dot float64
				for e := range head {
					dot += q[i][h*head+e] * k[j][kv+e]
				}
				weight[j] = math.Exp(dot / math.Sqrt(float64(head)))
				sum += weight[j]
			}
			for j, p := range weight {
				for e := range head {
					y[h*head+e] += p / sum * v[j][kv+e]
				}
			}
		}
		add(x[i], r.linear(y, "self_attn.o_proj"))
	}
}

// rotate turns pairs (e, e+half) of every head by their frequency times position.
func (r *reference) rotate(x []float64, position int) {
	head := r.shape.HeadDim()
	half := head / 2
	for h := 0; h < len(x); h += head {
		for e := range half {
			angle := float64(position) * r.frequency(math.Pow(float64(r.shape.RopeTheta), -2*float64(e)/float64(head)))
			a, b := x[h+e], x[h+e+half]
			x[h+e], x[h+e+half] = a*math.Cos(angle)-b*math.Sin(angle), b*math.Cos(angle)+a*math.Sin(angle)
		}
	}
}

// frequency is written after Hugging Face's description, in wavelengths.
func (r *reference) frequency(f float64) float64 {
	c := r.shape.RopeScaling
	wave, original := 2*math.Pi/f, float64(c.Original)
	switch {
	case c.Kind == "":
		return f
	case c.Kind == engine.RopeLinear || wave > original/float64(c.LowFactor):
		return f / float64(c.Factor)
	case wave < original/float64(c.HighFactor):
		return f
	}
	smooth := (original/wave - float64(c.LowFactor)) / (float64(c.HighFactor) - float64(c.LowFactor))
	return (1-smooth)*f/float64(c.Factor) + smooth*f
}
