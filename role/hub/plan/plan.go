package research

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Bounds on how far royalties follow what a recipe builds on, and the sum of
// all parts.
const (
	Whole        = 1_000_000
	maxDepth     = 6
	maxAccounts  = 32
	maxAncestors = 256
)

// Share is an author's part of a royalty, in millionths.
type Share struct {
	Account crescendo.Account
	Parts   uint64
}

// Royalties splits a royalty over a recipe and what it builds on. A recipe
// keeps half, and its parents share the other half alike; without parents it
// keeps all. What rounding and the bounds leave over is the recipe's own
// author's, who is the first of the shares.
func Royalties(r kv.Reader, recipe crescendo.Hash) ([]Share, error) {
	type node struct {
		id    crescendo.Hash
		parts uint64
		depth int
	}
	var author crescendo.Account
	var shares []Share
	left := uint64(Whole)
	queue := []node{{recipe, Whole, 0}}
	for at := 0; at < len(queue); at++ {
		n := queue[at]
		origin, err := originOf(r, n.id)
		if errors.Is(err, kv.ErrNotFound) && at > 0 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("follow the royalties of recipe %s: %w", recipe.Short(), err)
		}
		if at == 0 {
			author = origin.Author
		}
		keep := n.parts
		parents := uint64(len(origin.Parents))
		if parents > 0 && n.depth < maxDepth && len(queue)+int(parents) <= maxAncestors && n.parts/2/parents > 0 {
			keep -= n.parts / 2
			for _, p := range origin.Parents {
				queue = append(queue, node{p, n.parts / 2 / parents, n.depth + 1})
			}
		}
		if at > 0 && credit(&shares, origin.Author, keep) {
			left -= keep
		}
	}
	slices.SortFunc(shares, func(a, b Share) int { return cmp.Compare(a.Account, b.Account) })
	if i := slices.IndexFunc(shares, func(s Share) bool { return s.Account == author }); i >= 0 {
		left += shares[i].Parts
		shares = slices.Delete(shares, i, i+1)
	}
	return append([]Share{{author, left}}, shares...), nil
}

// originOf returns where a recipe comes from; of a copy, where the original
// does.
func originOf(r kv.Reader, id crescendo.Hash) (Origin, error) {
	origin, err := Origins.Get(r, id[:])
	if err == nil && !origin.CopyOf.IsZero() {
		return Origins.Get(r, origin.CopyOf[:])
	}
	return origin, err
}

// credit adds to an account's share, unless there are too many.
func credit(shares *[]Share, account crescendo.Account, parts uint64) bool {
	for i := range *shares {
		if (*shares)[i].Account == account {
			(*shares)[i].Parts += parts
			return true
		}
	}
	if len(*shares) >= maxAccounts-1 {
		return false
	}
	*shares = append(*shares, Share{account, parts})
	return true
}
