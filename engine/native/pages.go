package native

import (
	"fmt"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

// pages hold the keys and values of many sequences. Per layer and page they are,
// head after head: keys transposed, element by position; values position by
// element.
type pages struct {
	dims   dims
	count  int
	tokens int         // positions in a page
	keys   [][]float32 // per layer
	values [][]float32
}

// maxPoolBytes bounds the memory of keys and values.
const maxPoolBytes = 1 << 40

func newPages(d dims, layers, count, tokens int) (*pages, error) {
	if count < 1 || tokens < 1 || tokens > engine.MaxContext || count > maxPoolBytes/8/d.kv/tokens/layers {
		return nil, fmt.Errorf("pool of %d pages of %d tokens: %w", count, tokens, engine.ErrBadShape)
	}
	p := &pages{dims: d, count: count, tokens: tokens}
	for range layers {
		p.keys = append(p.keys, make([]float32, count*tokens*d.kv))
		p.values = append(p.values, make([]float32, count*tokens*d.kv))
	}
	return p, nil
}

// head returns the keys and values of one head in one page.
func (p *pages) head(layer int, page int32, kv int) (keys, values []float32) {
	n := p.tokens * p.dims.head
	at := (int(page)*p.dims.kvHeads + kv) * n
	return p.keys[layer][at : at+n], p.values[layer][at : at+n]
}

// store puts the keys and values of one position, from a row that has them one
// after the other, where they belong.
func (p *pages) store(layer int, page int32, slot int, row []float32) {
	d := p.dims
	for kv := range d.kvHeads {
		keys, values := p.head(layer, page, kv)
		for j, v := range row[kv*d.head : (kv+1)*d.head] {
			keys[j*p.tokens+slot] = v
		}
		copy(values[slot*d.head:(slot+1)*d.head], row[d.kv+kv*d.head:])
	}
}

// clear overwrites a page.
func (p *pages) clear(page int32) {
	n := p.tokens * p.dims.kv
	for i := range p.keys {
		clear(p.keys[i][int(page)*n : (int(page)+1)*n])
		clear(p.values[i][int(page)*n : (int(page)+1)*n])
	}
}

// attend computes the attention of n positions of one head, of which first is the
// lowest, over those up to each: the products and sums of a session, page by
// page. q holds the queries, rowQ apart; y gets the results, rowY apart. With
// alike, the rows are not positions but heads, all at the position first.
func (p *pages) attend(set *kernel.Set, layer int, table []int32, kv, n, first int, alike bool, q []float32, rowQ int, y []float32, rowY int, w *worker) {
	d, total := p.dims, first+n
	if alike {
		total = first + 1
	}
	used := (total + p.tokens - 1) / p.tokens
	stride := (used*p.tokens + 15) &^ 15
	scores := grow(&w.probs, n*stride)
	for i, page := range table[:used] {
		keys, _ := p.head(layer, page, kv)
		set.Multiply(n, p.tokens, d.head, kernel.Left{Data: q, Row: rowQ, Step: 1}, kernel.Right{Data: keys, Row: p.tokens},
			scores[i*p.tokens:], stride, false, &w.Scratch)
	}
	for r := range n {
		seen := first + 1
		if !alike {
			seen += r
		}
		softmax(set, scores[r*stride:(r+1)*stride], seen, total, d.scale)
	}
	for i, page := range table[:used] {
		_, values := p.head(layer, page, kv)
		set.Multiply(n, d.head, min(p.tokens, total-i*p.tokens), kernel.Left{Data: scores[i*p.tokens:], Row: stride, Step: 1},
			kernel.Right{Data: values, Row: d.head}, y, rowY, i > 0, &w.Scratch)
	}
}
