package inference

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Bounds on the work of one message and of one block.
const (
	MaxReceipts = 64 // of one settlement
	MaxRefunds  = 64 // paid in one block
)

// Session is a client's escrow with one vault.
type Session struct {
	Client      crescendo.Account `pb:"1"`
	Operator    crescendo.Account `pb:"2"`
	Rung        crescendo.RungID  `pb:"3"`
	Vault       crescendo.Hash    `pb:"4"`
	Key         []byte            `pb:"5"`
	Escrow      crescendo.Amount  `pb:"6"` // deposited in all
	Settled     crescendo.Amount  `pb:"7"`
	Last        crescendo.Hash    `pb:"8"` // digest of the last settled receipt
	Sequence    uint64            `pb:"9"`
	Requests    uint64            `pb:"10"`
	Input       uint64            `pb:"11"`
	Output      uint64            `pb:"12"`
	Closing     crescendo.Height  `pb:"13"` // refund is paid at this height; zero: open
	Closed      bool              `pb:"14"`
	InputPrice  crescendo.Amount  `pb:"15"`
	OutputPrice crescendo.Amount  `pb:"16"`
	VaultKey    []byte            `pb:"17"` // ed25519 key receipts are checked against
	Grace       uint64            `pb:"18"` // blocks between a client's final settlement and its refund
	Weights     string            `pb:"19"` // what answers are computed with; WeightsFloat32 or WeightsQ8
}

// Usage is what a rung has served so far, settled.
type Usage struct {
	Sessions uint64           `pb:"1"`
	Requests uint64           `pb:"2"`
	Input    uint64           `pb:"3"`
	Output   uint64           `pb:"4"`
	Revenue  crescendo.Amount `pb:"5"`
	Escrowed crescendo.Amount `pb:"6"` // open escrow: equals the pot's balance
}

// Counter numbers sessions.
type Counter struct {
	Next uint64 `pb:"1"`
}

// The rule's collections.
var (
	Sessions = kv.Map[Session]{Name: "inference/session"} // uint64(session)
	Usages   = kv.Map[Usage]{Name: "inference/usage"}     // uint32(rung)
	Counters = kv.Map[Counter]{Name: "inference/counter"} // none
	// ByClient indexes sessions: account, uint64(session).
	ByClient = kv.Map[Counter]{Name: "inference/client"}
	// Queue holds the sessions that wait for their refund: uint64(height),
	// uint64(session).
	Queue = kv.Map[Counter]{Name: "inference/queue"}
)
