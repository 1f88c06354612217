package sealing

import "github.com/crescendo-network/crescendo"

// MsgRegisterVault presents an enclave's evidence. The evidence binds the two
// keys; the ledger appraises it under the current policy.
type MsgRegisterVault struct {
	Sender   crescendo.Account `pb:"1"` // the operator, who is paid for serving
	Evidence []byte            `pb:"2"` // at most MaxEvidence bytes
	SignKey  []byte            `pb:"3"` // ed25519, signs seals and receipts
	SealKey  []byte            `pb:"4"` // HPKE MLKEM768-X25519, receives keys and prompts
}

// MsgRegisterKeeper appoints a keeper of keys, or says which key its shares
// are sealed to. The organiser appoints by naming Keeper, with or without a
// SealKey; an appointed keeper sets or replaces its own SealKey by leaving
// Keeper empty. An organiser that leaves Keeper empty appoints itself.
type MsgRegisterKeeper struct {
	Sender  crescendo.Account `pb:"1"`
	SealKey []byte            `pb:"2"`
	Keeper  crescendo.Account `pb:"3"`
}

// Share is a part of a rung's key, sealed to one keeper by the vault.
type Share struct {
	Keeper crescendo.Account `pb:"1"`
	Sealed []byte            `pb:"2"`
}

// MsgSeal announces that a vault has finished a rung's model and sealed it.
// Signature is the vault's, over SealDigest.
type MsgSeal struct {
	Sender    crescendo.Account   `pb:"1"` // the vault's operator
	Rung      crescendo.RungID    `pb:"2"`
	Vault     crescendo.Hash      `pb:"3"` // VaultID of the sealing vault
	Version   uint32              `pb:"4"`
	Base      crescendo.Hash      `pb:"5"`  // last public checkpoint
	Container crescendo.Hash      `pb:"6"`  // ciphertext blob
	Manifest  crescendo.Hash      `pb:"7"`  // public manifest blob
	KeyCheck  crescendo.Hash      `pb:"8"`  // commitment to the key: KeyCheck(key)
	Steps     uint32              `pb:"9"`  // steps done inside the vault
	Loss      crescendo.MicroNats `pb:"10"` // held out, per token, attested by the vault
	Shares    []Share             `pb:"11"`
	Signature []byte              `pb:"12"`
}

// MsgRequestKey asks the keepers to hand a rung's key to a vault.
type MsgRequestKey struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Vault  crescendo.Hash    `pb:"3"`
	Nonce  crescendo.Hash    `pb:"4"` // fresh, chosen by the vault, which believes no state without it
}

// MsgHandOver carries a keeper's share, sealed to the requesting vault.
type MsgHandOver struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Vault  crescendo.Hash    `pb:"3"`
	Nonce  crescendo.Hash    `pb:"4"`
	Sealed []byte            `pb:"5"`
}

// MsgPublishKey opens a rung: anyone may send the key once the rung's policy
// says so, and it counts if it matches KeyCheck.
type MsgPublishKey struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Key    []byte            `pb:"3"`
}

// MsgAllow adds a measurement to the policy or, with Deny, removes it at once.
// Only the organiser may send it.
type MsgAllow struct {
	Sender      crescendo.Account `pb:"1"`
	Measurement []byte            `pb:"2"`
	Deny        bool              `pb:"3"`
}
