package sealing

import (
	"crypto/ed25519"

	"github.com/crescendo-network/crescendo"
)

// Bounds on what a message may carry.
const (
	MaxSealKey     = 4096 // an ML-KEM-768 and X25519 public key has 1216 bytes
	MaxShare       = 4096
	MaxKeepers     = 64
	MaxMeasurement = 64
	KeySize        = 32 // AES-256
)

// Check implements crescendo.Message.
func (m *MsgRegisterVault) Check() error {
	switch {
	case len(m.Evidence) == 0 || len(m.Evidence) > MaxEvidence:
		return crescendo.Errorf(crescendo.CodeInvalid, "register vault: evidence of %d bytes, want 1 to %d", len(m.Evidence), MaxEvidence)
	case len(m.SignKey) != ed25519.PublicKeySize:
		return crescendo.Errorf(crescendo.CodeInvalid, "register vault: signing key of %d bytes, want %d", len(m.SignKey), ed25519.PublicKeySize)
	}
	return checkSealKey("register vault", m.SealKey)
}

// Check implements crescendo.Message.
func (m *MsgRegisterKeeper) Check() error {
	if len(m.SealKey) == 0 && m.Keeper != "" {
		return nil
	}
	return checkSealKey("register keeper", m.SealKey)
}

// Check implements crescendo.Message.
func (m *MsgSeal) Check() error {
	switch {
	case m.Rung == 0:
		return crescendo.Errorf(crescendo.CodeInvalid, "seal: rungs are numbered from 1")
	case m.Vault.IsZero() || m.Base.IsZero() || m.Container.IsZero() || m.Manifest.IsZero() || m.KeyCheck.IsZero():
		return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: vault, base, container, manifest and key check are all needed", m.Rung)
	case m.Version == 0:
		return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: versions are numbered from 1", m.Rung)
	case m.Loss < 0:
		return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: negative loss", m.Rung)
	case len(m.Signature) != ed25519.SignatureSize:
		return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: signature of %d bytes, want %d", m.Rung, len(m.Signature), ed25519.SignatureSize)
	case len(m.Shares) == 0 || len(m.Shares) > MaxKeepers:
		return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: %d shares, want 1 to %d", m.Rung, len(m.Shares), MaxKeepers)
	}
	for i, s := range m.Shares {
		if len(s.Sealed) == 0 || len(s.Sealed) > MaxShare {
			return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: share of %d bytes, want 1 to %d", m.Rung, len(s.Sealed), MaxShare)
		}
		if i > 0 && s.Keeper <= m.Shares[i-1].Keeper {
			return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: shares not sorted by keeper", m.Rung)
		}
	}
	return nil
}

// Check implements crescendo.Message.
func (m *MsgRequestKey) Check() error {
	if m.Rung == 0 || m.Vault.IsZero() || m.Nonce.IsZero() {
		return crescendo.Errorf(crescendo.CodeInvalid, "request key: rung, vault and nonce are all needed")
	}
	return nil
}

// Check implements crescendo.Message.
func (m *MsgHandOver) Check() error {
	if m.Rung == 0 || m.Vault.IsZero() || m.Nonce.IsZero() {
		return crescendo.Errorf(crescendo.CodeInvalid, "hand over key: rung, vault and nonce are all needed")
	}
	if len(m.Sealed) == 0 || len(m.Sealed) > MaxShare {
		return crescendo.Errorf(crescendo.CodeInvalid, "hand over key: share of %d bytes, want 1 to %d", len(m.Sealed), MaxShare)
	}
	return nil
}

// Check implements crescendo.Message.
func (m *MsgPublishKey) Check() error {
	if m.Rung == 0 || len(m.Key) != KeySize {
		return crescendo.Errorf(crescendo.CodeInvalid, "publish key of rung %d: key of %d bytes, want %d", m.Rung, len(m.Key), KeySize)
	}
	return nil
}

// Check implements crescendo.Message.
func (m *MsgAllow) Check() error {
	if len(m.Measurement) == 0 || len(m.Measurement) > MaxMeasurement {
		return crescendo.Errorf(crescendo.CodeInvalid, "allow measurement of %d bytes, want 1 to %d", len(m.Measurement), MaxMeasurement)
	}
	return nil
}

func checkSealKey(doing string, key []byte) error {
	if len(key) == 0 || len(key) > MaxSealKey {
		return crescendo.Errorf(crescendo.CodeInvalid, "%s: sealing key of %d bytes, want 1 to %d", doing, len(key), MaxSealKey)
	}
	return nil
}
