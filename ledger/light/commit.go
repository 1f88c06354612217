package light

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxValidators bounds the work of one verification.
const maxValidators = 1000

// ErrInvalid means that an answer does not prove what it claims.
var ErrInvalid = errors.New("not proved by the ledger")

// PublicKey is a validator's key.
type PublicKey struct {
	Type  string `json:"type" pb:"1"`
	Value []byte `json:"value" pb:"2"`
}

// Validator votes on blocks with its power.
type Validator struct {
	Address Hex       `json:"address" pb:"1"`
	Key     PublicKey `json:"pub_key" pb:"2"`
	Power   int64     `json:"voting_power,string" pb:"3"`
}

const ed25519Type = "tendermint/PubKeyEd25519"

// ValidatorsHash returns the hash by which headers name a validator set.
func ValidatorsHash(set []Validator) []byte {
	leaves := make([][]byte, len(set))
	for i, v := range set {
		key := appendMessage(nil, 1, v.Key.Value)
		leaves[i] = appendUint(appendMessage(nil, 1, key), 2, uint64(v.Power))
	}
	return merkle(leaves)
}

// Signature is one validator's part of a commit.
type Signature struct {
	Flag      uint32 `json:"block_id_flag" pb:"1"`
	Address   Hex    `json:"validator_address" pb:"2"`
	Time      Time   `json:"timestamp" pb:"3"`
	Signature []byte `json:"signature" pb:"4"`
}

// flagCommit marks a signature for the block.
const flagCommit = 2

// Commit carries the votes that made a block final.
type Commit struct {
	Height     int64       `json:"height,string" pb:"1"`
	Round      int32       `json:"round" pb:"2"`
	BlockID    BlockID     `json:"block_id" pb:"3"`
	Signatures []Signature `json:"signatures" pb:"4"`
}

// SignedHeader is a header with the votes for it.
type SignedHeader struct {
	Header Header `json:"header" pb:"1"`
	Commit Commit `json:"commit" pb:"2"`
}

// signBytes returns what a validator signed to vote for the commit's block.
func (c Commit) signBytes(chainID string, t Time) []byte {
	vote := appendUint(nil, 1, 2) // precommit
	vote = appendFixed(vote, 2, c.Height)
	vote = appendFixed(vote, 3, int64(c.Round))
	vote = appendMessage(vote, 4, c.BlockID.encode())
	vote = appendMessage(vote, 5, t.encode())
	vote = appendBytes(vote, 6, []byte(chainID))
	return append(protowire.AppendVarint(nil, uint64(len(vote))), vote...)
}

// checkCommit verifies that the set is the header's and that more than two
// thirds of its power voted for exactly this header.
func checkCommit(s SignedHeader, set []Validator) error {
	switch {
	case len(set) == 0 || len(set) > maxValidators:
		return fmt.Errorf("%w: %d validators", ErrInvalid, len(set))
	case !bytes.Equal(ValidatorsHash(set), s.Header.ValidatorsHash):
		return fmt.Errorf("%w: validators are not those of header %d", ErrInvalid, s.Header.Height)
	case s.Commit.Height != s.Header.Height:
		return fmt.Errorf("%w: commit of height %d for header %d", ErrInvalid, s.Commit.Height, s.Header.Height)
	case !bytes.Equal(s.Commit.BlockID.Hash, s.Header.Hash()):
		return fmt.Errorf("%w: commit is for another block at height %d", ErrInvalid, s.Header.Height)
	case len(s.Commit.Signatures) != len(set):
		return fmt.Errorf("%w: %d signatures of %d validators", ErrInvalid, len(s.Commit.Signatures), len(set))
	}
	var total, signed int64
	for i, v := range set {
		if v.Power <= 0 || v.Power > math.MaxInt64/8-total || v.Key.Type != ed25519Type || len(v.Key.Value) != ed25519.PublicKeySize {
			return fmt.Errorf("%w: validator %d is malformed", ErrInvalid, i)
		}
		total += v.Power
		sig := s.Commit.Signatures[i]
		if sig.Flag != flagCommit {
			continue
		}
		if !ed25519.Verify(v.Key.Value, s.Commit.signBytes(s.Header.ChainID, sig.Time), sig.Signature) {
			return fmt.Errorf("%w: wrong signature of validator %d at height %d", ErrInvalid, i, s.Header.Height)
		}
		signed += v.Power
	}
	if signed <= total/3*2+total%3*2/3 {
		return fmt.Errorf("%w: votes of %d out of %d at height %d, want more than two thirds", ErrInvalid, signed, total, s.Header.Height)
	}
	return nil
}
