// Package wire is what the Cosmos ledger and its clients must agree on, written
// without the Cosmos SDK: the bytes of a transaction and of its sign document,
// the numbers of errors, the form of events, store keys and query paths.
//
// The ledger checks its own SDK against these encodings in tests with golden
// sign documents. The package does no I/O and holds no keys.
package wire

import (
	"crypto/sha256"
	"fmt"

	"lukechampine.com/blake3"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

// StakeDenom is what validators bond. It buys nothing.
const StakeDenom = "stake"

// Names that appear in proofs and queries.
const (
	RuleStore = "crescendo" // the store that holds all rule state
	BankStore = "bank"
	RangePath = "/crescendo/range" // query of proved entries; see RangeRequest
)

// Beacon returns the Env.Beacon of the block after the one with the given
// hash: the BLAKE3 of the hash. The first block's predecessor has the empty
// hash.
func Beacon(blockHash []byte) crescendo.Hash { return blake3.Sum256(blockHash) }

// Address returns the bytes of an account's or pot's address.
func Address(account crescendo.Account) ([]byte, error) {
	if account.IsPot() {
		account = address.Pot(account)
	}
	if err := address.Validate(account); err != nil {
		return nil, err
	}
	_, data, err := address.Decode(string(account))
	return data, err
}

// BalanceKey returns the bank store's key of a balance. The value is decimal
// digits.
func BalanceKey(addr []byte, denom string) []byte {
	key := append([]byte{2, byte(len(addr))}, addr...)
	return append(key, denom...)
}

// valueMark begins every value of the rule store. A proof of an empty value
// does not exist; with the mark no value is empty.
const valueMark = 1

// StoreValue returns what the rule store holds for a rule's value.
func StoreValue(value []byte) []byte { return append([]byte{valueMark}, value...) }

// RuleValue returns the rule's value of what the rule store holds.
func RuleValue(stored []byte) ([]byte, error) {
	if len(stored) == 0 || stored[0] != valueMark {
		return nil, fmt.Errorf("stored value of %d bytes lacks the mark %d", len(stored), valueMark)
	}
	return stored[1:], nil
}

// TxHash names a transaction as explorers do: the SHA-256 of its bytes.
func TxHash(raw []byte) [32]byte { return sha256.Sum256(raw) }
