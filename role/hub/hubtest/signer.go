package hubtest

import (
	"crypto/sha256"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

// Signer is somebody in a story: whoever knows the name has the key.
type Signer struct {
	key     *secp256k1.PrivateKey
	account crescendo.Account
}

// NewSigner makes a signer from a name.
func NewSigner(name string) *Signer {
	sum := sha256.Sum256([]byte("crescendo/hubtest/signer/" + name))
	key := secp256k1.PrivKeyFromBytes(sum[:])
	return &Signer{key, address.FromPublicKey(key.PubKey().SerializeCompressed())}
}

// Account implements ledger.Signer.
func (s *Signer) Account() crescendo.Account { return s.account }

// PublicKey implements ledger.Signer.
func (s *Signer) PublicKey() []byte { return s.key.PubKey().SerializeCompressed() }

// Sign implements ledger.Signer.
func (s *Signer) Sign(document []byte) ([]byte, error) {
	sum := sha256.Sum256(document)
	return ecdsa.SignCompact(s.key, sum[:], true)[1:], nil
}

// String names the account and hides the key.
func (s *Signer) String() string { return fmt.Sprintf("signer of %s", s.account) }

// GoString hides the key as well.
func (s *Signer) GoString() string { return s.String() }
