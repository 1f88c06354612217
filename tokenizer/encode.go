package tokenizer

import "container/heap"

// longWord is the length in bytes above which merges are found through a heap:
// the plain way takes quadratic time, which strangers could make us spend.
const longWord = 64

// Encode returns the tokens of text. Text of control tokens in it is text like
// any other.
func (t *Tokenizer) Encode(text []byte) []int32 {
	return t.AppendEncode(make([]int32, 0, len(text)/3+1), text)
}

// AppendEncode appends the tokens of text to ids.
func (t *Tokenizer) AppendEncode(ids []int32, text []byte) []int32 {
	if t.foreign != nil {
		return t.appendOther(ids, text, true, t.appendWord)
	}
	for len(text) > 0 {
		n := nextWord(text)
		ids = t.appendWord(ids, text[:n])
		text = text[n:]
	}
	return ids
}

func (t *Tokenizer) appendWord(ids []int32, word []byte) []int32 {
	start := len(ids)
	if t.foreign != nil {
		if id, whole := t.foreign.words[string(word)]; whole {
			return append(ids, id)
		}
		ids = t.foreign.appendSymbols(ids, word)
	} else {
		for _, b := range word {
			ids = append(ids, firstByte+int32(b))
		}
	}
	if len(ids)-start > longWord {
		return append(ids[:start], t.mergeLong(ids[start:])...)
	}
	return ids[:start+t.mergeShort(ids[start:])]
}

// mergeShort merges in place, the best pair first and the leftmost of equals,
// and returns the number of tokens left.
func (t *Tokenizer) mergeShort(ids []int32) int {
	var merges [longWord]pairValue // of ids[i] and ids[i+1]; rank 0 is none
	for i := 0; i+1 < len(ids); i++ {
		merges[i], _ = t.pairs.get(ids[i], ids[i+1])
	}
	n := len(ids)
	for {
		best := -1
		for i := range n - 1 {
			if merges[i].rank != 0 && (best < 0 || merges[i].rank < merges[best].rank) {
				best = i
			}
		}
		if best < 0 {
			return n
		}
		ids[best] = merges[best].into
		copy(ids[best+1:n], ids[best+2:n])
		copy(merges[best:n-1], merges[best+1:n-1])
		n--
		if best+1 < n {
			merges[best], _ = t.pairs.get(ids[best], ids[best+1])
		}
		if best > 0 {
			merges[best-1], _ = t.pairs.get(ids[best-1], ids[best])
		}
	}
}

// candidate is a merge that was possible when it was queued.
type candidate struct {
	rank, at    int32
	left, right int32 // the tokens then; if they have changed since, it is void
}

type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	return c[i].rank < c[j].rank || c[i].rank == c[j].rank && c[i].at < c[j].at
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)   { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// mergeLong gives what mergeShort gives, in n log n steps: tokens form a
// linked list, possible merges a heap.
func (t *Tokenizer) mergeLong(ids []int32) []int32 {
	n := len(ids)
	prev, next := make([]int32, n), make([]int32, n)
	for i := range n {
		prev[i], next[i] = int32(i-1), int32(i+1)
	}
	var queue candidates
	offer := func(i int32) candidate {
		if i < 0 || next[i] >= int32(n) {
			return candidate{at: -1}
		}
		left, right := ids[i], ids[next[i]]
		v, ok := t.pairs.get(left, right)
		if !ok {
			return candidate{at: -1}
		}
		return candidate{v.rank, i, left, right}
	}
	for i := range int32(n) {
		if c := offer(i); c.at >= 0 {
			queue = append(queue, c)
		}
	}
	heap.Init(&queue)
	for queue.Len() > 0 {
		c := heap.Pop(&queue).(candidate)
		i := c.at
		if ids[i] != c.left || next[i] >= int32(n) || ids[next[i]] != c.right {
			continue
		}
		gone := next[i]
		v, _ := t.pairs.get(c.left, c.right)
		ids[i], ids[gone] = v.into, -1
		next[i] = next[gone]
		if next[i] < int32(n) {
			prev[next[i]] = i
		}
		for _, j := range []int32{prev[i], i} {
			if c := offer(j); c.at >= 0 {
				heap.Push(&queue, c)
			}
		}
	}
	out := ids[:0]
	for i := int32(0); i < int32(n); i = next[i] {
		out = append(out, ids[i])
	}
	return out
}

// Bulk is an encoder that remembers words. It suits large public texts; it is
// not safe for concurrent use, and it is not for prompts, which it would keep.
type Bulk struct {
	t     *Tokenizer
	words map[string][]int32
	ids   []int32 // storage that entries of words point into
}

// maxBulkWords bounds the memory of a Bulk, and maxBulkWord the words kept.
const (
	maxBulkWords = 1 << 18
	maxBulkWord  = 48
)

// NewBulk returns an encoder with an empty memory.
func (t *Tokenizer) NewBulk() *Bulk { return &Bulk{t: t, words: map[string][]int32{}} }

// AppendEncode appends the tokens of text to ids, as Tokenizer.AppendEncode.
func (b *Bulk) AppendEncode(ids []int32, text []byte) []int32 {
	if b.t.foreign != nil {
		return b.t.appendOther(ids, text, true, b.appendWord)
	}
	for len(text) > 0 {
		n := nextWord(text)
		ids = b.appendWord(ids, text[:n])
		text = text[n:]
	}
	return ids
}

func (b *Bulk) appendWord(ids []int32, word []byte) []int32 {
	if known, ok := b.words[string(word)]; ok {
		return append(ids, known...)
	}
	start := len(ids)
	ids = b.t.appendWord(ids, word)
	if len(word) <= maxBulkWord && len(b.words) < maxBulkWords {
		b.words[string(word)] = b.keep(ids[start:])
	}
	return ids
}

func (b *Bulk) keep(ids []int32) []int32 {
	if cap(b.ids)-len(b.ids) < len(ids) {
		b.ids = make([]int32, 0, 1<<16)
	}
	start := len(b.ids)
	b.ids = append(b.ids, ids...)
	return b.ids[start:len(b.ids):len(b.ids)]
}
