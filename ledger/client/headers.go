package client

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
)

var _ ledger.Headers = (*Client)(nil)

// BlockHash implements ledger.Headers.
func (c *Client) BlockHash(ctx context.Context, height crescendo.Height) (crescendo.Hash, error) {
	var hash crescendo.Hash
	if height < 1 || height > 1<<62 {
		return hash, crescendo.Errorf(crescendo.CodeInvalid, "block hash: there is no height %d", height)
	}
	newest, err := c.currentHeight(ctx)
	if err != nil {
		return hash, err
	}
	if int64(height) > newest {
		return hash, crescendo.Errorf(crescendo.CodeNotFound, "block hash: the ledger is at height %d, not yet at %d", newest, height)
	}
	h, err := c.header(ctx, int64(height))
	if err != nil {
		return hash, fmt.Errorf("block hash of height %d: %w", height, err)
	}
	if copy(hash[:], h.Hash()) != len(hash) {
		return hash, fmt.Errorf("block hash of height %d: %w", height, ledger.ErrProof)
	}
	return hash, nil
}
