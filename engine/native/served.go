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
	attentionNorm, feedNorm, bias []float32
	qkv, out, gateUp, down        matrix
}

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
		s.layers = append(s.layers, servedLayer{
			attentionNorm: l.attentionNorm.of(w.params), feedNorm: l.feedNorm.of(w.params), bias: l.bias.of(w.params),
			qkv: of(p.qkv, d.dim, d.qkv), out: of(p.out, d.dim, d.dim),
			gateUp: of(p.gateUp, d.dim, 2*d.ffn), down: of(p.down, d.ffn, d.dim),
		})
	}
	s.head = of(w.head, d.dim, d.vocab)
	embed := m.layout.embed.of(w.params)
	s.embedding = func(token int32, to []float32) { copy(to, embed[int(token)*d.dim:]) }
	return s, nil
}

// serveInt8 rounds every matrix, the embedding included, to 8 bits. Norms and
// biases stay as they are.
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
		s.layers = append(s.layers, servedLayer{
			attentionNorm: keep(l.attentionNorm), feedNorm: keep(l.feedNorm), bias: keep(l.bias),
			qkv: of(l.qkv, d.dim, d.qkv), out: of(l.out, d.dim, d.dim),
			gateUp: of(l.gateUp, d.dim, 2*d.ffn), down: of(l.down, d.ffn, d.dim),
		})
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
