// Package assign says who trains on what: which windows of the corpus a
// trainer takes in each step, and which held-out windows a round is scored on.
// Both follow from a seed that nobody knew before, by counting, so that anybody
// can recompute the assignment of any step alone.
//
// Numbers come from BLAKE3 in its extendable-output mode over a domain, the
// seed and what the draw is for: little-endian 64-bit words, each mapped to
// [0, n) by the high half of a 128-bit product. The bias is below n/2^64.
package assign

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/crescendo-network/crescendo"
	"lukechampine.com/blake3"
)

const (
	batchDomain   = "crescendo/training/assign/batch/v1"
	eagerDomain   = "crescendo/training/assign/eager/v1"
	heldOutDomain = "crescendo/training/assign/held-out/v1"
)

// stream yields the words of one draw.
type stream struct{ r *blake3.OutputReader }

func newStream(domain string, seed crescendo.Hash, rest []byte) stream {
	h := blake3.New(32, nil)
	h.Write(append([]byte(domain), 0))
	h.Write(seed[:])
	h.Write(rest)
	return stream{h.XOF()}
}

func (s stream) below(n int) int {
	var word [8]byte
	s.r.Read(word[:]) // an XOF of 2^64 bytes does not run out
	hi, _ := bits.Mul64(binary.LittleEndian.Uint64(word[:]), uint64(n))
	return int(hi)
}

// Batch returns the windows of the training split that a trainer's step takes,
// drawn with replacement. Step counts from zero within the round. It is empty
// unless sequences and windows are positive.
func Batch(seed crescendo.Hash, trainer crescendo.Account, step uint32, sequences, windows int) []int {
	return batch(batchDomain, seed, trainer, step, sequences, windows)
}

// Eager is Batch for the steps that a trainer does before it knows the base and
// seed of its round; seed is that of the round before.
func Eager(seed crescendo.Hash, trainer crescendo.Account, step uint32, sequences, windows int) []int {
	return batch(eagerDomain, seed, trainer, step, sequences, windows)
}

func batch(domain string, seed crescendo.Hash, trainer crescendo.Account, step uint32, sequences, windows int) []int {
	if sequences <= 0 || windows <= 0 {
		return nil
	}
	rest := binary.LittleEndian.AppendUint32(nil, step)
	s := newStream(domain, seed, append(rest, trainer...))
	list := make([]int, sequences)
	for i := range list {
		list[i] = s.below(windows)
	}
	return list
}

// maxSpread bounds the windows that a finished model is measured on.
const maxSpread = 256

// Spread returns the held-out windows on which a vault states the loss of what
// it seals: n of them, but no more than 256, evenly over the whole split. They
// depend on nothing else, so that an auditor measures on the same ones.
func Spread(n, windows int) []int {
	n = min(n, windows, maxSpread)
	var list []int
	for i := range max(0, n) {
		list = append(list, i*windows/n)
	}
	return list
}

// HeldOut returns n different windows of the held-out split in ascending
// order, or all of them if there are no more than n.
func HeldOut(draw crescendo.Hash, n, windows int) []int {
	if n <= 0 || windows <= 0 {
		return nil
	}
	if n >= windows {
		all := make([]int, windows)
		for i := range all {
			all[i] = i
		}
		return all
	}
	// Floyd's method: n numbers whatever is drawn, so the work is bounded.
	s := newStream(heldOutDomain, draw, nil)
	taken := make(map[int]bool, n)
	list := make([]int, 0, n)
	for top := windows - n; top < windows; top++ {
		i := s.below(top + 1)
		if taken[i] {
			i = top
		}
		taken[i] = true
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}
