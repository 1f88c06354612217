package corpus

import (
	"fmt"
	"math/bits"

	"github.com/crescendo-network/crescendo"
	"lukechampine.com/blake3"
)

// maxLeaves bounds a tree; a proof then has at most 30 steps.
const maxLeaves = 1 << 30

// leafHash and nodeHash differ in their first byte, so that no inner node can
// be passed off as a leaf (RFC 6962, section 2.1, with BLAKE3).
func leafHash(leaf crescendo.Hash) crescendo.Hash {
	return blake3.Sum256(append([]byte{0}, leaf[:]...))
}

func nodeHash(left, right crescendo.Hash) crescendo.Hash {
	return blake3.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// Root returns the Merkle root over blob hashes. The root of no leaves is the
// hash of nothing.
func Root(leaves []crescendo.Hash) crescendo.Hash {
	switch len(leaves) {
	case 0:
		return blake3.Sum256(nil)
	case 1:
		return leafHash(leaves[0])
	}
	k := split(len(leaves))
	return nodeHash(Root(leaves[:k]), Root(leaves[k:]))
}

// split returns the largest power of two below n, which is at least 2.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

// Proof shows that a leaf stands at Index of a tree of Size leaves.
type Proof struct {
	Index int              `json:"index"`
	Size  int              `json:"size"`
	Path  []crescendo.Hash `json:"path"` // siblings, from the leaf upwards
}

// Prove returns the proof for one leaf.
func Prove(leaves []crescendo.Hash, index int) (Proof, error) {
	if index < 0 || index >= len(leaves) {
		return Proof{}, fmt.Errorf("prove leaf %d of %d: no such leaf", index, len(leaves))
	}
	return Proof{Index: index, Size: len(leaves), Path: path(leaves, index)}, nil
}

func path(leaves []crescendo.Hash, index int) []crescendo.Hash {
	if len(leaves) == 1 {
		return nil
	}
	k := split(len(leaves))
	if index < k {
		return append(path(leaves[:k], index), Root(leaves[k:]))
	}
	return append(path(leaves[k:], index-k), Root(leaves[:k]))
}

// Verify checks that the proof leads from leaf to root.
func (p Proof) Verify(root, leaf crescendo.Hash) error {
	if p.Index < 0 || p.Size > maxLeaves || p.Index >= p.Size {
		return fmt.Errorf("verify inclusion: index %d of %d", p.Index, p.Size)
	}
	// fn and sn are the positions of the leaf and of the last leaf, level by
	// level (RFC 9162, section 2.1.3.2).
	fn, sn, h := uint64(p.Index), uint64(p.Size-1), leafHash(leaf)
	for _, sibling := range p.Path {
		if sn == 0 {
			return fmt.Errorf("verify inclusion: path of %d steps is too long", len(p.Path))
		}
		if fn&1 == 1 || fn == sn {
			h = nodeHash(sibling, h)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			h = nodeHash(h, sibling)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 {
		return fmt.Errorf("verify inclusion: path of %d steps is too short", len(p.Path))
	}
	if h != root {
		return fmt.Errorf("verify inclusion: path leads to %s, not to %s", h, root)
	}
	return nil
}
