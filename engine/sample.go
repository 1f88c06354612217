package engine

import (
	"slices"

	"github.com/crescendo-network/crescendo/engine/r0"
)

// Sample picks the next token. At temperature 0 it is the largest logit, the
// lowest index winning a tie. Otherwise it draws from the softmax of
// logits/temperature, cut to the smallest set of most likely tokens whose
// probability reaches topP (values outside (0, 1) mean no cut). It takes one
// number from rng unless greedy, skips logits that are NaN, and returns -1 if
// there is nothing to pick.
func Sample(logits []float32, temperature, topP float32, rng *SplitMix) int32 {
	best := int32(-1)
	for i, v := range logits {
		if v == v && (best < 0 || v > logits[best]) {
			best = int32(i)
		}
	}
	if best < 0 || !(temperature > 0) {
		return best
	}
	top := logits[best]
	weight := make([]float64, len(logits))
	order := make([]int32, 0, len(logits))
	var total float64
	for i, v := range logits {
		if v != v {
			continue
		}
		// A logit that equals the top one has weight 1 even if both are infinite.
		weight[i] = 1
		if v != top {
			weight[i] = float64(r0.Exp((v - top) / temperature))
		}
		if weight[i] > 0 {
			total += weight[i]
			order = append(order, int32(i))
		}
	}
	if topP > 0 && topP < 1 {
		order, total = cutTail(order, weight, float64(total*float64(topP)))
	}
	mark := float64(rng.Float64() * total)
	for _, i := range order {
		if mark -= weight[i]; mark < 0 {
			return i
		}
	}
	return order[len(order)-1]
}

// cutTail keeps the heaviest tokens until their weight reaches enough.
func cutTail(order []int32, weight []float64, enough float64) ([]int32, float64) {
	slices.SortFunc(order, func(a, b int32) int {
		switch {
		case weight[a] > weight[b]:
			return -1
		case weight[a] < weight[b]:
			return 1
		}
		return int(a) - int(b)
	})
	var kept float64
	for n, i := range order {
		if kept += weight[i]; kept >= enough {
			return order[:n+1], kept
		}
	}
	return order, kept
}
