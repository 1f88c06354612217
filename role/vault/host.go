package vault

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/role/vault/proof"
	"github.com/crescendo-network/crescendo/role/vault/wire"
)

// ledgerView is ledger state as the host proves it. It never goes back: an
// answer older than one already verified is refused.
type ledgerView struct {
	conn     *wire.Conn
	verifier proof.Verifier

	mu     sync.Mutex
	height crescendo.Height // newest verified
}

func (l *ledgerView) newest() crescendo.Height {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.height
}

// read returns the proved entry of a key.
func (l *ledgerView) read(ctx context.Context, key []byte) (proof.Entry, error) {
	after := l.newest()
	args := calls.ProveArgs{Keys: [][]byte{key}, After: after}
	bundle, err := l.conn.DoBytes(ctx, calls.Prove, args, canon.MaxSize)
	if err != nil {
		return proof.Entry{}, fmt.Errorf("ask host for ledger state: %w", err)
	}
	height, entries, err := l.verifier.Verify(args.Keys, bundle)
	if err != nil {
		return proof.Entry{}, err
	}
	if height < after || len(entries) != 1 {
		return proof.Entry{}, fmt.Errorf("host proves height %d after %d: %w", height, after, proof.ErrProof)
	}
	l.mu.Lock()
	l.height = max(l.height, height)
	l.mu.Unlock()
	return entries[0], nil
}

// at returns a reader for the typed collections of the rules.
func (l *ledgerView) at(ctx context.Context) kv.Reader { return provedReader{ctx, l} }

type provedReader struct {
	ctx  context.Context
	view *ledgerView
}

// Get implements kv.Reader.
func (r provedReader) Get(key []byte) ([]byte, error) {
	e, err := r.view.read(r.ctx, key)
	if err != nil {
		return nil, err
	}
	if !e.Present {
		return nil, kv.ErrNotFound
	}
	return e.Value, nil
}

// Range implements kv.Reader. The absence of entries in a range has no proof,
// so a vault reads none.
func (provedReader) Range(_, _ []byte, _ int) ([]kv.Pair, error) {
	return nil, errors.New("ranges of ledger state are not proved to a vault")
}

// hostBlobs is the host's blob store. Every blob is verified by its name.
type hostBlobs struct{ conn *wire.Conn }

var _ blob.Store = hostBlobs{}

// Get implements blob.Store.
func (b hostBlobs) Get(ctx context.Context, h crescendo.Hash, max int64) ([]byte, error) {
	data, err := b.conn.DoBytes(ctx, calls.Get, calls.GetArgs{Hash: h, Max: uint64(max)}, max)
	if err != nil {
		return nil, fmt.Errorf("ask host for blob %s: %w", h.Short(), err)
	}
	return data, blob.Verify(h, data)
}

// Put implements blob.Store.
func (b hostBlobs) Put(ctx context.Context, data []byte) (crescendo.Hash, error) {
	h := blob.Sum(data)
	s, err := b.conn.Call(calls.Put, canon.Encode(calls.PutArgs{Hash: h, Size: uint64(len(data))}))
	if err != nil {
		return h, err
	}
	defer s.Cancel()
	defer context.AfterFunc(ctx, s.Cancel)()
	if err := errors.Join(s.SendAll(data), s.CloseSend()); err != nil {
		return h, fmt.Errorf("give blob %s to host: %w", h.Short(), err)
	}
	for {
		if _, err := s.Recv(); err != nil {
			return h, ignoreEnd(err)
		}
	}
}

// Has implements blob.Store.
func (b hostBlobs) Has(context.Context, crescendo.Hash) (bool, error) {
	return false, errors.New("a vault does not ask which blobs there are")
}

// Delete implements blob.Store.
func (b hostBlobs) Delete(context.Context, crescendo.Hash) error {
	return errors.New("a vault deletes no blobs")
}

// List implements blob.Store.
func (b hostBlobs) List(context.Context) iter.Seq2[crescendo.Hash, error] {
	return func(yield func(crescendo.Hash, error) bool) {
		yield(crescendo.Hash{}, errors.New("a vault does not list blobs"))
	}
}
