package sealing

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
)

// VaultID names a vault by the two keys that its evidence binds. A vault that
// restarts makes new keys, hence is a new vault.
func VaultID(signKey, sealKey []byte) crescendo.Hash {
	return digest.Sum("crescendo/sealing/vault/v1", signKey, sealKey)
}

// SealDigest is what the vault signs: the whole message but the signature, on
// one chain.
func SealDigest(chainID string, m MsgSeal) crescendo.Hash {
	m.Signature = nil
	return digest.Sum("crescendo/sealing/seal/v1", []byte(chainID), canon.Encode(m))
}

// KeyCheck commits to a rung's key without telling anything about it.
func KeyCheck(key []byte) crescendo.Hash {
	return digest.Sum("crescendo/sealing/key/v1", key)
}

// EvidenceBinding is the 64 bytes of report data that a vault's evidence must
// carry: a digest of chain, operator and keys, then the nonce. A registration
// on the ledger has the zero nonce, since keys are fresh with every start of
// a vault; a client that asks a vault for evidence sends a nonce of its own.
func EvidenceBinding(chainID string, operator crescendo.Account, signKey, sealKey []byte, nonce crescendo.Hash) []byte {
	sum := digest.Sum("crescendo/sealing/evidence/v1", []byte(chainID), []byte(operator), signKey, sealKey)
	return append(sum[:], nonce[:]...)
}
