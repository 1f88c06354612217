package auditor

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"
	"maps"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/sealing"
)

func keysOf[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }

// assurance is the class of what a vault says: its evidence was appraised by
// the rules when it registered, which has been executed again here.
func (x *execution) assurance(vault crescendo.Hash) (Class, error) {
	v, err := sealing.Vaults.Get(x.store, vault[:])
	if err != nil {
		return Attested, fmt.Errorf("vault %s: %w", vault.Short(), err)
	}
	if v.Kind == "sim" {
		return Simulated, nil
	}
	return Attested, nil
}

// seals settles what vaults say of the models they sealed.
func (x *execution) seals(f *findings) error {
	for _, a := range x.messages {
		m, ok := a.message.(*sealing.MsgSeal)
		if !ok {
			continue
		}
		v, err := sealing.Vaults.Get(x.store, m.Vault[:])
		if err != nil {
			return err
		}
		sum := sealing.SealDigest(x.chain, *m)
		if !ed25519.Verify(v.SignKey, sum[:], m.Signature) {
			err = errors.New("the signature is not the vault's")
		}
		f.settle(Recomputed, err, "seal of rung %d: signature of vault %s", m.Rung, m.Vault.Short())
		class, err := x.assurance(m.Vault)
		f.settle(class, err, "seal of rung %d: %d steps inside the vault, loss %d micro-nats per token", m.Rung, m.Steps, m.Loss)
		if err := x.published(m, f); err != nil {
			return err
		}
	}
	return nil
}

// published checks the key of a rung that has been opened.
func (x *execution) published(m *sealing.MsgSeal, f *findings) error {
	seal, err := sealing.Seals.Get(x.store, uint32(m.Rung))
	if errors.Is(err, kv.ErrNotFound) || (err == nil && len(seal.Key) == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	if sealing.KeyCheck(seal.Key) != seal.KeyCheck {
		err = errors.New("it is not the key that the seal commits to")
	}
	f.settle(Recomputed, err, "published key of rung %d", m.Rung)
	return nil
}
