package inference

import "github.com/crescendo-network/crescendo"

// MsgOpen opens a session: the client's escrow, from which only receipts pay.
type MsgOpen struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Vault  crescendo.Hash    `pb:"3"`
	Escrow crescendo.Amount  `pb:"4"`
	Key    []byte            `pb:"5"` // ed25519 public key that signs the session's requests
}

// Receipt is the vault's word on what a session has used so far. Totals are
// cumulative, so the newest receipt supersedes the ones before it.
type Receipt struct {
	Chain    string           `pb:"1"`
	Session  uint64           `pb:"2"`
	Sequence uint64           `pb:"3"` // from 1, no gaps
	Previous crescendo.Hash   `pb:"4"` // Digest of receipt Sequence-1; zero for the first
	Requests uint64           `pb:"5"`
	Input    uint64           `pb:"6"` // prompt tokens
	Output   uint64           `pb:"7"` // tokens delivered
	Charged  crescendo.Amount `pb:"8"`
}

// SignedReceipt carries the ed25519 signature of the session's vault over
// Digest.
type SignedReceipt struct {
	Receipt   Receipt `pb:"1"`
	Signature []byte  `pb:"2"`
}

// MsgSettle moves escrow to revenue according to a chain of receipts that
// begins after the last settled one. Anyone may send it.
type MsgSettle struct {
	Sender   crescendo.Account `pb:"1"`
	Receipts []SignedReceipt   `pb:"2"` // at most MaxReceipts, one session
	Final    bool              `pb:"3"` // close the session; only client or operator may
}

// MsgClose asks for what is left of an escrow. It is paid GraceBlocks later,
// so that the vault's last receipts can still be settled.
type MsgClose struct {
	Sender  crescendo.Account `pb:"1"`
	Session uint64            `pb:"2"`
}
