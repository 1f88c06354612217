package client

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/ledger"
)

// Key is an account's private key. It shows itself only to Save.
type Key struct {
	secret  *secp256k1.PrivateKey
	account crescendo.Account
}

var _ ledger.Signer = (*Key)(nil)

func newKey(secret *secp256k1.PrivateKey) *Key {
	return &Key{secret, address.FromPublicKey(secret.PubKey().SerializeCompressed())}
}

// NewKey makes a key from the system's randomness.
func NewKey() (*Key, error) {
	secret, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return newKey(secret), nil
}

// KeyFromSeed derives a key, always the same one: for demos and tests.
// Whoever knows the seed has the key.
func KeyFromSeed(seed string) *Key {
	sum := sha256.Sum256([]byte("crescendo/ledger/key/" + seed))
	return newKey(secp256k1.PrivKeyFromBytes(sum[:]))
}

// keyMark begins a key file, so that it is not taken for something else.
const keyMark = "crescendo-key-v1 "

// LoadKey reads a key file. It refuses one that others may read.
func LoadKey(path string) (*Key, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, crescendo.Errorf(crescendo.CodeNotFound, "read key: there is no file %s", path).
			WithHint("crescendo wallet new makes one")
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 {
		return nil, crescendo.Errorf(crescendo.CodeForbidden, "read key %s: others may read it (mode %#o)", path, mode.Perm()).
			WithHint("chmod 600 " + path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	digits, ok := strings.CutPrefix(strings.TrimSpace(string(raw)), keyMark)
	secret, err := hex.DecodeString(digits)
	var scalar secp256k1.ModNScalar
	if !ok || err != nil || len(secret) != 32 || scalar.SetByteSlice(secret) || scalar.IsZero() {
		return nil, fmt.Errorf("read key %s: not a key file", path) // never says what is in it
	}
	return newKey(secp256k1.NewPrivateKey(&scalar)), nil
}

// Save writes the key to a new file that only its owner may read.
func (k *Key) Save(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("save key: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s%x\n", keyMark, k.secret.Serialize())
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("save key: %w", err)
	}
	return nil
}

// Account implements ledger.Signer.
func (k *Key) Account() crescendo.Account { return k.account }

// PublicKey implements ledger.Signer.
func (k *Key) PublicKey() []byte { return k.secret.PubKey().SerializeCompressed() }

// Sign implements ledger.Signer. Equal documents get equal signatures.
func (k *Key) Sign(document []byte) ([]byte, error) {
	sum := sha256.Sum256(document)
	return ecdsa.SignCompact(k.secret, sum[:], true)[1:], nil
}

// String names the account and hides the key.
func (k *Key) String() string { return fmt.Sprintf("key of %s", k.account) }

// GoString hides the key as well.
func (k *Key) GoString() string { return k.String() }

// LogValue hides the key in logs.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
