package keyshare

import (
	"crypto/hpke"
	"fmt"
	"io"
	"log/slog"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/sealing"
)

// KeySize is the size of a Key in bytes.
const KeySize = 32

const redacted = "[key]"

// Key encrypts one rung's weights. It does not print itself.
type Key struct{ bytes *[KeySize]byte }

// NewKey draws a key.
func NewKey(random io.Reader) (Key, error) {
	k := Key{new([KeySize]byte)}
	if _, err := io.ReadFull(random, k.bytes[:]); err != nil {
		return Key{}, fmt.Errorf("draw key: %w", err)
	}
	return k, nil
}

// KeyFromBytes copies a key out of raw bytes.
func KeyFromBytes(raw []byte) (Key, error) {
	if len(raw) != KeySize {
		return Key{}, fmt.Errorf("key of %d bytes, want %d", len(raw), KeySize)
	}
	k := Key{new([KeySize]byte)}
	copy(k.bytes[:], raw)
	return k, nil
}

// Bytes returns the key itself: the one way to it. The caller must not let it
// reach a log, a file or another process.
func (k Key) Bytes() []byte {
	if k.bytes == nil {
		return nil
	}
	return k.bytes[:]
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.bytes == nil }

// Check returns the public commitment to the key.
func (k Key) Check() crescendo.Hash { return sealing.KeyCheck(k.Bytes()) }

// Erase overwrites the key. All copies of k share it.
func (k Key) Erase() {
	if k.bytes != nil {
		clear(k.bytes[:])
	}
}

// String hides the key.
func (Key) String() string { return redacted }

// GoString hides the key.
func (Key) GoString() string { return redacted }

// Format hides the key whatever the verb.
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue hides the key.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the key.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Identity is the private half of a SealKey: it opens what was sealed to a
// keeper or a vault. It does not print itself.
type Identity struct{ private hpke.PrivateKey }

// NewIdentity draws an identity from the system's randomness.
func NewIdentity() (*Identity, error) {
	private, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("make sealing key: %w", err)
	}
	return &Identity{private}, nil
}

// ParseIdentity reads what Bytes wrote.
func ParseIdentity(raw []byte) (*Identity, error) {
	private, err := hpke.MLKEM768X25519().NewPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("read sealing key: %w", err)
	}
	return &Identity{private}, nil
}

// Bytes returns the private key, to be kept by its owner alone.
func (i *Identity) Bytes() ([]byte, error) { return i.private.Bytes() }

// SealKey returns the public half.
func (i *Identity) SealKey() []byte { return i.private.PublicKey().Bytes() }

// Private returns the HPKE key, for protocols that stream.
func (i *Identity) Private() hpke.PrivateKey { return i.private }

// String hides the key.
func (*Identity) String() string { return redacted }

// Format hides the key whatever the verb.
func (*Identity) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue hides the key.
func (*Identity) LogValue() slog.Value { return slog.StringValue(redacted) }

func (i *Identity) open(info, sealed []byte) (Key, error) {
	raw, err := hpke.Open(i.private, hpke.HKDFSHA256(), hpke.AES256GCM(), info, sealed)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrShare, err)
	}
	defer clear(raw)
	key, err := KeyFromBytes(raw)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrShare, err)
	}
	return key, nil
}

func sealTo(sealKey, info []byte, key Key) ([]byte, error) {
	public, err := hpke.MLKEM768X25519().NewPublicKey(sealKey)
	if err != nil {
		return nil, fmt.Errorf("read sealing key: %w", err)
	}
	return hpke.Seal(public, hpke.HKDFSHA256(), hpke.AES256GCM(), info, key.Bytes())
}
