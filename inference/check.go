package inference

import (
	"crypto/ed25519"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

// Check implements crescendo.Message.
func (m *MsgOpen) Check() error {
	switch {
	case m.Rung == 0:
		return crescendo.Errorf(crescendo.CodeInvalid, "open session: the rung is missing: rungs count from 1")
	case m.Vault.IsZero():
		return crescendo.Errorf(crescendo.CodeInvalid, "open session: the vault is missing")
	case m.Escrow == 0:
		return crescendo.Errorf(crescendo.CodeInvalid, "open session: the escrow is zero")
	case len(m.Key) != ed25519.PublicKeySize:
		return crescendo.Errorf(crescendo.CodeInvalid, "open session: the key has %d bytes, want %d", len(m.Key), ed25519.PublicKeySize)
	}
	return address.CheckSender(m.Sender)
}

// Check implements crescendo.Message.
func (m *MsgSettle) Check() error {
	if len(m.Receipts) == 0 || len(m.Receipts) > MaxReceipts {
		return crescendo.Errorf(crescendo.CodeInvalid, "settle: %d receipts, want 1 to %d", len(m.Receipts), MaxReceipts)
	}
	first := m.Receipts[0].Receipt
	for i, r := range m.Receipts {
		switch {
		case r.Receipt.Session == 0 || r.Receipt.Sequence == 0:
			return crescendo.Errorf(crescendo.CodeInvalid, "settle: receipt without session or sequence: both count from 1")
		case r.Receipt.Session != first.Session:
			return crescendo.Errorf(crescendo.CodeInvalid, "settle: receipts of sessions %d and %d in one message",
				first.Session, r.Receipt.Session)
		case r.Receipt.Sequence-first.Sequence != uint64(i):
			return crescendo.Errorf(crescendo.CodeInvalid, "settle session %d: receipt %d is followed by %d",
				first.Session, m.Receipts[max(i, 1)-1].Receipt.Sequence, r.Receipt.Sequence)
		case len(r.Signature) != ed25519.SignatureSize:
			return crescendo.Errorf(crescendo.CodeInvalid, "settle session %d: the signature of receipt %d has %d bytes, want %d",
				first.Session, r.Receipt.Sequence, len(r.Signature), ed25519.SignatureSize)
		}
	}
	return address.CheckSender(m.Sender)
}

// Check implements crescendo.Message.
func (m *MsgClose) Check() error {
	if m.Session == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "close: the session is missing: sessions count from 1")
	}
	return address.CheckSender(m.Sender)
}
