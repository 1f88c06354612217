package xcrescendo

import (
	corestore "cosmossdk.io/core/store"

	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// store is the module's KV store as rules see it.
type store struct{ inner corestore.KVStore }

var _ kv.Store = store{}

// Get implements kv.Reader.
func (s store) Get(key []byte) ([]byte, error) {
	raw, err := s.inner.Get(key)
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, kv.ErrNotFound
	}
	return wire.RuleValue(raw)
}

// Set implements kv.Store.
func (s store) Set(key, value []byte) error { return s.inner.Set(key, wire.StoreValue(value)) }

// Delete implements kv.Store.
func (s store) Delete(key []byte) error { return s.inner.Delete(key) }

// Range implements kv.Reader.
func (s store) Range(prefix, start []byte, limit int) ([]kv.Pair, error) {
	limit = min(limit, kv.MaxPage)
	from, end := max(string(prefix), string(start)), prefixEnd(prefix)
	if limit <= 0 || (end != nil && from >= string(end)) {
		return nil, nil
	}
	it, err := s.inner.Iterator([]byte(from), end)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var out []kv.Pair
	for ; it.Valid() && len(out) < limit; it.Next() {
		value, err := wire.RuleValue(it.Value())
		if err != nil {
			return nil, err
		}
		out = append(out, kv.Pair{Key: it.Key(), Value: value})
	}
	return out, nil // Error of an exhausted iterator is not nil; a broken one panics
}

// prefixEnd returns the first key above all keys with the prefix, nil if
// there is none.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte{}, prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
