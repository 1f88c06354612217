// Package ledger is how seats speak to the ledger: sign and submit messages,
// read proved state, follow blocks. Drivers: client (a cosmos ledger over its
// RPC, without the Cosmos SDK) and memory (the same rules in one process, for
// tests and simulation). Both pass ledgertest.
package ledger

import (
	"context"
	"errors"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Errors that callers branch on. Rule refusals are *crescendo.Error.
var (
	// ErrUnavailable means the ledger could not be reached; try again.
	ErrUnavailable = errors.New("ledger unavailable")
	// ErrWrongChain means the ledger at this address is another chain.
	ErrWrongChain = errors.New("wrong chain")
	// ErrProof means an answer did not come with a valid proof; never use it.
	ErrProof = errors.New("invalid ledger proof")
)

// Signer holds an account's key. Implementations redact themselves.
type Signer interface {
	Account() crescendo.Account
	PublicKey() []byte                        // compressed secp256k1
	Sign(signDocument []byte) ([]byte, error) // 64 bytes r||s over SHA-256
}

// Head is the newest committed block.
type Head struct {
	ChainID string
	Height  crescendo.Height
	Time    int64 // Unix milliseconds
	AppHash []byte
	Beacon  crescendo.Hash // the Env.Beacon of block Height+1
}

// Block is a committed block as seats see it: what happened in it.
type Block struct {
	Height crescendo.Height
	Time   int64 // Unix milliseconds
	Events []crescendo.Event
}

// Result tells where a transaction was included.
type Result struct {
	Height crescendo.Height
	TxHash string
	Events []crescendo.Event
}

// Ledger is one chain, reached by some driver. All methods are safe for
// concurrent use.
type Ledger interface {
	ChainID() string
	// Head returns the newest committed block.
	Head(ctx context.Context) (Head, error)
	// Submit signs the messages as one transaction, all or nothing, and
	// returns once a block includes it. All messages must be from the signer.
	// A refusal is a *crescendo.Error and has changed nothing.
	Submit(ctx context.Context, signer Signer, msgs ...crescendo.Message) (Result, error)
	// State returns a Reader of the newest committed state. Every Get is
	// proved against a header signed by the validators; Range is proved entry
	// by entry (absence of entries is not proved). The Reader stays at one
	// height as long as the ledger still has it, for at least 100 blocks.
	State(ctx context.Context) (State, error)
	// Balance returns an account's or pot's balance in the settlement denom.
	Balance(ctx context.Context, account crescendo.Account) (crescendo.Amount, error)
	// Next waits for the block at height and returns it.
	Next(ctx context.Context, height crescendo.Height) (Block, error)
}

// State reads rule state at one height: pass it to the collections of the
// rule packages, as in training.Runs.Get(state, uint32(1)).
type State interface {
	kv.Reader
	Height() crescendo.Height
}
