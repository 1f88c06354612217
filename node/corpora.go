package node

import (
	"context"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
)

// corpora lets seats of one process share what they have read of a corpus.
type corpora struct {
	blobs blob.Store

	mu   sync.Mutex
	open map[crescendo.Hash]*corpus.Reader // guarded by mu
}

func sharedCorpora(blobs blob.Store) *corpora {
	return &corpora{blobs: blobs, open: map[crescendo.Hash]*corpus.Reader{}}
}

// reader opens a corpus, once.
func (c *corpora) reader(ctx context.Context, manifest crescendo.Hash) (*corpus.Reader, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.open[manifest]; r != nil {
		return r, nil
	}
	r, err := corpus.Open(ctx, c.blobs, manifest)
	if err == nil {
		c.open[manifest] = r
	}
	return r, err
}
