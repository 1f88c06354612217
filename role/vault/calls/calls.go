// Package calls lists what a vault and its host ask of each other over the
// wire, and the form of arguments and answers. The host is not trusted: what
// it answers is verified, what it asks is bounded.
package calls

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/sealing"
)

// The host calls these.
const (
	Start = "start" // StartArgs -> Identity; once
	Seal  = "seal"  // SealArgs -> SealReply; trains the last steps and seals
	Nonce = "nonce" // RungArgs -> NonceReply; for a key request
	Load  = "load"  // RungArgs -> nothing; after the keepers have answered
	Ask   = "ask"   // an envelope -> sealed chunks
	State = "state" // nothing -> Status
)

// The vault calls these.
const (
	Prove   = "prove"   // ProveArgs -> a proof.Bundle
	Get     = "get"     // GetArgs -> the blob
	Put     = "put"     // PutArgs, then the blob -> nothing
	Receipt = "receipt" // ReceiptArgs -> nothing; kept durably when it returns
)

// StartArgs tell a new vault whom it serves and which ledger it is to believe.
type StartArgs struct {
	Chain    string            `pb:"1"`
	Operator crescendo.Account `pb:"2"`
	Trust    sealing.Trust     `pb:"3"`
	Threads  uint32            `pb:"4"`
}

// Measure is one measure of isolation that the vault took or could not take.
type Measure struct {
	Name   string `pb:"1"`
	Held   bool   `pb:"2"`
	Detail string `pb:"3"`
}

// Identity is the vault's public side.
type Identity struct {
	Vault    crescendo.Hash `pb:"1"`
	SignKey  []byte         `pb:"2"`
	SealKey  []byte         `pb:"3"`
	Evidence []byte         `pb:"4"`
	Measures []Measure      `pb:"5"`
	Kernel   string         `pb:"6"`
}

// RungArgs name a rung.
type RungArgs struct {
	Rung crescendo.RungID `pb:"1"`
}

// SealArgs name a rung and the keepers that may hold its key; the vault
// verifies each of them.
type SealArgs struct {
	Rung    crescendo.RungID    `pb:"1"`
	Keepers []crescendo.Account `pb:"2"`
}

// SealReply is the signed message to submit, and losses for people: held out,
// per token, before and after the vault's own steps.
type SealReply struct {
	Message sealing.MsgSeal     `pb:"1"`
	Before  crescendo.MicroNats `pb:"2"`
	After   crescendo.MicroNats `pb:"3"`
}

// NonceReply is the vault's fresh nonce.
type NonceReply struct {
	Nonce crescendo.Hash `pb:"1"`
}

// Loaded is a model being served.
type Loaded struct {
	Rung     crescendo.RungID `pb:"1"`
	KeyCheck crescendo.Hash   `pb:"2"`
	Requests uint64           `pb:"3"`
	Output   uint64           `pb:"4"`
}

// Status is what a vault tells its host about itself.
type Status struct {
	Loaded   []Loaded         `pb:"1"`
	Sessions uint64           `pb:"2"`
	Height   crescendo.Height `pb:"3"` // newest proved
}

// ProveArgs name ledger entries, to be proved at one height above After.
type ProveArgs struct {
	Keys  [][]byte         `pb:"1"`
	After crescendo.Height `pb:"2"`
}

// GetArgs name a blob.
type GetArgs struct {
	Hash crescendo.Hash `pb:"1"`
	Max  uint64         `pb:"2"`
}

// PutArgs announce a blob.
type PutArgs struct {
	Hash crescendo.Hash `pb:"1"`
	Size uint64         `pb:"2"`
}

// ReceiptArgs carry a receipt to keep. A provisional one stands for an answer
// that is still being given: the receipt of the same sequence that follows
// supersedes it, so it may be settled only once its vault has ended.
type ReceiptArgs struct {
	Receipt     inference.SignedReceipt `pb:"1"`
	Provisional bool                    `pb:"2"`
}
