// Package proof is how a vault comes to believe ledger state: a trust it was
// started with, and bundles of entries that verify against it. The host
// produces bundles, the vault verifies them; neither needs the other's code.
//
// Kind "light" begins at one block of a Cosmos ledger and verifies headers and
// store proofs from there on. Kind "vouched" is for development and tests over a ledger that makes no
// proofs: entries signed by a key that the trust names. It proves no more than
// that key's holder can be trusted.
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
)

// Vouched is the kind of trust in one key.
const Vouched = "vouched"

// MaxEntries bounds the entries of one bundle.
const MaxEntries = 64

// ErrProof means that a bundle does not verify.
var ErrProof = errors.New("ledger proof does not verify")

// Trust is what a vault was told to believe. Its digest stands in the vault's
// evidence, so that a vault that was told to believe another ledger cannot
// pass for one that believes this one.
type Trust struct {
	Chain string `pb:"1"`
	Kind  string `pb:"2"`
	Root  []byte `pb:"3"` // light: a TrustedBlock; vouched: an ed25519 public key
}

// Digest names the trust.
func (t Trust) Digest() crescendo.Hash {
	return digest.Sum("crescendo/vault/trust/v1", canon.Encode(t))
}

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

// NewVerifier makes the verifier of a trust.
func NewVerifier(t Trust) (Verifier, error) {
	switch t.Kind {
	case Vouched:
		if !strings.HasPrefix(t.Chain, attest.DevelopmentPrefix) {
			return nil, crescendo.Errorf(crescendo.CodeForbidden, "trust in a single key is for development chains, not %.64s", t.Chain)
		}
		if len(t.Root) != ed25519.PublicKeySize {
			return nil, crescendo.Errorf(crescendo.CodeInvalid, "trusted key of %d bytes, want %d", len(t.Root), ed25519.PublicKeySize)
		}
		return vouched{t}, nil
	case Light:
		return newLightVerifier(t)
	}
	return nil, crescendo.Errorf(crescendo.CodeInvalid, "unknown kind of trust %.32q", t.Kind)
}

type vouchedBundle struct {
	Height    crescendo.Height `pb:"1"`
	Entries   []Entry          `pb:"2"`
	Signature []byte           `pb:"3"`
}

func (b vouchedBundle) signed(t Trust) []byte {
	b.Signature = nil
	sum := digest.Sum("crescendo/vault/vouched/v1", canon.Encode(t), canon.Encode(b))
	return sum[:]
}

type vouched struct{ trust Trust }

func (v vouched) Verify(keys [][]byte, bundle []byte) (crescendo.Height, []Entry, error) {
	var b vouchedBundle
	if err := canon.Decode(bundle, &b); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if !ed25519.Verify(v.trust.Root, b.signed(v.trust), b.Signature) {
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
	trust Trust
	key   ed25519.PrivateKey
}

// NewVoucher makes a voucher for a chain.
func NewVoucher(chain string, key ed25519.PrivateKey) Voucher {
	return Voucher{Trust{Chain: chain, Kind: Vouched, Root: key.Public().(ed25519.PublicKey)}, key}
}

// Trust returns the trust that accepts the voucher's bundles.
func (v Voucher) Trust() Trust { return v.trust }

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
	b.Signature = ed25519.Sign(v.key, b.signed(v.trust))
	return canon.Encode(b), nil
}
