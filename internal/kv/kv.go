// Package kv is the narrow store that rules see: ordered keys, typed
// collections, writes that can be dropped. It does no I/O of its own; the
// ledger drivers supply the Store.
package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/crescendo-network/crescendo/internal/canon"
)

// MaxPage bounds how many entries one iteration may visit, so that the work a
// single message causes is bounded too.
const MaxPage = 1024

// ErrNotFound means the key is not in the store.
var ErrNotFound = errors.New("not found")

// Pair is one entry of a store.
type Pair struct{ Key, Value []byte }

// Reader reads ledger state: the ledger's own store, or a client's verified
// copy. Get returns ErrNotFound for an absent key. Range returns up to limit
// entries whose keys begin with prefix and are not below start, in key order.
type Reader interface {
	Get(key []byte) ([]byte, error)
	Range(prefix, start []byte, limit int) ([]Pair, error)
}

// Store is a Reader that rules may write to.
type Store interface {
	Reader
	Set(key, value []byte) error
	Delete(key []byte) error
}

// Memory is a Store in a map. The zero value is not usable; call NewMemory.
type Memory struct {
	values map[string][]byte
	keys   []string // sorted
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{values: map[string][]byte{}} }

// Get implements Reader.
func (m *Memory) Get(key []byte) ([]byte, error) {
	v, ok := m.values[string(key)]
	if !ok {
		return nil, ErrNotFound
	}
	return bytes.Clone(v), nil
}

// Set implements Store.
func (m *Memory) Set(key, value []byte) error {
	k := string(key)
	if _, ok := m.values[k]; !ok {
		i := sort.SearchStrings(m.keys, k)
		m.keys = slices.Insert(m.keys, i, k)
	}
	m.values[k] = bytes.Clone(value)
	return nil
}

// Delete implements Store.
func (m *Memory) Delete(key []byte) error {
	k := string(key)
	if _, ok := m.values[k]; ok {
		i := sort.SearchStrings(m.keys, k)
		m.keys = slices.Delete(m.keys, i, i+1)
		delete(m.values, k)
	}
	return nil
}

// Range implements Reader.
func (m *Memory) Range(prefix, start []byte, limit int) ([]Pair, error) {
	from := max(string(prefix), string(start))
	var out []Pair
	for i := sort.SearchStrings(m.keys, from); i < len(m.keys) && len(out) < limit; i++ {
		k := m.keys[i]
		if !bytes.HasPrefix([]byte(k), prefix) {
			break
		}
		out = append(out, Pair{[]byte(k), bytes.Clone(m.values[k])})
	}
	return out, nil
}

// Overlay collects writes above a Reader until Commit or until it is dropped.
type Overlay struct {
	base   Reader
	writes map[string][]byte // nil value: deleted
}

// NewOverlay returns an overlay without writes.
func NewOverlay(base Reader) *Overlay {
	return &Overlay{base: base, writes: map[string][]byte{}}
}

// Get implements Reader.
func (o *Overlay) Get(key []byte) ([]byte, error) {
	if v, ok := o.writes[string(key)]; ok {
		if v == nil {
			return nil, ErrNotFound
		}
		return bytes.Clone(v), nil
	}
	return o.base.Get(key)
}

// Set implements Store.
func (o *Overlay) Set(key, value []byte) error {
	o.writes[string(key)] = append([]byte{}, value...)
	return nil
}

// Delete implements Store.
func (o *Overlay) Delete(key []byte) error {
	o.writes[string(key)] = nil
	return nil
}

// Range implements Reader, merging pending writes into the base.
func (o *Overlay) Range(prefix, start []byte, limit int) ([]Pair, error) {
	from := max(string(prefix), string(start))
	var pending []string
	for k := range o.writes {
		if k >= from && bytes.HasPrefix([]byte(k), prefix) {
			pending = append(pending, k)
		}
	}
	slices.Sort(pending)
	base, err := o.base.Range(prefix, start, limit+len(pending))
	if err != nil {
		return nil, err
	}
	var out []Pair
	for len(out) < limit && (len(base) > 0 || len(pending) > 0) {
		if len(pending) == 0 || (len(base) > 0 && string(base[0].Key) < pending[0]) {
			out, base = append(out, base[0]), base[1:]
			continue
		}
		k := pending[0]
		pending = pending[1:]
		if len(base) > 0 && string(base[0].Key) == k {
			base = base[1:]
		}
		if v := o.writes[k]; v != nil {
			out = append(out, Pair{[]byte(k), bytes.Clone(v)})
		}
	}
	return out, nil
}

// Commit writes everything to dst in key order.
func (o *Overlay) Commit(dst Store) error {
	keys := make([]string, 0, len(o.writes))
	for k := range o.writes {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		var err error
		if v := o.writes[k]; v == nil {
			err = dst.Delete([]byte(k))
		} else {
			err = dst.Set([]byte(k), v)
		}
		if err != nil {
			return fmt.Errorf("write %x: %w", k, err)
		}
	}
	return nil
}

// Key joins parts into a key that sorts by its parts: strings are terminated,
// integers are big-endian.
func Key(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(append(b, p...), 0)
		case []byte:
			b = append(b, p...)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, p)
		case interface{ KeyPart() []byte }:
			b = append(b, p.KeyPart()...)
		default:
			panic(fmt.Sprintf("kv: unsupported key part %T", p))
		}
	}
	return b
}

// Map is a typed collection of V under a name. Keys are made by Key from the
// parts that callers pass.
type Map[V any] struct{ Name string }

// Key returns the full store key of an entry.
func (m Map[V]) Key(parts ...any) []byte { return append(Key(m.Name), Key(parts...)...) }

// Get reads an entry; it returns ErrNotFound when there is none.
func (m Map[V]) Get(r Reader, parts ...any) (V, error) {
	var v V
	raw, err := r.Get(m.Key(parts...))
	if err != nil {
		return v, err
	}
	if err := canon.Decode(raw, &v); err != nil {
		return v, fmt.Errorf("read %s: %w", m.Name, err)
	}
	return v, nil
}

// Has reports whether an entry exists.
func (m Map[V]) Has(r Reader, parts ...any) (bool, error) {
	_, err := r.Get(m.Key(parts...))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Set writes an entry.
func (m Map[V]) Set(s Store, v V, parts ...any) error {
	return s.Set(m.Key(parts...), canon.Encode(v))
}

// Delete removes an entry if it exists.
func (m Map[V]) Delete(s Store, parts ...any) error { return s.Delete(m.Key(parts...)) }

// Entry is one element of a Map with the rest of its key, after the prefix
// that List was given.
type Entry[V any] struct {
	Rest  []byte
	Value V
}

// List returns up to limit entries whose key begins with the given parts, in
// key order, starting at the part of the key that follows them (nil: at the
// first).
func (m Map[V]) List(r Reader, start []byte, limit int, parts ...any) ([]Entry[V], error) {
	prefix := m.Key(parts...)
	pairs, err := r.Range(prefix, append(bytes.Clone(prefix), start...), min(limit, MaxPage))
	if err != nil {
		return nil, err
	}
	out := make([]Entry[V], 0, len(pairs))
	for _, p := range pairs {
		var v V
		if err := canon.Decode(p.Value, &v); err != nil {
			return nil, fmt.Errorf("read %s: %w", m.Name, err)
		}
		out = append(out, Entry[V]{p.Key[len(prefix):], v})
	}
	return out, nil
}

// Each visits every entry whose key begins with the given parts, in key order,
// page by page. It is for readers with time; rules bound what they visit.
func (m Map[V]) Each(r Reader, visit func(Entry[V]) error, parts ...any) error {
	for start := []byte(nil); ; {
		page, err := m.List(r, start, MaxPage, parts...)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := visit(e); err != nil {
				return err
			}
		}
		if len(page) < MaxPage {
			return nil
		}
		start = append(bytes.Clone(page[len(page)-1].Rest), 0)
	}
}

// All returns what Each visits.
func (m Map[V]) All(r Reader, parts ...any) ([]Entry[V], error) {
	var all []Entry[V]
	err := m.Each(r, func(e Entry[V]) error { all = append(all, e); return nil }, parts...)
	return all, err
}

// Optional passes over the absence of a value, which is then the zero value.
func Optional[V any](v V, err error) (V, error) {
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return v, err
}
