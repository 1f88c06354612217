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
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
)

// ContentType names an envelope in HTTP.
const ContentType = "application/crescendo-sealed"

// Bounds on what strangers send.
const (
	MaxRequest  = 256 << 10 // plaintext of a request
	MaxEnvelope = MaxRequest + 4<<10
	MaxChunk    = 64 << 10 // one sealed event
	MaxMessages = 256
	MaxStops    = 4
	maxStop     = 256
	Million     = 1_000_000 // unit of Temperature and TopP
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

// Message is one turn of a chat.
type Message struct {
	Role    string `pb:"1"` // "system", "user" or "assistant"
	Content string `pb:"2"`
}

// Request asks for a completion of Messages or, if there are none, of Prompt.
type Request struct {
	Session     uint64    `pb:"1"`
	Counter     uint64    `pb:"2"` // above that of every earlier request of the session
	Messages    []Message `pb:"3"`
	Prompt      string    `pb:"4"`
	MaxTokens   uint32    `pb:"5"` // 0: as many as context and escrow allow
	Temperature uint32    `pb:"6"` // millionths; 0: greedy
	TopP        uint32    `pb:"7"` // millionths; 0: all
	Seed        uint64    `pb:"8"`
	Stop        []string  `pb:"9"`
	Signature   []byte    `pb:"10"` // the session key's
}

// Check refuses what is out of bounds.
func (r *Request) Check() error {
	switch {
	case len(r.Messages) > MaxMessages:
		return fmt.Errorf("%d messages, limit %d: %w", len(r.Messages), MaxMessages, ErrMalformed)
	case len(r.Messages) > 0 && r.Prompt != "":
		return fmt.Errorf("both messages and a prompt: %w", ErrMalformed)
	case len(r.Stop) > MaxStops:
		return fmt.Errorf("%d stop sequences, limit %d: %w", len(r.Stop), MaxStops, ErrMalformed)
	case r.Temperature > 2*Million || r.TopP > Million:
		return fmt.Errorf("temperature or top_p out of range: %w", ErrMalformed)
	}
	for _, s := range r.Stop {
		if s == "" || len(s) > maxStop {
			return fmt.Errorf("stop sequence of %d bytes, want 1 to %d: %w", len(s), maxStop, ErrMalformed)
		}
	}
	for _, m := range r.Messages {
		if m.Role != "system" && m.Role != "user" && m.Role != "assistant" {
			return fmt.Errorf("role %q: %w", m.Role, ErrMalformed)
		}
	}
	return nil
}

func (r Request) signed(b Binding) []byte {
	r.Signature = nil
	sum := digest.Sum("crescendo/prompt/signature/v1", canon.Encode(b), canon.Encode(r))
	return sum[:]
}

// Sign signs the request with the session's key.
func (r *Request) Sign(b Binding, key ed25519.PrivateKey) {
	r.Signature = ed25519.Sign(key, r.signed(b))
}

// SignedBy reports whether the session key with this public half signed r.
func (r *Request) SignedBy(b Binding, public []byte) bool {
	return len(public) == ed25519.PublicKeySize && ed25519.Verify(public, r.signed(b), r.Signature)
}

// Failure says why a vault did not answer, or not to the end.
type Failure struct {
	Code string `pb:"1"`
	Text string `pb:"2"`
	Hint string `pb:"3"`
}

// Codes of failures.
const (
	FailContext  = "context_length_exceeded"
	FailFunds    = "insufficient_escrow"
	FailSession  = "invalid_session"
	FailRequest  = "invalid_request"
	FailBusy     = "busy"
	FailInternal = "internal"
)

// Reasons why an answer is finished.
const (
	FinishStop   = "stop"
	FinishLength = "length"
)

// Event is one part of an answer. Final events have the totals of the request
// and the receipt that includes it; a failed request that used nothing has no
// receipt.
type Event struct {
	Text    []byte                  `pb:"1"` // whole UTF-8 characters
	Tokens  []uint32                `pb:"2"` // delivered with this event
	Final   bool                    `pb:"3"`
	Finish  string                  `pb:"4"`
	Input   uint64                  `pb:"5"`
	Output  uint64                  `pb:"6"`
	Receipt inference.SignedReceipt `pb:"7"`
	Failure Failure                 `pb:"8"`
	Padding []byte                  `pb:"15"` // zeros: sizes should not tell the text's length
}

const padTo = 128

// encode pads the event to a multiple of padTo bytes, as far as the length
// prefix of the padding itself allows.
func (e Event) encode() []byte {
	e.Padding = nil
	raw := canon.Encode(e)
	if missing := padTo - (len(raw)+3)%padTo; missing < padTo {
		e.Padding = make([]byte, missing)
		return canon.Encode(e)
	}
	return raw
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
