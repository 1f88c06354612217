// Package light verifies what a ledger node says, without trusting it: block
// headers against the signatures of two thirds of the validators, and single
// entries of state against a header.
//
// It is written by hand against CometBFT's and ICS-23's formats, because the
// measured vault links it; tests compare it with the originals. It does no
// I/O, knows no trusting period, and accepts ed25519 validators only.
package light

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Hex is a byte string that JSON carries in hexadecimal.
type Hex []byte

// MarshalText writes upper-case hexadecimal digits.
func (h Hex) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%X", []byte(h)), nil }

// UnmarshalText reads hexadecimal digits.
func (h *Hex) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if len(raw) == 0 {
		raw = nil
	}
	*h = raw
	return err
}

// Time is a block's or vote's time.
type Time struct {
	Seconds int64 `pb:"1"`
	Nanos   int64 `pb:"2"`
}

// UnixMilli returns milliseconds since 1970.
func (t Time) UnixMilli() int64 { return t.Seconds*1000 + t.Nanos/1e6 }

// MarshalJSON writes RFC 3339.
func (t Time) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Unix(t.Seconds, t.Nanos).UTC())
}

// UnmarshalJSON reads RFC 3339.
func (t *Time) UnmarshalJSON(raw []byte) error {
	var v time.Time
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	*t = Time{v.Unix(), int64(v.Nanosecond())}
	return nil
}

func (t Time) encode() []byte {
	return appendUint(appendUint(nil, 1, uint64(t.Seconds)), 2, uint64(t.Nanos))
}

// Parts names the parts in which a block travels.
type Parts struct {
	Total uint32 `json:"total" pb:"1"`
	Hash  Hex    `json:"hash" pb:"2"`
}

// BlockID names a block.
type BlockID struct {
	Hash  Hex   `json:"hash" pb:"1"`
	Parts Parts `json:"parts" pb:"2"`
}

func (b BlockID) encode() []byte {
	parts := appendBytes(appendUint(nil, 1, uint64(b.Parts.Total)), 2, b.Parts.Hash)
	return appendMessage(appendBytes(nil, 1, b.Hash), 2, parts)
}

// Version is the protocol version a block was made under.
type Version struct {
	Block uint64 `json:"block,string" pb:"1"`
	App   uint64 `json:"app,string,omitempty" pb:"2"`
}

// Header is a block header, with the JSON names of CometBFT's RPC.
type Header struct {
	Version            Version `json:"version" pb:"1"`
	ChainID            string  `json:"chain_id" pb:"2"`
	Height             int64   `json:"height,string" pb:"3"`
	Time               Time    `json:"time" pb:"4"`
	LastBlockID        BlockID `json:"last_block_id" pb:"5"`
	LastCommitHash     Hex     `json:"last_commit_hash" pb:"6"`
	DataHash           Hex     `json:"data_hash" pb:"7"`
	ValidatorsHash     Hex     `json:"validators_hash" pb:"8"`
	NextValidatorsHash Hex     `json:"next_validators_hash" pb:"9"`
	ConsensusHash      Hex     `json:"consensus_hash" pb:"10"`
	AppHash            Hex     `json:"app_hash" pb:"11"` // of the state before this block
	LastResultsHash    Hex     `json:"last_results_hash" pb:"12"`
	EvidenceHash       Hex     `json:"evidence_hash" pb:"13"`
	ProposerAddress    Hex     `json:"proposer_address" pb:"14"`
}

// Hash returns the block's hash, which names it.
func (h Header) Hash() []byte {
	wrap := func(b []byte) []byte { return appendBytes(nil, 1, b) }
	return merkle([][]byte{
		appendUint(appendUint(nil, 1, h.Version.Block), 2, h.Version.App),
		wrap([]byte(h.ChainID)),
		appendUint(nil, 1, uint64(h.Height)),
		h.Time.encode(),
		h.LastBlockID.encode(),
		wrap(h.LastCommitHash),
		wrap(h.DataHash),
		wrap(h.ValidatorsHash),
		wrap(h.NextValidatorsHash),
		wrap(h.ConsensusHash),
		wrap(h.AppHash),
		wrap(h.LastResultsHash),
		wrap(h.EvidenceHash),
		wrap(h.ProposerAddress),
	})
}

// TxsHash returns the DataHash of a block with these transactions.
func TxsHash(txs [][]byte) []byte {
	leaves := make([][]byte, len(txs))
	for i, tx := range txs {
		sum := sha256.Sum256(tx)
		leaves[i] = sum[:]
	}
	return merkle(leaves)
}

// merkle is the RFC 6962 tree hash.
func merkle(leaves [][]byte) []byte {
	switch len(leaves) {
	case 0:
		sum := sha256.Sum256(nil)
		return sum[:]
	case 1:
		return sha([]byte{0}, leaves[0])
	}
	split := 1 << (bits.Len(uint(len(leaves)-1)) - 1)
	return sha([]byte{1}, merkle(leaves[:split]), merkle(leaves[split:]))
}

func sha(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func appendUint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendFixed(b []byte, num protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), uint64(v))
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return appendMessage(b, num, v)
}

// appendMessage writes a field even if it is empty.
func appendMessage(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}
