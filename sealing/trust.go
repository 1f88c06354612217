package sealing

import (
	"errors"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Kinds of trust.
const (
	// TrustBlock begins at one block of the ledger: Root is its hash.
	TrustBlock = "light"
	// TrustKey believes whatever one key signs: Root is an ed25519 public key.
	// It is for ledgers in memory, which make no proofs. No appraiser of a real
	// ledger lets it pass.
	TrustKey = "vouched"
)

// Trust is where a vault began to believe the ledger. A genuine vault that was
// started on a forged chain believes forged keepers, sessions and prices, so
// what it was started with stands in its evidence and is checked.
type Trust struct {
	Kind   string           `pb:"1"`
	Height crescendo.Height `pb:"2"`
	Root   crescendo.Hash   `pb:"3"`
}

// Digest names the trust within evidence.
func (t Trust) Digest() crescendo.Hash {
	return digest.Sum("crescendo/sealing/trust/v1", canon.Encode(t))
}

// Anchor remembers one past block of this very ledger by its beacon, which is
// BLAKE3-256 of its hash.
type Anchor struct {
	Beacon crescendo.Hash `pb:"1"`
}

// AnchorEvery is the distance of the blocks that vaults may begin from, and
// keepAnchors how many of them are remembered; block 1 always is.
const (
	AnchorEvery = 256
	keepAnchors = 64
)

// Anchored returns the newest height, not above the given one, that a vault
// may begin from.
func Anchored(height crescendo.Height) crescendo.Height {
	return max(1, height-height%AnchorEvery)
}

// KeepAnchor remembers the block before env's, if it is one to begin from.
func KeepAnchor(env crescendo.Env, s kv.Store) error {
	past := env.Height - 1
	if past < 1 || past != Anchored(past) {
		return nil
	}
	if old := past - keepAnchors*AnchorEvery; old > 1 {
		if err := Anchors.Delete(s, uint64(old)); err != nil {
			return err
		}
	}
	return Anchors.Set(s, Anchor{Beacon: env.Beacon}, uint64(past))
}

// checkTrust refuses vaults that were told to believe another ledger.
func checkTrust(r kv.Reader, t Trust) error {
	switch t.Kind {
	case TrustKey:
		return nil // the appraiser has let it pass
	case TrustBlock:
	default:
		return crescendo.Errorf(crescendo.CodeForbidden, "register vault: it does not say which ledger it believes")
	}
	anchor, err := Anchors.Get(r, uint64(t.Height))
	if errors.Is(err, kv.ErrNotFound) {
		return crescendo.Errorf(crescendo.CodeForbidden, "register vault: it began to believe the ledger at block %d, which is not one of those remembered", t.Height).
			WithHint("start the vault with block 1 or a recent multiple of 256")
	}
	if err != nil {
		return err
	}
	if digest.Plain(t.Root[:]) != anchor.Beacon {
		return crescendo.Errorf(crescendo.CodeForbidden, "register vault: it believes a block %d that is not this ledger's", t.Height).
			WithHint("the vault was started on another or a forged chain")
	}
	return nil
}
