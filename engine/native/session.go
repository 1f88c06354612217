package native

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// weights is a copy of the parameters, arranged for decoding. It does not change
// and is shared by sessions.
type weights struct {
	params []float32
	layers []layerWeights
	head   kernel.Right
}

type layerWeights struct {
	qkv, out, gateUp, down kernel.Right

	router  kernel.Right // of a mixture
	experts []expertWeights
}

type expertWeights struct{ gateUp, down kernel.Right }

// snapshot returns the weights of the parameters as they are now, which is the
// last snapshot if nothing has changed since.
func (m *model) snapshot() *weights {
	if m.served != nil && sameBits(m.served.params, m.params) {
		return m.served
	}
	d := m.dims
	w := &weights{params: append([]float32(nil), m.params...)}
	pack := func(s span, in, out int) kernel.Right {
		packed := huge(m.set.PackedLen(in, out))
		m.work.split(m.set.Panels(out), 1, func(from, to int, _ *worker) {
			m.set.Pack(packed, s.of(w.params), in, in, out, from, to)
		})
		return kernel.Right{Data: packed, Packed: true}
	}
	for _, s := range m.layout.layers {
		l := layerWeights{qkv: pack(s.qkv, d.dim, d.qkv), out: pack(s.out, d.dim, d.dim)}
		if d.experts == 0 {
			l.gateUp, l.down = pack(s.gateUp, d.dim, 2*d.ffn), pack(s.down, d.ffn, d.dim)
		} else {
			l.router = pack(s.router, d.dim, d.experts)
		}
		for _, e := range s.experts {
			l.experts = append(l.experts, expertWeights{pack(e.gateUp, d.dim, 2*d.ffn), pack(e.down, d.ffn, d.dim)})
		}
		w.layers = append(w.layers, l)
	}
	w.head = pack(m.layout.head, d.dim, d.vocab)
	m.served = w
	return w
}

func sameBits(x, y []float32) bool {
	for i, v := range x {
		if math.Float32bits(v) != math.Float32bits(y[i]) {
			return false
		}
	}
	return len(x) == len(y)
}

// feedRows is how many tokens of a prompt are worked on at a time.
const feedRows = 32

// A session decodes with the arithmetic of forward: the same products in the same
// order, so its logits have the same bits. Keys are kept transposed.
type session struct {
	mu       sync.Mutex // Close may come from another goroutine than Feed
	dims     dims
	layout   layout
	set      *kernel.Set
	weights  *weights
	rotary   rotary
	capacity int
	length   int
	keys     [][]float32 // per layer: key element by position
	values   [][]float32 // per layer: position by value element
	scratch  kernel.Scratch

	x, h, qkv, y, gateUp, act, scores, logits []float32

	mixed *mixed // of a mixture
}

var errClosed = errors.New("session is closed")

func (m *model) Session(capacity int) (engine.Session, error) {
	if capacity < 1 || capacity > m.shape.Context {
		return nil, fmt.Errorf("open session: %w: capacity is %d, context is %d", engine.ErrContextFull, capacity, m.shape.Context)
	}
	m.rotary.grow(capacity)
	d := m.dims
	f := func(width int) []float32 { return make([]float32, feedRows*width) }
	s := &session{dims: d, layout: m.layout, set: m.set, weights: m.snapshot(), rotary: *m.rotary, capacity: capacity,
		x: f(d.dim), h: f(d.dim), qkv: f(d.qkv), y: f(d.dim), gateUp: f(2 * d.ffn), act: f(d.ffn),
		scores: f((capacity + 15) &^ 15), logits: make([]float32, d.vocab)}
	if d.experts > 0 {
		s.mixed = newMixed(feedRows, d)
	}
	for range m.layout.layers {
		s.keys = append(s.keys, make([]float32, d.kv*capacity))
		s.values = append(s.values, make([]float32, d.kv*capacity))
	}
	return s, nil
}

func (s *session) Len() int { return s.length }
func (s *session) Reset()   { s.length = 0 }

// Close overwrites what the session knew of the text.
func (s *session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.keys {
		clear(s.keys[i])
		clear(s.values[i])
	}
	for _, b := range [][]float32{s.x, s.h, s.qkv, s.y, s.gateUp, s.act, s.scores, s.logits} {
		clear(b)
	}
	s.mixed.clear()
	s.scratch = kernel.Scratch{}
	s.weights, s.keys, s.values = nil, nil, nil
}

func (s *session) Feed(tokens []int32) ([]float32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.weights == nil:
		return nil, fmt.Errorf("decode: %w", errClosed)
	case len(tokens) == 0:
		return nil, fmt.Errorf("decode: %w: no tokens", engine.ErrBadTokens)
	case len(tokens) > s.capacity-s.length:
		return nil, fmt.Errorf("decode: %w: %d tokens after %d, room for %d", engine.ErrContextFull, len(tokens), s.length, s.capacity)
	}
	if err := checkVocabulary(tokens, s.dims.vocab); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	last := 0
	for len(tokens) > 0 {
		n := min(feedRows, len(tokens))
		s.advance(tokens[:n])
		tokens, last = tokens[n:], n-1
	}
	d := s.dims
	normalizeRow(s.set, s.x[last*d.dim:(last+1)*d.dim], s.layout.norm.of(s.weights.params), s.h[:d.dim], d.eps)
	s.multiply(1, s.h, d.dim, s.weights.head, d.vocab, s.logits, false)
	if !r0.Finite(s.logits) {
		return nil, fmt.Errorf("decode: logits: %w", engine.ErrNotFinite)
	}
	return s.logits, nil
}

// advance runs the layers over up to feedRows tokens and leaves their residual
// stream in s.x.
func (s *session) advance(tokens []int32) {
	d, n := s.dims, len(tokens)
	w := s.weights.params
	embed := s.layout.embed.of(w)
	for i, t := range tokens {
		copy(s.x[i*d.dim:(i+1)*d.dim], embed[int(t)*d.dim:])
	}
	for i, l := range s.layout.layers {
		lw := &s.weights.layers[i]
		s.normalize(n, l.attentionNorm.of(w))
		s.multiply(n, s.h, d.dim, lw.qkv, d.qkv, s.qkv, false)
		addBias(s.set, l.bias.of(w), s.qkv[:n*d.qkv])
		s.remember(i, n)
		s.attend(i, n)
		s.multiply(n, s.y, d.dim, lw.out, d.dim, s.x, true)
		addBias(s.set, l.outBias.of(w), s.x[:n*d.dim])
		s.normalize(n, l.feedNorm.of(w))
		if d.experts > 0 {
			s.mix(n, lw)
			continue
		}
		s.multiply(n, s.h, d.dim, lw.gateUp, 2*d.ffn, s.gateUp, false)
		addBias(s.set, l.gateUpBias.of(w), s.gateUp[:2*n*d.ffn])
		s.glu(n)
		s.multiply(n, s.act, d.ffn, lw.down, d.dim, s.x, true)
		addBias(s.set, l.downBias.of(w), s.x[:n*d.dim])
	}
	s.length += n
}

// glu makes n rows of gateUp into as many of act.
func (s *session) glu(n int) {
	ffn := s.dims.ffn
	for r := range n {
		gu := s.gateUp[2*r*ffn : 2*(r+1)*ffn]
		s.set.SwiGLU(s.act[r*ffn:(r+1)*ffn], gu[:ffn], gu[ffn:])
	}
}

// mix adds to n rows of x what the experts make of those of h.
func (s *session) mix(n int, w *layerWeights) {
	d, e := s.dims, s.mixed
	s.multiply(n, s.h, d.dim, w.router, d.experts, e.logits, false)
	e.choose(n, d, e.logits)
	for i, expert := range w.experts {
		first, rows := e.gather(i, s.h, d.dim)
		if rows == 0 {
			continue
		}
		s.multiply(rows, e.x, d.dim, expert.gateUp, 2*d.ffn, s.gateUp, false)
		s.glu(rows)
		s.multiply(rows, s.act, d.ffn, expert.down, d.dim, e.out[first*d.dim:], false)
	}
	e.scatter(s.set, n, d, s.x)
}

func (s *session) multiply(rows int, x []float32, in int, w kernel.Right, out int, y []float32, add bool) {
	s.set.Multiply(rows, out, in, kernel.Left{Data: x, Row: in, Step: 1}, w, y, out, add, &s.scratch)
}

func (s *session) normalize(n int, gains []float32) {
	dim := s.dims.dim
	for r := range n {
		normalizeRow(s.set, s.x[r*dim:(r+1)*dim], gains, s.h[r*dim:(r+1)*dim], s.dims.eps)
	}
}

// remember rotates queries and keys, and stores keys and values.
func (s *session) remember(layer, n int) {
	d := s.dims
	for r := range n {
		row, position := s.qkv[r*d.qkv:(r+1)*d.qkv], s.length+r
		s.rotary.turn(s.set, row, d.heads+d.kvHeads, position, false)
		for j, v := range row[d.dim : d.dim+d.kv] {
			s.keys[layer][j*s.capacity+position] = v
		}
		copy(s.values[layer][position*d.kv:(position+1)*d.kv], row[d.dim+d.kv:])
	}
}

// attend is the attention of n new positions over all so far.
func (s *session) attend(layer, n int) {
	d, total, stride := s.dims, s.length+n, (s.capacity+15)&^15
	for h := range d.heads {
		kv := h / d.group
		keys := kernel.Right{Data: s.keys[layer][kv*d.head*s.capacity:], Row: s.capacity}
		values := kernel.Right{Data: s.values[layer][kv*d.head:], Row: d.kv}
		s.set.Multiply(n, total, d.head, kernel.Left{Data: s.qkv[h*d.head:], Row: d.qkv, Step: 1}, keys, s.scores, stride, false, &s.scratch)
		for r := range n {
			softmax(s.set, s.scores[r*stride:(r+1)*stride], s.length+r+1, total, d.scale)
		}
		s.set.Multiply(n, d.head, total, kernel.Left{Data: s.scores, Row: stride, Step: 1}, values, s.y[h*d.head:], d.dim, false, &s.scratch)
	}
}
