// Package keyshare moves the key of sealed weights: from the vault that made
// it to the keepers, and from the keepers to a vault that the ledger accepts.
//
// It is the place where a threshold of keepers belongs. Today the threshold is
// one: every keeper's share is the whole key, so a single keeper can open the
// weights to a vault, and a single dishonest keeper can leak them. Deal and
// Combine keep the signatures that t-of-n sharing needs.
//
// It does not decide who may have a key: ledger state does.
package keyshare

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/sealing"
)

// Threshold is how many keepers it takes to open a key.
const Threshold = 1

// maxShares bounds the shares that Combine looks at.
const maxShares = 256

var (
	// ErrShare means that a share does not open: made for another recipient,
	// rung or vault, or altered.
	ErrShare = errors.New("key share does not open")

	// ErrNoKey means that no share yielded the key that the ledger names.
	ErrNoKey = errors.New("no share holds the right key")
)

// Topic says which key a share is of. It is bound into the encryption, so a
// share of one rung never opens as a share of another.
type Topic struct {
	Chain    string           `pb:"1"`
	Rung     crescendo.RungID `pb:"2"`
	Version  uint32           `pb:"3"`
	KeyCheck crescendo.Hash   `pb:"4"`
}

type keeperInfo struct {
	Purpose string            `pb:"1"`
	Topic   Topic             `pb:"2"`
	Keeper  crescendo.Account `pb:"3"`
}

type vaultInfo struct {
	Purpose string         `pb:"1"`
	Topic   Topic          `pb:"2"`
	Vault   crescendo.Hash `pb:"3"`
	Nonce   crescendo.Hash `pb:"4"`
}

func toKeeper(t Topic, keeper crescendo.Account) []byte {
	return canon.Encode(keeperInfo{"crescendo/keyshare/keeper/v1", t, keeper})
}

func toVault(t Topic, vault, nonce crescendo.Hash) []byte {
	return canon.Encode(vaultInfo{"crescendo/keyshare/vault/v1", t, vault, nonce})
}

// A Recipient is a keeper that a key is dealt to.
type Recipient struct {
	Keeper  crescendo.Account
	SealKey []byte
}

// Deal seals a share of the key to each keeper.
func Deal(key Key, topic Topic, keepers []Recipient) ([]sealing.Share, error) {
	if len(keepers) < Threshold {
		return nil, fmt.Errorf("deal key of rung %d to %d keepers: want at least %d", topic.Rung, len(keepers), Threshold)
	}
	shares := make([]sealing.Share, 0, len(keepers))
	for _, k := range keepers {
		sealed, err := sealTo(k.SealKey, toKeeper(topic, k.Keeper), key)
		if err != nil {
			return nil, fmt.Errorf("deal key of rung %d to %s: %w", topic.Rung, k.Keeper, err)
		}
		shares = append(shares, sealing.Share{Keeper: k.Keeper, Sealed: sealed})
	}
	return shares, nil
}

// Open returns the share that was dealt to the keeper.
func Open(id *Identity, topic Topic, keeper crescendo.Account, sealed []byte) (Key, error) {
	return id.open(toKeeper(topic, keeper), sealed)
}

// HandOver seals a keeper's share to a vault, for one request.
func HandOver(share Key, topic Topic, vault, nonce crescendo.Hash, sealKey []byte) ([]byte, error) {
	sealed, err := sealTo(sealKey, toVault(topic, vault, nonce), share)
	if err != nil {
		return nil, fmt.Errorf("hand key of rung %d to vault %s: %w", topic.Rung, vault.Short(), err)
	}
	return sealed, nil
}

// Combine opens the shares handed to a vault and returns the key that the
// topic's KeyCheck names. A wrong share is passed over, not fatal: a dishonest
// keeper must not keep the honest ones from being heard.
func Combine(id *Identity, topic Topic, vault, nonce crescendo.Hash, shares []sealing.Share) (Key, error) {
	for _, s := range shares[:min(len(shares), maxShares)] {
		key, err := id.open(toVault(topic, vault, nonce), s.Sealed)
		if err != nil {
			continue
		}
		if key.Check() == topic.KeyCheck {
			return key, nil
		}
		key.Erase()
	}
	return Key{}, fmt.Errorf("combine %d shares of rung %d: %w", len(shares), topic.Rung, ErrNoKey)
}
