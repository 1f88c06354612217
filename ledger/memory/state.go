package memory

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/tidwall/btree"
	"lukechampine.com/blake3"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// tree is an ordered map whose copies share nodes until one of them is
// written to, so that a snapshot of every block is cheap.
type tree = btree.Map[string, []byte]

// snapshot is the state after one block. Nobody writes to its tree.
type snapshot struct {
	tree   *tree
	height crescendo.Height
}

// Height implements ledger.State.
func (s *snapshot) Height() crescendo.Height { return s.height }

// Get implements kv.Reader.
func (s *snapshot) Get(key []byte) ([]byte, error) { return get(s.tree, key) }

// Range implements kv.Reader.
func (s *snapshot) Range(prefix, start []byte, limit int) ([]kv.Pair, error) {
	return list(s.tree, prefix, start, limit)
}

func get(t *tree, key []byte) ([]byte, error) {
	v, ok := t.Get(string(key))
	if !ok {
		return nil, kv.ErrNotFound
	}
	return bytes.Clone(v), nil
}

func list(t *tree, prefix, start []byte, limit int) ([]kv.Pair, error) {
	var out []kv.Pair
	t.Ascend(max(string(prefix), string(start)), func(k string, v []byte) bool {
		if len(out) >= limit || !strings.HasPrefix(k, string(prefix)) {
			return false
		}
		out = append(out, kv.Pair{Key: []byte(k), Value: bytes.Clone(v)})
		return true
	})
	return out, nil
}

// store is the state that the next block writes to. It hashes every write in
// order, so that two chains with equal histories have equal app hashes.
type store struct {
	tree   *tree
	writes *blake3.Hasher
}

func newStore() *store {
	return &store{tree: btree.NewMap[string, []byte](0), writes: blake3.New(32, nil)}
}

// Get implements kv.Reader.
func (s *store) Get(key []byte) ([]byte, error) { return get(s.tree, key) }

// Range implements kv.Reader.
func (s *store) Range(prefix, start []byte, limit int) ([]kv.Pair, error) {
	return list(s.tree, prefix, start, limit)
}

// Set implements kv.Store.
func (s *store) Set(key, value []byte) error {
	s.tree.Set(string(key), bytes.Clone(value))
	s.record(1, key, value)
	return nil
}

// Delete implements kv.Store.
func (s *store) Delete(key []byte) error {
	s.tree.Delete(string(key))
	s.record(0, key, nil)
	return nil
}

func (s *store) record(op byte, key, value []byte) {
	head := binary.BigEndian.AppendUint64([]byte{op}, uint64(len(key)))
	s.writes.Write(binary.BigEndian.AppendUint64(head, uint64(len(value))))
	s.writes.Write(key)
	s.writes.Write(value)
}

// hash returns the hash of all writes since genesis.
func (s *store) hash() []byte { return s.writes.Sum(nil) }
