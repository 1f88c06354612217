// Package blob stores immutable objects under the BLAKE3-256 hash of their
// bytes: corpus shards, checkpoints, deltas, sealed weights, archived blocks.
// A name that appears in a transaction or a manifest is enough to fetch the
// object from anybody and to know that it is the right one.
//
// Store is the one interface; the folders below hold the drivers (a directory,
// HTTP mirrors) and blobtest holds the suite that says what a driver must do.
// The package knows nothing about what objects mean, keeps no references
// between them and collects no garbage.
package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/crescendo-network/crescendo"
	"lukechampine.com/blake3"
)

// DefaultMaxBytes is the size above which a store refuses an object unless it
// is configured otherwise: 1 GiB.
const DefaultMaxBytes int64 = 1 << 30

// Errors that callers branch on. The text around them names the object.
var (
	// ErrNotFound means the store does not hold the object; another may.
	ErrNotFound = errors.New("no such blob")
	// ErrCorrupt means the bytes found under a name are not the bytes it names.
	ErrCorrupt error = &crescendo.Error{
		Code: crescendo.CodeInternal,
		Text: "content does not match its hash",
		Hint: "delete the blob and fetch it again from another mirror; check the disk if this repeats",
	}
	// ErrTooLarge means the object is larger than the caller or store allows.
	ErrTooLarge = errors.New("blob too large")
	// ErrDiskFull means the object was not stored for lack of space.
	ErrDiskFull error = &crescendo.Error{
		Code: crescendo.CodeInternal,
		Text: "disk full",
		Hint: "free space on the disk that holds the home directory, or move the home with --home; nothing was half-written",
	}
)

// Store holds immutable objects. Implementations are safe for concurrent use.
type Store interface {
	// Put stores data and returns its name. When it returns nil the object
	// survives a crash. Storing an object twice is not an error, and heals a
	// damaged copy. Data is not modified and not kept.
	Put(ctx context.Context, data []byte) (crescendo.Hash, error)

	// Get returns the object after checking it against its name. It fails with
	// ErrNotFound, ErrCorrupt, or ErrTooLarge when the object has more than
	// max bytes; a max of zero or less stands for the limit of the store.
	Get(ctx context.Context, h crescendo.Hash, max int64) ([]byte, error)

	// Has reports whether the store holds the object, without checking it.
	Has(ctx context.Context, h crescendo.Hash) (bool, error)

	// Delete removes the object. Removing an absent object is not an error.
	Delete(ctx context.Context, h crescendo.Hash) error

	// List yields the names of all objects in ascending order. It stops after
	// the first error, which it yields with a zero name.
	List(ctx context.Context) iter.Seq2[crescendo.Hash, error]
}

// Opener is a Store that can hand out an object without loading it. What is
// read this way has not been checked: it is for servers, whose clients check.
type Opener interface {
	// Open returns the object and its size; the caller closes it.
	Open(ctx context.Context, h crescendo.Hash) (io.ReadSeekCloser, int64, error)
}

// Sum returns the name of data.
func Sum(data []byte) crescendo.Hash { return blake3.Sum256(data) }

// Verify checks that h names data. Its error wraps ErrCorrupt.
func Verify(h crescendo.Hash, data []byte) error {
	if got := Sum(data); got != h {
		return fmt.Errorf("blob %s: %w (%d bytes hash to %s)", h, ErrCorrupt, len(data), got)
	}
	return nil
}

// CheckSize reports whether an object of size bytes may be handled under max.
// Its error wraps ErrTooLarge.
func CheckSize(h crescendo.Hash, size, max int64) error {
	if size > max {
		return fmt.Errorf("blob %s: %w: %d bytes, limit %d", h, ErrTooLarge, size, max)
	}
	return nil
}

// Memory is a Store that forgets everything when the process ends. It serves
// simulations and tests.
type Memory struct {
	mu      sync.RWMutex
	objects map[crescendo.Hash][]byte // guarded by mu
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{objects: map[crescendo.Hash][]byte{}} }

var _ Store = (*Memory)(nil)

// Put implements Store.
func (m *Memory) Put(ctx context.Context, data []byte) (crescendo.Hash, error) {
	h := Sum(data)
	if err := ctx.Err(); err != nil {
		return crescendo.Hash{}, fmt.Errorf("put blob %s: %w", h, err)
	}
	if err := CheckSize(h, int64(len(data)), DefaultMaxBytes); err != nil {
		return crescendo.Hash{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[h] = bytes.Clone(data)
	return h, nil
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, h crescendo.Hash, max int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get blob %s: %w", h, err)
	}
	m.mu.RLock()
	data, ok := m.objects[h]
	m.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("get blob %s: %w", h, ErrNotFound)
	}
	if max <= 0 {
		max = DefaultMaxBytes
	}
	if err := CheckSize(h, int64(len(data)), max); err != nil {
		return nil, err
	}
	if err := Verify(h, data); err != nil {
		return nil, err
	}
	return append([]byte{}, data...), nil
}

// Has implements Store.
func (m *Memory) Has(ctx context.Context, h crescendo.Hash) (bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, ok := m.objects[h]
	return ok, ctx.Err()
}

// Delete implements Store.
func (m *Memory) Delete(ctx context.Context, h crescendo.Hash) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete blob %s: %w", h, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, h)
	return nil
}

// List implements Store.
func (m *Memory) List(ctx context.Context) iter.Seq2[crescendo.Hash, error] {
	return func(yield func(crescendo.Hash, error) bool) {
		m.mu.RLock()
		names := slices.SortedFunc(maps.Keys(m.objects), Compare)
		m.mu.RUnlock()
		for _, h := range names {
			if err := ctx.Err(); err != nil {
				yield(crescendo.Hash{}, fmt.Errorf("list blobs: %w", err))
				return
			}
			if !yield(h, nil) {
				return
			}
		}
	}
}

// Compare orders names as List yields them.
func Compare(a, b crescendo.Hash) int { return bytes.Compare(a[:], b[:]) }

// Damage replaces the bytes stored under h by what change makes of them, so
// that tests can see corruption found.
func (m *Memory) Damage(h crescendo.Hash, change func([]byte) []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.objects[h]
	if !ok {
		return fmt.Errorf("damage blob %s: %w", h, ErrNotFound)
	}
	m.objects[h] = change(bytes.Clone(data))
	return nil
}
