package tokenizer

import (
	"math/bits"
	"math/rand/v2"
)

// pairTable finds the merge of two tokens: an open-addressing hash table,
// several times faster than a map where encoding spends its time.
type pairTable struct {
	keys   []uint64 // pairKey; 0 is free
	values []pairValue
	shift  int
}

type pairValue struct{ rank, into int32 }

// spread is drawn for each process, so that nobody can write a tokenizer whose
// pairs all fall into one place of the table. What is found does not depend on it.
var spread = rand.Uint64() | 1

func newPairTable(n int) pairTable {
	size := 16
	for size < 4*n {
		size *= 2
	}
	return pairTable{make([]uint64, size), make([]pairValue, size), 64 - bits.TrailingZeros(uint(size))}
}

func pairKey(left, right int32) uint64 { return uint64(left)<<32 | uint64(right) + 1 }

func (p *pairTable) slot(key uint64) int {
	i := int(key * spread >> p.shift)
	for p.keys[i] != 0 && p.keys[i] != key {
		i = (i + 1) & (len(p.keys) - 1)
	}
	return i
}

func (p *pairTable) add(left, right, rank, into int32) bool {
	i := p.slot(pairKey(left, right))
	if p.keys[i] != 0 {
		return false
	}
	p.keys[i], p.values[i] = pairKey(left, right), pairValue{rank, into}
	return true
}

func (p *pairTable) get(left, right int32) (pairValue, bool) {
	i := p.slot(pairKey(left, right))
	return p.values[i], p.keys[i] != 0
}
