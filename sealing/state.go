package sealing

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// MaxEvidence bounds a vault's evidence in bytes.
const MaxEvidence = 16 << 10

// Vault is an enclave the policy has accepted.
type Vault struct {
	Operator    crescendo.Account `pb:"1"`
	SignKey     []byte            `pb:"2"`
	SealKey     []byte            `pb:"3"`
	Measurement []byte            `pb:"4"`
	Kind        string            `pb:"5"` // "sim", "tdx", ...
	Assurance   string            `pb:"6"` // for people: "simulated: the operator can read everything"
	Height      crescendo.Height  `pb:"7"`
	Denied      bool              `pb:"8"`
	Trust       Trust             `pb:"9"`
}

// Keeper holds shares of keys.
type Keeper struct {
	SealKey []byte `pb:"1"`
}

// Seal is a finished, sealed model.
type Seal struct {
	Vault     crescendo.Hash      `pb:"1"`
	Version   uint32              `pb:"2"`
	Base      crescendo.Hash      `pb:"3"`
	Container crescendo.Hash      `pb:"4"`
	Manifest  crescendo.Hash      `pb:"5"`
	KeyCheck  crescendo.Hash      `pb:"6"`
	Steps     uint32              `pb:"7"`
	Loss      crescendo.MicroNats `pb:"8"`
	Shares    []Share             `pb:"9"`
	Height    crescendo.Height    `pb:"10"`
	Policy    string              `pb:"11"`
	Key       []byte              `pb:"12"` // published once the policy opens the rung
	MayOpen   bool                `pb:"13"`
}

// Request is a vault's request for a key and what keepers answered.
type Request struct {
	Nonce  crescendo.Hash   `pb:"1"`
	Height crescendo.Height `pb:"2"`
	Shares []Share          `pb:"3"` // sealed to the vault, one per keeper that answered
}

// Measurement is an entry of the policy.
type Measurement struct {
	Since  crescendo.Height `pb:"1"`
	Denied bool             `pb:"2"`
}

// The rule's collections.
var (
	Vaults       = kv.Map[Vault]{Name: "sealing/vault"}             // vault id bytes
	Keepers      = kv.Map[Keeper]{Name: "sealing/keeper"}           // account
	Seals        = kv.Map[Seal]{Name: "sealing/seal"}               // uint32(rung)
	Requests     = kv.Map[Request]{Name: "sealing/request"}         // uint32(rung), vault id bytes
	Measurements = kv.Map[Measurement]{Name: "sealing/measurement"} // measurement bytes
	Anchors      = kv.Map[Anchor]{Name: "sealing/anchor"}           // uint64(height)
)
