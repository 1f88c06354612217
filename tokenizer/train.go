package tokenizer

import (
	"container/heap"
	"context"
	"fmt"
	"maps"
	"slices"
)

// longestTrained is the length in bytes above which words do not take part in
// training: such words are data, not language, and breed useless tokens.
const longestTrained = 48

// TrainingVersion changes whenever Train gives another result for the same
// input, so that caches of trained tokenizers know.
const TrainingVersion = 1

// Train makes a tokenizer with vocab tokens from sample texts: again and again
// the most frequent pair of adjacent tokens becomes a token, of equals the one
// with the lower ids. The result depends on the multiset of words alone. When
// the sample has no pairs left, the remaining ids stay reserved.
//
// progress, which may be nil, is called now and then with the tokens made.
func Train(ctx context.Context, sample [][]byte, vocab int, progress func(done, total int)) (*Tokenizer, error) {
	if vocab < MinVocab || vocab > MaxVocab {
		return nil, fmt.Errorf("train tokenizer: vocabulary of %d tokens, want %d to %d", vocab, MinVocab, MaxVocab)
	}
	counts := map[string]int64{}
	for _, text := range sample {
		for len(text) > 0 {
			n := nextWord(text)
			if n > 1 && n <= longestTrained {
				counts[string(text[:n])]++
			}
			text = text[n:]
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("train tokenizer: %w", err)
		}
	}
	tr := newTrainer(counts)
	var merges [][2]int32
	known := map[string]int32{}
	tokens := make([]string, firstMerged, vocab)
	for b := range 256 {
		tokens[firstByte+int32(b)] = string([]byte{byte(b)})
	}
	for len(tokens) < vocab {
		pair, ok := tr.best()
		if !ok {
			break
		}
		joined := tokens[pair[0]] + tokens[pair[1]]
		into, seen := known[joined]
		if !seen {
			into = int32(len(tokens))
			known[joined] = into
			tokens = append(tokens, joined)
		}
		merges = append(merges, pair)
		tr.merge(pair, into)
		if len(merges)%256 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("train tokenizer: %w", err)
			}
			if progress != nil {
				progress(len(tokens), vocab)
			}
		}
	}
	t, err := build(vocab, merges)
	if err != nil {
		return nil, fmt.Errorf("train tokenizer: %w", err)
	}
	if progress != nil {
		progress(vocab, vocab)
	}
	return t, nil
}

// trainer keeps the pair counts of all words up to date while pairs merge.
type trainer struct {
	words  [][]int32
	counts []int64
	pairs  map[[2]int32]*pairCount
	queue  pairQueue // may hold outdated counts, which best corrects
}

type pairCount struct {
	count int64
	words map[int32]struct{} // where the pair occurs, or once did
}

func newTrainer(counts map[string]int64) *trainer {
	tr := &trainer{pairs: map[[2]int32]*pairCount{}}
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		ids := make([]int32, len(word))
		for i := range len(word) {
			ids[i] = firstByte + int32(word[i])
		}
		tr.words = append(tr.words, ids)
		tr.counts = append(tr.counts, counts[word])
		w := int32(len(tr.words) - 1)
		for i := 0; i+1 < len(ids); i++ {
			tr.add([2]int32{ids[i], ids[i+1]}, w, counts[word])
		}
	}
	for pair, p := range tr.pairs {
		tr.queue = append(tr.queue, queuedPair{p.count, pair})
	}
	heap.Init(&tr.queue) // the order of the heap is total: map order does not show
	return tr
}

func (tr *trainer) add(pair [2]int32, word int32, count int64) {
	p := tr.pairs[pair]
	if p == nil {
		p = &pairCount{words: map[int32]struct{}{}}
		tr.pairs[pair] = p
	}
	p.count += count
	if count > 0 {
		p.words[word] = struct{}{}
	}
}

// best returns the most frequent pair, the lowest of equals.
func (tr *trainer) best() ([2]int32, bool) {
	for tr.queue.Len() > 0 {
		top := heap.Pop(&tr.queue).(queuedPair)
		p := tr.pairs[top.pair]
		if p == nil || p.count <= 0 {
			continue
		}
		if p.count == top.count {
			return top.pair, true
		}
		if p.count < top.count {
			heap.Push(&tr.queue, queuedPair{p.count, top.pair})
		} // a count that grew was queued when it did
	}
	return [2]int32{}, false
}

// merge replaces the pair by the token into wherever it occurs.
func (tr *trainer) merge(pair [2]int32, into int32) {
	grown := map[[2]int32]struct{}{}
	words := slices.Sorted(maps.Keys(tr.pairs[pair].words))
	for _, w := range words {
		tr.mergeWord(w, pair, into, grown)
	}
	delete(tr.pairs, pair)
	for p := range grown {
		if c := tr.pairs[p]; c != nil && c.count > 0 {
			heap.Push(&tr.queue, queuedPair{c.count, p})
		}
	}
}

func (tr *trainer) mergeWord(w int32, pair [2]int32, into int32, grown map[[2]int32]struct{}) {
	ids, count := tr.words[w], tr.counts[w]
	if !holdsPair(ids, pair) {
		return // an earlier merge took one of the two
	}
	for i := 0; i+1 < len(ids); i++ {
		tr.add([2]int32{ids[i], ids[i+1]}, w, -count)
	}
	out := ids[:0]
	for i := 0; i < len(ids); i++ {
		if i+1 < len(ids) && ids[i] == pair[0] && ids[i+1] == pair[1] {
			out = append(out, into)
			i++
			continue
		}
		out = append(out, ids[i])
	}
	tr.words[w] = out
	for i := 0; i+1 < len(out); i++ {
		p := [2]int32{out[i], out[i+1]}
		tr.add(p, w, count)
		if p[0] == into || p[1] == into {
			grown[p] = struct{}{}
		}
	}
}

func holdsPair(ids []int32, pair [2]int32) bool {
	for i := 0; i+1 < len(ids); i++ {
		if ids[i] == pair[0] && ids[i+1] == pair[1] {
			return true
		}
	}
	return false
}

type queuedPair struct {
	count int64
	pair  [2]int32
}

type pairQueue []queuedPair

func (q pairQueue) Len() int { return len(q) }
func (q pairQueue) Less(i, j int) bool {
	if q[i].count != q[j].count {
		return q[i].count > q[j].count
	}
	return slices.Compare(q[i].pair[:], q[j].pair[:]) < 0
}
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *pairQueue) Push(x any)   { *q = append(*q, x.(queuedPair)) }
func (q *pairQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
