// Package proof is how a vault comes to believe ledger state: a trust it was
// started with, and bundles of entries that verify against it. The host
// produces bundles, the vault verifies them; neither needs the other's code.
//
// Trust in a block of a Cosmos ledger verifies headers and store proofs from
// there on. Trust in a key is for tests over a ledger that makes no proofs:
// entries signed by that key. It proves no more than that key's holder can be
// trusted.
package proof

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/sealing"
)

// MaxEntries bounds the entries of one bundle.
const MaxEntries = 64

// ErrProof means that a bundle does not verify.
var ErrProof = errors.New("ledger proof does not verify")

// Entry is one key of the ledger's state, absent or with its value.
type Entry struct {
	Key     []byte `pb:"1"`
	Present bool   `pb:"2"`
	Value   []byte `pb:"3"`
}

// A Verifier checks bundles against a trust.
type Verifier interface {
	// Verify returns the height of the bundle and, for each key asked, the
	// entry that is proved of it.
	Verify(keys [][]byte, bundle []byte) (crescendo.Height, []Entry, error)
}

// NewVerifier makes the verifier of a trust in a chain.
func NewVerifier(chain string, t sealing.Trust) (Verifier, error) {
	switch t.Kind {
	case sealing.TrustKey:
		if !strings.HasPrefix(chain, attest.DevelopmentPrefix) {
			return nil, crescendo.Errorf(crescendo.CodeForbidden, "trust in a single key is for development chains, not %.64s", chain)
		}
		return vouched{chain, t}, nil
	case sealing.TrustBlock:
		return newLightVerifier(chain, t)
	}
	return nil, crescendo.Errorf(crescendo.CodeInvalid, "unknown kind of trust %.32q", t.Kind)
}

type vouchedBundle struct {
	Height    crescendo.Height `pb:"1"`
	Entries   []Entry          `pb:"2"`
	Signature []byte           `pb:"3"`
}

func (b vouchedBundle) signed(chain string, t sealing.Trust) []byte {
	b.Signature = nil
	sum := digest.Sum("crescendo/vault/vouched/v1", []byte(chain), canon.Encode(t), canon.Encode(b))
	return sum[:]
}

type vouched struct {
	chain string
	trust sealing.Trust
}

func (v vouched) Verify(keys [][]byte, bundle []byte) (crescendo.Height, []Entry, error) {
	var b vouchedBundle
	if err := canon.Decode(bundle, &b); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if !ed25519.Verify(v.trust.Root[:], b.signed(v.chain, v.trust), b.Signature) {
		return 0, nil, fmt.Errorf("signature is not the trusted key's: %w", ErrProof)
	}
	if len(b.Entries) != len(keys) {
		return 0, nil, fmt.Errorf("%d entries for %d keys: %w", len(b.Entries), len(keys), ErrProof)
	}
	for i, e := range b.Entries {
		if !bytes.Equal(e.Key, keys[i]) || (!e.Present && len(e.Value) > 0) {
			return 0, nil, fmt.Errorf("entry %d is not the one asked for: %w", i, ErrProof)
		}
	}
	return b.Height, b.Entries, nil
}

// Voucher makes bundles of kind vouched.
type Voucher struct {
	chain string
	trust sealing.Trust
	key   ed25519.PrivateKey
}

// NewVoucher makes a voucher for a chain.
func NewVoucher(chain string, key ed25519.PrivateKey) Voucher {
	return Voucher{chain, sealing.Trust{Kind: sealing.TrustKey, Root: crescendo.Hash(key.Public().(ed25519.PublicKey))}, key}
}

// Trust returns the trust that accepts the voucher's bundles.
func (v Voucher) Trust() sealing.Trust { return v.trust }

// Bundle reads the keys from a state of the given height and signs what it
// found.
func (v Voucher) Bundle(state kv.Reader, height crescendo.Height, keys [][]byte) ([]byte, error) {
	b := vouchedBundle{Height: height}
	for _, key := range keys {
		e := Entry{Key: key, Present: true}
		value, err := state.Get(key)
		switch {
		case errors.Is(err, kv.ErrNotFound):
			e.Present = false
		case err != nil:
			return nil, fmt.Errorf("read entry to vouch for: %w", err)
		}
		e.Value = value
		b.Entries = append(b.Entries, e)
	}
	b.Signature = ed25519.Sign(v.key, b.signed(v.chain, v.trust))
	return canon.Encode(b), nil
}
