package light

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// ProofOp is one step of a proof as the ledger's queries return it: first
// within a store, then from the store to the app hash.
type ProofOp struct {
	Type string `json:"type" pb:"1"`
	Key  []byte `json:"key" pb:"2"`
	Data []byte `json:"data" pb:"3"`
}

// Bounds on proofs.
const (
	maxDepth      = 128
	maxProofBytes = 1 << 20
)

// VerifyValue checks that the state with this app hash has the value under
// the key of a store. A header's AppHash is that of the state before it.
func VerifyValue(appHash []byte, store string, key, value []byte, ops []ProofOp) error {
	p, err := parseOps(store, key, ops)
	if err != nil {
		return err
	}
	// A neighbour in a proof of absence may have an empty value, as the bank's
	// index entries do; what is read never has.
	if len(value) == 0 {
		return fmt.Errorf("%w: %s/%x: empty value", ErrInvalid, store, key)
	}
	root, err := p.inner.exist.root(iavl, key, value)
	if err != nil {
		return fmt.Errorf("%w: %s/%x: %w", ErrInvalid, store, key, err)
	}
	return p.verifyStore(appHash, store, root)
}

// VerifyAbsence checks that the state with this app hash has nothing under
// the key of a store.
func VerifyAbsence(appHash []byte, store string, key []byte, ops []ProofOp) error {
	p, err := parseOps(store, key, ops)
	if err != nil {
		return err
	}
	root, err := p.inner.absent(key)
	if err != nil {
		return fmt.Errorf("%w: absence of %s/%x: %w", ErrInvalid, store, key, err)
	}
	return p.verifyStore(appHash, store, root)
}

type twoSteps struct{ inner, outer commitment }

func parseOps(store string, key []byte, ops []ProofOp) (twoSteps, error) {
	var p twoSteps
	if len(ops) != 2 || ops[0].Type != "ics23:iavl" || ops[1].Type != "ics23:simple" ||
		!bytes.Equal(ops[0].Key, key) || string(ops[1].Key) != store {
		return p, fmt.Errorf("%w: the proof is not one of %s/%x", ErrInvalid, store, key)
	}
	for i, c := range []*commitment{&p.inner, &p.outer} {
		if len(ops[i].Data) > maxProofBytes {
			return p, fmt.Errorf("%w: proof of %d bytes", ErrInvalid, len(ops[i].Data))
		}
		if err := c.parse(ops[i].Data); err != nil {
			return p, fmt.Errorf("%w: malformed proof: %w", ErrInvalid, err)
		}
	}
	return p, nil
}

func (p twoSteps) verifyStore(appHash []byte, store string, root []byte) error {
	top, err := p.outer.exist.root(simple, []byte(store), root)
	if err != nil {
		return fmt.Errorf("%w: store %s: %w", ErrInvalid, store, err)
	}
	if !bytes.Equal(top, appHash) {
		return fmt.Errorf("%w: proof leads to app hash %X, want %X", ErrInvalid, top, appHash)
	}
	return nil
}

// spec is the shape of a tree's nodes, after ICS-23.
type spec struct {
	iavl      bool
	childSize int // bytes of a sibling in a node, its length byte included
	minPrefix int
	maxPrefix int
}

var (
	iavl   = spec{iavl: true, childSize: 33, minPrefix: 4, maxPrefix: 12}
	simple = spec{childSize: 32, minPrefix: 1, maxPrefix: 1}
)

// step is a node on the way from a leaf to the root; the child's hash goes
// between prefix and suffix.
type step struct{ prefix, suffix []byte }

// existence proves that a tree holds a key.
type existence struct {
	present    bool
	key, value []byte
	leafPrefix []byte
	leafOps    [4]uint64 // hash, prehash of key, prehash of value, length
	path       []step
}

type commitment struct {
	exist       existence
	left, right existence // of a proof of absence
}

// leafOps of both trees: SHA-256, none, SHA-256, varint length.
var leafOps = [4]uint64{1, 0, 1, 1}

// root computes the tree's root from the proof.
func (e existence) root(s spec, key, value []byte) ([]byte, error) {
	switch {
	case !e.present || len(key) == 0:
		return nil, fmt.Errorf("the proof is for something else")
	case !bytes.Equal(e.key, key) || !bytes.Equal(e.value, value):
		return nil, fmt.Errorf("the proof is for another key or value")
	case e.leafOps != leafOps || len(e.leafPrefix) == 0 || e.leafPrefix[0] != 0:
		return nil, fmt.Errorf("unexpected form of leaf")
	case len(e.path) > maxDepth:
		return nil, fmt.Errorf("%d steps", len(e.path))
	}
	rest := len(e.leafPrefix) - 1
	if s.iavl {
		var err error
		if rest, err = iavlPrefix(e.leafPrefix, 0); err != nil {
			return nil, err
		}
	}
	if rest != 0 {
		return nil, fmt.Errorf("unexpected prefix of leaf")
	}
	hashed := sha256.Sum256(value)
	node := protowire.AppendBytes(bytes.Clone(e.leafPrefix), key)
	node = sha(protowire.AppendBytes(node, hashed[:]))
	for i, st := range e.path {
		if err := st.check(s, i+1); err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
		node = sha(st.prefix, node, st.suffix)
	}
	return node, nil
}

func (st step) check(s spec, depth int) error {
	if len(st.prefix) == 0 || st.prefix[0] == 0 {
		return fmt.Errorf("a leaf's prefix")
	}
	if s.iavl {
		rest, err := iavlPrefix(st.prefix, depth)
		if err != nil || (rest != 1 && rest != 1+s.childSize) {
			return fmt.Errorf("unexpected prefix")
		}
	}
	if !st.is(s, left) && !st.is(s, right) {
		return fmt.Errorf("unexpected size of node")
	}
	return nil
}

// iavlPrefix reads height, size and version, and returns what follows them.
func iavlPrefix(prefix []byte, minHeight int) (rest int, err error) {
	for i := range 3 {
		v, n := binary.Varint(prefix)
		if n <= 0 || v < 0 || (i == 0 && v < int64(minHeight)) {
			return 0, fmt.Errorf("unexpected prefix")
		}
		prefix = prefix[n:]
	}
	return len(prefix), nil
}

type side int

const (
	left side = iota
	right
)

// is reports whether the child on the path is the node's left or right one.
func (st step) is(s spec, which side) bool {
	before, after := 0, s.childSize
	if which == right {
		before, after = s.childSize, 0
	}
	n := len(st.prefix) - before
	return n >= s.minPrefix && n <= s.maxPrefix && len(st.suffix) == after
}

func all(s spec, path []step, which side) bool {
	for _, st := range path {
		if !st.is(s, which) {
			return false
		}
	}
	return true
}

// absent computes the root of an IAVL tree that has no such key: its two
// neighbours are next to each other, or the one is at the tree's edge.
func (c commitment) absent(key []byte) ([]byte, error) {
	var roots [2][]byte
	for i, e := range []existence{c.left, c.right} {
		if !e.present {
			continue
		}
		root, err := e.root(iavl, e.key, e.value)
		if err != nil {
			return nil, err
		}
		roots[i] = root
	}
	l, r := c.left, c.right
	switch {
	case !l.present && !r.present:
		return nil, fmt.Errorf("no neighbour")
	case l.present && bytes.Compare(l.key, key) >= 0, r.present && bytes.Compare(r.key, key) <= 0:
		return nil, fmt.Errorf("the key is not between its neighbours")
	case !l.present:
		if !all(iavl, r.path, left) {
			return nil, fmt.Errorf("the right neighbour is not the first entry")
		}
		return roots[1], nil
	case !r.present:
		if !all(iavl, l.path, right) {
			return nil, fmt.Errorf("the left neighbour is not the last entry")
		}
		return roots[0], nil
	}
	if !bytes.Equal(roots[0], roots[1]) || !neighbours(l.path, r.path) {
		return nil, fmt.Errorf("the neighbours are not next to each other")
	}
	return roots[0], nil
}

// neighbours reports whether two paths to the same root are adjacent.
func neighbours(l, r []step) bool {
	for len(l) > 0 && len(r) > 0 {
		tl, tr := l[len(l)-1], r[len(r)-1]
		l, r = l[:len(l)-1], r[:len(r)-1]
		if bytes.Equal(tl.prefix, tr.prefix) && bytes.Equal(tl.suffix, tr.suffix) {
			continue
		}
		return tl.is(iavl, left) && tr.is(iavl, right) && all(iavl, l, right) && all(iavl, r, left)
	}
	return false
}
