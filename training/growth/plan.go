package growth

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// A copying says which old index each new index is a copy of.
type copying struct {
	of     []int   // by new index
	copies [][]int // by old index, in increasing order
}

func newCopying(old, new int, of func(int) int) copying {
	c := copying{make([]int, new), make([][]int, old)}
	for i := range new {
		c.of[i] = of(i)
		c.copies[of(i)] = append(c.copies[of(i)], i)
	}
	return c
}

// one copies nothing: the vocabulary, the single row of a vector.
func one(n int) copying { return newCopying(n, n, func(i int) int { return i }) }

type plan struct {
	dim, query, kv, ffn, vocab, experts copying
	tied, untie                         bool  // the new model; that is, the old one was and it is not
	mixed                               bool  // the new model is a mixture, and the old one was not
	width                               int   // new over old
	layer                               []int // the old layer of each new one
	identity                            []bool
	noise                               float64 // part of the root mean square
}

func newPlan(from, to engine.Shape, noise int) *plan {
	head := from.HeadDim()
	oldGroup, newGroup := from.Heads/from.KVHeads, to.Heads/to.KVHeads
	// A new head must stand below a copy of its old key-value head. All new heads
	// below copies of one take its old heads in turn.
	headOf := func(h int) int {
		key := h / newGroup
		turn := key/from.KVHeads*newGroup + h%newGroup
		return key%from.KVHeads*oldGroup + turn%oldGroup
	}
	p := &plan{
		dim:   newCopying(from.Dim, to.Dim, func(i int) int { return i % from.Dim }),
		query: newCopying(from.Dim, to.Dim, func(i int) int { return headOf(i/head)*head + i%head }),
		kv:    newCopying(from.KVHeads*head, to.KVHeads*head, func(i int) int { return i % (from.KVHeads * head) }),
		ffn:   newCopying(from.FFN, to.FFN, func(i int) int { return i % from.FFN }),
		vocab: one(from.Vocab), experts: one(from.Experts),
		tied: to.Tied, untie: from.Tied && !to.Tied, mixed: from.Experts == 0 && to.Experts > 0, width: to.Dim / from.Dim, noise: float64(noise) / 1000,
	}
	for l := range to.Layers {
		old := l * from.Layers / to.Layers
		p.identity = append(p.identity, l > 0 && p.layer[l-1] == old)
		p.layer = append(p.layer, old)
	}
	return p
}

// source names the old tensor of a new one, and reports whether its layer is to
// pass the residual stream on.
func (p *plan) source(name string) (string, bool) {
	if p.untie && name == "lm_head.weight" {
		return "model.embed_tokens.weight", false
	}
	rest, layer := strings.CutPrefix(name, "model.layers.")
	if !layer {
		return name, false
	}
	number, rest, _ := strings.Cut(rest, ".")
	l, err := strconv.Atoi(number)
	if err != nil || l < 0 || l >= len(p.layer) {
		return "", false
	}
	if was, ok := expertOf[kindOf(name)]; p.mixed && ok {
		rest = was
	}
	return fmt.Sprintf("model.layers.%d.%s", p.layer[l], rest), p.identity[l]
}

// fill makes one tensor.
func (p *plan) fill(kind string, w, old []float32, rng *engine.SplitMix) error {
	unit := one(1)
	switch kind {
	case "model.embed_tokens.weight":
		return p.lookup(w, old)
	case "lm_head.weight":
		return p.matrix(w, old, p.vocab, p.dim, rng)
	case "self_attn.q_proj.weight":
		return p.matrix(w, old, p.query, p.dim, rng)
	case "self_attn.k_proj.weight", "self_attn.v_proj.weight":
		return p.matrix(w, old, p.kv, p.dim, rng)
	case "self_attn.o_proj.weight":
		return p.matrix(w, old, p.dim, p.query, rng)
	case "mlp.gate_proj.weight", "mlp.up_proj.weight", experts + "w1.weight", experts + "w3.weight":
		return p.matrix(w, old, p.ffn, p.dim, rng)
	case "mlp.down_proj.weight", experts + "w2.weight":
		return p.matrix(w, old, p.dim, p.ffn, rng)
	case router: // every token goes to the experts it went to
		return p.matrix(w, old, p.experts, p.dim, rng)
	case "self_attn.q_proj.bias":
		return p.matrix(w, old, p.query, unit, rng)
	case "self_attn.k_proj.bias", "self_attn.v_proj.bias":
		return p.matrix(w, old, p.kv, unit, rng)
	case "mlp.gate_proj.bias", "mlp.up_proj.bias":
		return p.matrix(w, old, p.ffn, unit, rng)
	case "input_layernorm.weight", "post_attention_layernorm.weight", "self_attn.o_proj.bias", "mlp.down_proj.bias":
		return p.matrix(w, old, p.dim, unit, rng)
	case "model.norm.weight":
		if err := p.matrix(w, old, p.dim, unit, rng); err != nil {
			return err
		}
		// A tied output reads all copies and cannot be divided: the norm before it is.
		if p.tied {
			for i := range w {
				w[i] /= float32(p.width)
			}
		}
		return nil
	}
	return fmt.Errorf("grow: %w: no rule for tensor %q", ErrShape, kind)
}

// lookup copies an embedding, whose rows are read one at a time.
func (p *plan) lookup(w, old []float32) error {
	columns, oldColumns := len(p.dim.of), len(p.dim.copies)
	for row := range len(p.vocab.of) {
		for i, from := range p.dim.of {
			w[row*columns+i] = old[row*oldColumns+from]
		}
	}
	return nil
}

// matrix copies rows, and divides columns among their copies.
func (p *plan) matrix(w, old []float32, rows, columns copying, rng *engine.SplitMix) error {
	if len(w) != len(rows.of)*len(columns.of) || len(old) != len(rows.copies)*len(columns.copies) {
		return fmt.Errorf("grow: %w: %d numbers for %d rows of %d", ErrShape, len(w), len(rows.of), len(columns.of))
	}
	size := float64(p.noise * rms(old))
	for r, fromRow := range rows.of {
		row := w[r*len(columns.of) : (r+1)*len(columns.of)]
		for c, copies := range columns.copies {
			v := float64(old[fromRow*len(columns.copies)+c])
			if len(copies) == 1 {
				row[copies[0]] = float32(v)
				continue
			}
			share(row, copies, v, size, rng)
		}
	}
	return nil
}

// share divides v among copies, unevenly, so that the parts add up to v. The last
// part takes what rounding has left.
func share(row []float32, copies []int, v, size float64, rng *engine.SplitMix) {
	n := float64(len(copies))
	draws := make([]float64, len(copies))
	var mean float64
	if size > 0 {
		for i := range draws {
			draws[i] = rng.Float64()
			mean += draws[i] / n
		}
	}
	const range2 = 3.4641016151377544 // a uniform number of this range has a deviation of one
	var sum float64
	for i, c := range copies {
		part := v/n + float64(float64(size*range2/n)*(draws[i]-mean))
		if i == len(copies)-1 {
			part = v - sum
		}
		row[c] = float32(part)
		sum += float64(row[c])
	}
}

// rms is the root mean square, summed in order.
func rms(w []float32) float64 {
	var sum float64
	for _, v := range w {
		sum += float64(float64(v) * float64(v))
	}
	return r0.Sqrt64(sum / float64(max(1, len(w))))
}
