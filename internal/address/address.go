// Package address derives and checks the text form of accounts: bech32 with
// the prefix "cresc" around 20 bytes, as Cosmos chains and their wallets use.
//
// It knows no balances and no keys beyond the public one it is given.
package address

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"golang.org/x/crypto/ripemd160" //nolint:staticcheck // the address format of Cosmos prescribes it

	"github.com/crescendo-network/crescendo"
)

// Prefix is the human-readable part of every account.
const Prefix = "cresc"

// Length is the number of bytes an account's address encodes.
const Length = 20

// FromPublicKey returns the account that a compressed secp256k1 public key
// controls: RIPEMD-160 of its SHA-256.
func FromPublicKey(pub33 []byte) crescendo.Account {
	inner := sha256.Sum256(pub33)
	outer := ripemd160.New()
	outer.Write(inner[:])
	return crescendo.Account(Encode(Prefix, outer.Sum(nil)))
}

// Pot returns the address under which a ledger keeps a pot: the first 20 bytes
// of SHA-256("crescendo/pot/" + pot). Nobody knows a key that hashes to it.
func Pot(pot crescendo.Account) crescendo.Account {
	sum := sha256.Sum256([]byte("crescendo/pot/" + string(pot)))
	return crescendo.Account(Encode(Prefix, sum[:Length]))
}

// Validate refuses what is not an account's bech32 address. Pots, by their
// names, are not addresses.
func Validate(account crescendo.Account) error {
	hrp, data, err := Decode(string(account))
	if err != nil {
		return fmt.Errorf("account %.100q: %w", account, err)
	}
	if hrp != Prefix {
		return fmt.Errorf("account %.100q: prefix %q, want %q", account, hrp, Prefix)
	}
	if len(data) != Length {
		return fmt.Errorf("account %.100q: %d bytes, want %d", account, len(data), Length)
	}
	return nil
}

// CheckSender refuses what cannot be the sender of a message, whatever the
// ledger: nothing, a pot, or a name that is too long or has a control
// character in it. That a key controls the sender is for the ledger to check.
func CheckSender(account crescendo.Account) error {
	switch {
	case account == "":
		return crescendo.Errorf(crescendo.CodeInvalid, "the message has no sender")
	case account.IsPot():
		return crescendo.Errorf(crescendo.CodeForbidden, "the sender is %.100q: a pot sends nothing of its own accord", account)
	case len(account) > maxText:
		return crescendo.Errorf(crescendo.CodeInvalid, "the sender is %d bytes long, at most %d are allowed", len(account), maxText)
	case strings.ContainsFunc(string(account), func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return crescendo.Errorf(crescendo.CodeInvalid, "the sender %q holds a space or control character", account)
	}
	return nil
}
