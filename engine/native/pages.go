package native

import (
	"fmt"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

// pages hold the keys and values of many sequences. Per layer and page they are,
// head after head: keys transposed, element by position; values position by
// element. With half they are rounded to 16 bits.
type pages struct {
	dims   dims
	count  int
	tokens int         // positions in a page
	keys   [][]float32 // per layer
	values [][]float32

	half                   bool
	smallKeys, smallValues [][]uint16 // instead, with half
}

// maxPoolBytes bounds the memory of keys and values.
const maxPoolBytes = 1 << 40

func newPages(d dims, layers, count, tokens int, half bool) (*pages, error) {
	if count < 1 || tokens < 1 || tokens > engine.MaxContext || count > maxPoolBytes/8/d.kv/tokens/layers {
		return nil, fmt.Errorf("pool of %d pages of %d tokens: %w", count, tokens, engine.ErrBadShape)
	}
	p := &pages{dims: d, count: count, tokens: tokens, half: half}
	n := count * tokens * d.kv
	for range layers {
		if half {
			p.smallKeys, p.smallValues = append(p.smallKeys, make([]uint16, n)), append(p.smallValues, make([]uint16, n))
		} else {
			p.keys, p.values = append(p.keys, huge(n)), append(p.values, huge(n))
		}
	}
	return p, nil
}

// at is where the keys and the values of one head in one page begin.
func (p *pages) at(page int32, kv int) int {
	return (int(page)*p.dims.kvHeads + kv) * p.tokens * p.dims.head
}

// store puts the keys and values of one position, from a row that has them one
// after the other, where they belong.
func (p *pages) store(layer int, page int32, slot int, row []float32) {
	d := p.dims
	for kv := range d.kvHeads {
		at := p.at(page, kv)
		keys, values := row[kv*d.head:(kv+1)*d.head], row[d.kv+kv*d.head:d.kv+(kv+1)*d.head]
		if p.half {
			small := p.smallKeys[layer][at:]
			for j := range keys {
				kernel.Narrow(small[j*p.tokens+slot:j*p.tokens+slot+1], keys[j:j+1])
			}
			kernel.Narrow(p.smallValues[layer][at+slot*d.head:at+(slot+1)*d.head], values)
			continue
		}
		to := p.keys[layer][at:]
		for j, v := range keys {
			to[j*p.tokens+slot] = v
		}
		copy(p.values[layer][at+slot*d.head:], values)
	}
}

// clear overwrites a page.
func (p *pages) clear(page int32) {
	n := p.tokens * p.dims.kv
	for _, list := range [][][]float32{p.keys, p.values} {
		for _, all := range list {
			clear(all[int(page)*n : (int(page)+1)*n])
		}
	}
	for _, list := range [][][]uint16{p.smallKeys, p.smallValues} {
		for _, all := range list {
			clear(all[int(page)*n : (int(page)+1)*n])
		}
	}
}

// floats returns the keys or the values of one head in one page as they are
// multiplied with; those of 16 bits are widened into the worker's memory.
func (p *pages) floats(set *kernel.Set, all [][]float32, small [][]uint16, layer int, page int32, kv int, w *worker) []float32 {
	n, at := p.tokens*p.dims.head, p.at(page, kv)
	if !p.half {
		return all[layer][at : at+n]
	}
	wide := grow(&w.keys, n)
	set.Widen(wide, small[layer][at:at+n])
	return wide
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
	if alike && (n == 1 || p.half) && p.tokens%kernel.GroupColumns == 0 && d.head%kernel.GroupColumns == 0 {
		for r := range n {
			p.attendOne(set, layer, table, kv, total, q[r*rowQ:r*rowQ+d.head], y[r*rowY:r*rowY+d.head], w)
		}
		return
	}
	used := (total + p.tokens - 1) / p.tokens
	stride := (used*p.tokens + 15) &^ 15
	scores := grow(&w.probs, n*stride)
	for i, page := range table[:used] {
		keys := p.floats(set, p.keys, p.smallKeys, layer, page, kv, w)
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
		values := p.floats(set, p.values, p.smallValues, layer, page, kv, w)
		set.Multiply(n, d.head, min(p.tokens, total-i*p.tokens), kernel.Left{Data: scores[i*p.tokens:], Row: stride, Step: 1},
			kernel.Right{Data: values, Row: d.head}, y, rowY, i > 0, &w.Scratch)
	}
}

// attendOne is attend of one query, with pages and heads of whole groups of
// columns: it waits for memory, so several groups are read side by side.
func (p *pages) attendOne(set *kernel.Set, layer int, table []int32, kv, total int, q, y []float32, w *worker) {
	d, used := p.dims, (total+p.tokens-1)/p.tokens
	groups := p.tokens / kernel.GroupColumns
	scores := grow(&w.probs, used*p.tokens)
	w.at = w.at[:0]
	for _, page := range table[:used] {
		for g := range groups {
			w.at = append(w.at, p.at(page, kv)+g*kernel.GroupColumns)
		}
	}
	if p.half {
		set.RowGroupsHalf(d.head, q, p.smallKeys[layer], w.at, nil, p.tokens, scores, false)
	} else {
		set.RowGroups(d.head, q, p.keys[layer], w.at, nil, p.tokens, scores, false)
	}
	softmax(set, scores, total, total, d.scale)
	w.at, w.next = p.columns(w.at[:0], table[0], kv), w.next[:0]
	for i := range used {
		w.next = p.columns(w.next[:0], table[min(i+1, used-1)], kv)
		n := min(p.tokens, total-i*p.tokens)
		if p.half {
			set.RowGroupsHalf(n, scores[i*p.tokens:], p.smallValues[layer], w.at, w.next, d.head, y, i > 0)
		} else {
			set.RowGroups(n, scores[i*p.tokens:], p.values[layer], w.at, w.next, d.head, y, i > 0)
		}
		w.at, w.next = w.next, w.at
	}
}

// columns appends where the groups of columns of a page of values begin.
func (p *pages) columns(list []int, page int32, kv int) []int {
	for g := range p.dims.head / kernel.GroupColumns {
		list = append(list, p.at(page, kv)+g*kernel.GroupColumns)
	}
	return list
}
