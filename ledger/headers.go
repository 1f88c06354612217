package ledger

import (
	"context"

	"github.com/crescendo-network/crescendo"
)

// Headers is what a Ledger also offers whose blocks have headers that
// validators signed. A ledger in memory does not.
type Headers interface {
	// BlockHash returns the hash of the verified header at a height.
	BlockHash(ctx context.Context, height crescendo.Height) (crescendo.Hash, error)
}
