package engine

import (
	"math"

	"github.com/crescendo-network/crescendo/engine/r0"
)

// Sample picks the next token. At temperature 0 it is the largest logit, the
// lowest index winning a tie. Otherwise it draws from the softmax of
// logits/temperature, cut to the smallest set of most likely tokens whose
// probability reaches topP (values outside (0, 1) mean no cut). It takes one
// number from rng unless greedy, skips logits that are NaN, and returns -1 if
// there is nothing to pick.
func Sample(logits []float32, temperature, topP float32, rng *SplitMix) int32 {
	best := largest(logits)
	if best < 0 || !(temperature > 0) {
		return best
	}
	list, total := weigh(make([]candidate, 0, len(logits)), logits, logits[best], temperature)
	if topP > 0 && topP < 1 {
		list, total = cutTail(list, len(list), float64(total*float64(topP)))
	}
	return draw(list, total, rng)
}

// largest is the first of the largest numbers, -1 if there is none.
func largest(logits []float32) int32 {
	best := int32(-1)
	for i, v := range logits {
		if v == v && (best < 0 || v > logits[best]) {
			best = int32(i)
		}
	}
	return best
}

// weigh appends the tokens with a weight that is not zero, which is the
// exponential of how far the logit is below the top. It also returns their sum.
func weigh(list []candidate, logits []float32, top, temperature float32) ([]candidate, float64) {
	var total float64
	for i, v := range logits {
		weight := float32(1) // also if v and top are both infinite
		if v != top {
			weight = r0.Exp((v - top) / temperature)
		}
		if weight > 0 { // not NaN either
			total += float64(weight)
			list = append(list, newCandidate(i, weight))
		}
	}
	return list, total
}

// draw takes one number from rng.
func draw(list []candidate, total float64, rng *SplitMix) int32 {
	mark := float64(rng.Float64() * total)
	for _, c := range list {
		if mark -= c.weight(); mark < 0 {
			return c.token()
		}
	}
	return list[len(list)-1].token()
}

// A candidate is a token and its weight, which is not negative, in such a form
// that the heavier is the larger number, and the lower token among equals.
type candidate uint64

func newCandidate(token int, weight float32) candidate {
	return candidate(math.Float32bits(weight))<<32 | candidate(^uint32(token))
}

func (c candidate) token() int32    { return int32(^uint32(c)) }
func (c candidate) weight() float64 { return float64(math.Float32frombits(uint32(c >> 32))) }

// cutTail keeps the heaviest candidates, at most so many, until their weight
// reaches enough, in falling order. A heap finds them without sorting the rest.
func cutTail(list []candidate, most int, enough float64) ([]candidate, float64) {
	for i := len(list)/2 - 1; i >= 0; i-- {
		siftDown(list, i)
	}
	var kept float64
	var top []candidate
	for len(list) > 0 && len(top) < most && (len(top) == 0 || kept < enough) {
		top, kept = append(top, list[0]), kept+list[0].weight()
		list[0] = list[len(list)-1]
		list = list[:len(list)-1]
		siftDown(list, 0)
	}
	return top, kept
}

// siftDown restores the order of a heap below i.
func siftDown(heap []candidate, i int) {
	for {
		child := 2*i + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && heap[child+1] > heap[child] {
			child++
		}
		if heap[child] <= heap[i] {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}
