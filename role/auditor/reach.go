package auditor

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// reach is a store whose failures to answer end the audit: that an archive
// cannot be reached says nothing about the programme.
type reach struct {
	blob.Store
	mu    sync.Mutex
	first error // guarded by mu
}

// Get implements blob.Store.
func (r *reach) Get(ctx context.Context, h crescendo.Hash, max int64) ([]byte, error) {
	data, err := r.Store.Get(ctx, h, max)
	if err == nil || errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt) || errors.Is(err, blob.ErrTooLarge) {
		return data, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = fmt.Errorf("read the archive: %w", err)
	}
	return nil, r.first
}

// failed returns the first failure.
func (r *reach) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}
