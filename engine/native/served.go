package native

import (
	"fmt"

	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

// served is a copy of the parameters as a batch reads them. It does not change.
type served struct {
	layers    []servedLayer
	norm      []float32
	head      matrix
	embedding func(token int32, to []float32)
}

type servedLayer struct {
	attentionNorm, feedNorm             []float32
	bias, outBias, gateUpBias, downBias []float32
	qkv, out, gateUp, down              matrix

	router  matrix // of a mixture
	experts []servedExpert
}

type servedExpert struct{ gateUp, down matrix }

// A matrix is packed for products in float32 or in 8 bits.
type matrix struct {
	in, out int
	packed  kernel.Right
	small   *kernel.Int8
	panels  int
}

// taskBytes is how much of a matrix is worth handing to another goroutine.
const taskBytes = 64 << 10

// tasks is in how many parts a product with the matrix is divided.
func (m *matrix) tasks(members int) int {
	size := m.in * m.out
	if m.small == nil {
		size *= 4
	}
	return max(1, min(4*members, size/taskBytes, m.panels))
}

// serve returns the parameters as they are now, in float32 those that sessions
// share.
func (m *model) serve(int8 bool) (*served, error) {
	if int8 {
		return m.serveInt8()
	}
	w := m.snapshot()
	d := m.dims
	s := &served{norm: m.layout.norm.of(w.params)}
	of := func(r kernel.Right, in, out int) matrix {
		return matrix{in: in, out: out, packed: r, panels: m.set.Panels(out)}
	}
	for i, l := range m.layout.layers {
		p := w.layers[i]
		layer := servedLayer{qkv: of(p.qkv, d.dim, d.qkv), out: of(p.out, d.dim, d.dim)}
		layer.vectors(&l, func(s span) []float32 { return s.of(w.params) })
		if d.experts == 0 {
			layer.gateUp, layer.down = of(p.gateUp, d.dim, 2*d.ffn), of(p.down, d.ffn, d.dim)
		} else {
			layer.router = of(p.router, d.dim, d.experts)
		}
		for _, e := range p.experts {
			layer.experts = append(layer.experts, servedExpert{of(e.gateUp, d.dim, 2*d.ffn), of(e.down, d.ffn, d.dim)})
		}
		s.layers = append(s.layers, layer)
	}
	s.head = of(w.head, d.dim, d.vocab)
	embed := m.layout.embed.of(w.params)
	s.embedding = func(token int32, to []float32) { copy(to, embed[int(token)*d.dim:]) }
	return s, nil
}

// vectors takes a layer's norms and biases.
func (l *servedLayer) vectors(s *layerSpans, of func(span) []float32) {
	l.attentionNorm, l.feedNorm = of(s.attentionNorm), of(s.feedNorm)
	l.bias, l.outBias, l.gateUpBias, l.downBias = of(s.bias), of(s.outBias), of(s.gateUpBias), of(s.downBias)
}

// floats is a matrix in float32, packed.
func (m *model) floats(s span, in, out int) matrix {
	packed := make([]float32, m.set.PackedLen(in, out))
	m.set.Pack(packed, s.of(m.params), in, in, out, 0, m.set.Panels(out))
	return matrix{in: in, out: out, packed: kernel.Right{Data: packed, Packed: true}, panels: m.set.Panels(out)}
}

// serveInt8 rounds every matrix, the embedding included, to 8 bits. Norms, biases
// and routers, which decide much and are small, stay as they are.
func (m *model) serveInt8() (*served, error) {
	var failed error
	of := func(s span, in, out int) matrix {
		q, from := kernel.NewInt8(out, in), s.of(m.params)
		for j := range out {
			if err := q.SetRow(j, from[j*in:(j+1)*in]); err != nil && failed == nil {
				failed = err
			}
		}
		return matrix{in: in, out: out, small: q, panels: q.Panels()}
	}
	keep := func(s span) []float32 { return append([]float32(nil), s.of(m.params)...) }
	d := m.dims
	s := &served{norm: keep(m.layout.norm), head: of(m.layout.head, d.dim, d.vocab)}
	for _, l := range m.layout.layers {
		layer := servedLayer{qkv: of(l.qkv, d.dim, d.qkv), out: of(l.out, d.dim, d.dim)}
		layer.vectors(&l, keep)
		if d.experts == 0 {
			layer.gateUp, layer.down = of(l.gateUp, d.dim, 2*d.ffn), of(l.down, d.ffn, d.dim)
		} else {
			layer.router = m.floats(l.router, d.dim, d.experts)
		}
		for _, e := range l.experts {
			layer.experts = append(layer.experts, servedExpert{of(e.gateUp, d.dim, 2*d.ffn), of(e.down, d.ffn, d.dim)})
		}
		s.layers = append(s.layers, layer)
	}
	embed := s.head
	if m.layout.embed != m.layout.head {
		embed = of(m.layout.embed, d.dim, d.vocab)
	}
	s.embedding = func(token int32, to []float32) { embed.small.Row(int(token), to) }
	if failed != nil {
		return nil, fmt.Errorf("serve in 8 bits: %w", failed)
	}
	return s, nil
}
