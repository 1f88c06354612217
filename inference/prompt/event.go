package prompt

import (
	"fmt"
	"math"

	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/canon"
)

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

// What the tokens of an event are. Only those that were made are output, which
// is counted and charged.
const (
	TokensMade     = 0
	TokensOfPrompt = 1 // an echo, before everything else
	TokenOfEnd     = 2 // the token by which the model ended its answer; it has no text
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
	Kind    uint32                  `pb:"9"`  // of Tokens
	Scores  []Score                 `pb:"10"` // one for each of Tokens, if they were asked for
	Padding []byte                  `pb:"15"` // zeros: sizes should not tell the text's length
}

// Score is how likely the model held a token to be, before temperature and all
// other ways of choosing.
type Score struct {
	Loss uint64        `pb:"1"` // -log p in micro-nats
	None bool          `pb:"2"` // nothing stood before the token
	Top  []Alternative `pb:"3"` // the likeliest tokens in its place, best first
}

// Alternative is a token that could have stood in a place.
type Alternative struct {
	Token uint32 `pb:"1"`
	Loss  uint64 `pb:"2"`
}

// MaxLoss is the loss of what is practically impossible.
const MaxLoss = 9_999 * Million

// LossOf turns a natural logarithm of a probability into a loss.
func LossOf(logprob float64) uint64 {
	loss := math.Round(-logprob * Million)
	switch {
	case !(loss > 0): // rounding may leave a probability just above one
		return 0
	case loss > MaxLoss:
		return MaxLoss
	}
	return uint64(loss)
}

// check refuses an event that no honest vault makes.
func (e *Event) check() error {
	switch {
	case e.Kind > TokenOfEnd:
		return fmt.Errorf("tokens of kind %d: %w", e.Kind, ErrMalformed)
	case len(e.Scores) != 0 && len(e.Scores) != len(e.Tokens):
		return fmt.Errorf("%d scores of %d tokens: %w", len(e.Scores), len(e.Tokens), ErrMalformed)
	case e.Final && len(e.Tokens) > 0:
		return fmt.Errorf("tokens in the end marker: %w", ErrMalformed)
	}
	for _, s := range e.Scores {
		if len(s.Top) > MaxAlternatives || s.Loss > MaxLoss {
			return fmt.Errorf("a score of %d with %d alternatives: %w", s.Loss, len(s.Top), ErrMalformed)
		}
		for _, a := range s.Top {
			if a.Loss > MaxLoss {
				return fmt.Errorf("an alternative of score %d: %w", a.Loss, ErrMalformed)
			}
		}
	}
	return nil
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
