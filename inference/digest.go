package inference

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
)

// Digest names a receipt. A vault signs its 32 bytes with ed25519, and the
// receipt that follows repeats it as Previous.
func Digest(r Receipt) crescendo.Hash {
	return digest.Sum("crescendo/inference/receipt/v1", canon.Encode(r))
}
