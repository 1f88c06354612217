package memory

import (
	"crypto/sha256"
	"fmt"
	"log/slog"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

// Signer holds a key made from a seed. It is a ledger.Signer for tests and
// simulations: whoever knows the seed has the key.
type Signer struct {
	key     *secp256k1.PrivateKey
	account crescendo.Account
}

// NewSigner returns the signer of a seed; equal seeds give equal signers.
func NewSigner(seed string) *Signer {
	sum := sha256.Sum256([]byte("crescendo/memory/signer/" + seed))
	key := secp256k1.PrivKeyFromBytes(sum[:])
	return &Signer{key, address.FromPublicKey(key.PubKey().SerializeCompressed())}
}

// Account implements ledger.Signer.
func (s *Signer) Account() crescendo.Account { return s.account }

// PublicKey implements ledger.Signer.
func (s *Signer) PublicKey() []byte { return s.key.PubKey().SerializeCompressed() }

// Sign implements ledger.Signer. The same document always has the same
// signature.
func (s *Signer) Sign(document []byte) ([]byte, error) {
	sum := sha256.Sum256(document)
	return ecdsa.SignCompact(s.key, sum[:], true)[1:], nil
}

// String names the account and hides the key.
func (s *Signer) String() string { return fmt.Sprintf("signer of %s", s.account) }

// GoString hides the key as well.
func (s *Signer) GoString() string { return s.String() }

// LogValue hides the key in logs.
func (s *Signer) LogValue() slog.Value { return slog.StringValue(s.String()) }

// verify checks a 64-byte signature r||s, with the lower s, over the SHA-256
// of the document.
func verify(publicKey, document, signature []byte) error {
	pub, err := secp256k1.ParsePubKey(publicKey)
	if err != nil || len(publicKey) != secp256k1.PubKeyBytesLenCompressed {
		return crescendo.Errorf(crescendo.CodeForbidden, "check signature: not a compressed secp256k1 public key")
	}
	var r, s secp256k1.ModNScalar
	if len(signature) != 64 || r.SetByteSlice(signature[:32]) || s.SetByteSlice(signature[32:]) || s.IsOverHalfOrder() {
		return crescendo.Errorf(crescendo.CodeForbidden, "check signature: want 64 bytes r||s with the lower s")
	}
	sum := sha256.Sum256(document)
	if !ecdsa.NewSignature(&r, &s).Verify(sum[:], pub) {
		return crescendo.Errorf(crescendo.CodeForbidden, "check signature: it does not match the key")
	}
	return nil
}
