package auditor

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// maxAccountNumber is how far the number that an account has on the ledger is
// searched for: it is signed, but stands in no block. A chain with more
// accounts leaves the signatures of the later ones unverifiable here.
const maxAccountNumber = 1 << 12

// accounts checks that transactions are their senders' own: signatures, and
// sequence numbers without gaps or repetition.
type accounts struct {
	chain string
	known map[crescendo.Account]*account
	hint  uint64 // the number found last; neighbours were made together
}

type account struct {
	number   uint64
	sequence uint64 // of the next transaction
	loose    uint64 // the last so many were refused in a way that may or may not have used their numbers
}

func newAccounts(chain string) *accounts {
	return &accounts{chain: chain, known: map[crescendo.Account]*account{}}
}

// check reports why a transaction must not have been executed.
func (a *accounts) check(tx wire.Tx) error {
	if tx.Signer == "" {
		return fmt.Errorf("signed with a kind of key that is not checked here: %w", ErrGone)
	}
	for _, m := range tx.Messages {
		if _, foreign := m.(*wire.Other); !foreign && m.From() != tx.Signer {
			return fmt.Errorf("%s is from %s, the first signature is of %s: %w", m.TypeURL(), m.From(), tx.Signer, ErrGone)
		}
	}
	who := a.known[tx.Signer]
	if who == nil {
		number, err := a.search(tx)
		if err != nil {
			return err
		}
		who = &account{number: number}
		a.known[tx.Signer], a.hint = who, number
	} else if !verify(tx.PublicKey, tx.SignedBytes(a.chain, who.number), tx.Signature) {
		return errSignature
	}
	if tx.Sequence < who.sequence || tx.Sequence > who.sequence+who.loose {
		return fmt.Errorf("sequence number %d of %s, want %d", tx.Sequence, tx.Signer, who.sequence)
	}
	return nil
}

var errSignature = errors.New("the signature is not the sender's")

// search finds the account number a signature was made with.
func (a *accounts) search(tx wire.Tx) (uint64, error) {
	for distance := range uint64(maxAccountNumber) {
		if verify(tx.PublicKey, tx.SignedBytes(a.chain, a.hint+distance), tx.Signature) {
			return a.hint + distance, nil
		}
		if distance > 0 && distance <= a.hint && verify(tx.PublicKey, tx.SignedBytes(a.chain, a.hint-distance), tx.Signature) {
			return a.hint - distance, nil
		}
	}
	return 0, errSignature
}

// used books the sequence number of a transaction that a block contains.
func (a *accounts) used(tx wire.Tx, recorded Result) {
	who := a.known[tx.Signer]
	switch {
	case who == nil: // its signature is wrong
	case outsideOfRules(recorded):
		who.loose++
	default:
		who.sequence, who.loose = tx.Sequence+1, 0
	}
}

// verify checks r||s over the SHA-256 of a document.
func verify(publicKey, document, signature []byte) bool {
	pub, err := secp256k1.ParsePubKey(publicKey)
	if err != nil || len(signature) != 64 {
		return false
	}
	var r, s secp256k1.ModNScalar
	if r.SetByteSlice(signature[:32]) || s.SetByteSlice(signature[32:]) || s.IsOverHalfOrder() {
		return false
	}
	sum := sha256.Sum256(document)
	return ecdsa.NewSignature(&r, &s).Verify(sum[:], pub)
}
