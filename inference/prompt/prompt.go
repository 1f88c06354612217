// Package prompt is the protocol between a client and a vault: a request sealed
// to the vault's key, and a stream of answers under a key that only the two
// share. Whoever carries them sees sizes and times.
//
// Requests are signed by the session's key and counted, so a relay can neither
// spend a session nor replay a request. The answer has an explicit end, so a
// relay cannot cut it unnoticed. There is no form without encryption.
//
// The package does no I/O but frame reading, and knows nothing of models.
package prompt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
)

// ContentType names an envelope in HTTP.
const ContentType = "application/crescendo-sealed"

// Bounds on what strangers send.
const (
	MaxRequest  = 256 << 10 // plaintext of a request
	MaxEnvelope = MaxRequest + 4<<10
	MaxChunk    = 64 << 10 // one sealed event
)

var (
	// ErrSealed means that an envelope or an answer does not open: wrong key,
	// altered, out of order.
	ErrSealed = errors.New("sealed message does not open")

	// ErrTruncated means that an answer ended before its end marker.
	ErrTruncated = errors.New("answer was cut off before its end")

	// ErrMalformed means that a message is not of this protocol.
	ErrMalformed = errors.New("malformed sealed message")
)

// Binding is what both sides must agree on for a message to open.
type Binding struct {
	Chain string           `pb:"1"`
	Rung  crescendo.RungID `pb:"2"`
	Vault crescendo.Hash   `pb:"3"`
}

func (b Binding) info() []byte {
	return append([]byte("crescendo/prompt/request/v1\x00"), canon.Encode(b)...)
}

// envelope is the wire form of a request.
type envelope struct {
	Version uint32  `pb:"1"`
	Binding Binding `pb:"2"`
	Encap   []byte  `pb:"3"`
	Sealed  []byte  `pb:"4"`
}

const magic = "CRPROMPT"

func parseEnvelope(data []byte) (envelope, error) {
	var e envelope
	if len(data) > MaxEnvelope || len(data) < len(magic) || string(data[:len(magic)]) != magic {
		return e, fmt.Errorf("not an envelope: %w", ErrMalformed)
	}
	if err := canon.Decode(data[len(magic):], &e); err != nil {
		return e, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if e.Version != 1 {
		return e, fmt.Errorf("envelope version %d, want 1: %w", e.Version, ErrMalformed)
	}
	return e, nil
}

// Address reads whom an envelope is for: all that a relay needs to know.
func Address(data []byte) (Binding, error) {
	e, err := parseEnvelope(data)
	return e.Binding, err
}

func sequenceNonce(sequence uint64, final bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:11], sequence)
	if final {
		n[11] = 1
	}
	return n
}
