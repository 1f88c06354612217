package prompt

import (
	"crypto/ed25519"
	"fmt"

	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
)

// Bounds of a request.
const (
	MaxMessages     = 256
	MaxTokens       = 1 << 16 // of a prompt that is given as tokens
	MaxStops        = 16
	MaxAlternatives = 20
	MinPenalty      = Million / 100
	MaxPenalty      = 10 * Million
	Million         = 1_000_000 // unit of Temperature, TopP, MinP and RepetitionPenalty

	maxStop = 256
)

// Message is one turn of a chat.
type Message struct {
	Role    string `pb:"1"` // "system", "user" or "assistant"
	Content string `pb:"2"`
}

// Request asks for a completion of Messages, of Tokens or, if there are none of
// either, of Prompt.
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

	Tokens            []uint32 `pb:"11"` // the prompt as the model sees it; nothing is put before it
	TopK              uint32   `pb:"12"` // 0: all
	MinP              uint32   `pb:"13"` // millionths; 0: all
	RepetitionPenalty uint32   `pb:"14"` // millionths; 0: none, as Million
	Logprobs          bool     `pb:"15"` // score every token delivered
	Alternatives      uint32   `pb:"16"` // and so many of the likeliest in its place
	Echo              bool     `pb:"17"` // deliver the prompt's tokens before the answer's
	PromptOnly        bool     `pb:"18"` // make no answer
}

// Check refuses what is out of bounds.
func (r *Request) Check() error {
	switch {
	case len(r.Messages) > MaxMessages:
		return fmt.Errorf("%d messages, limit %d: %w", len(r.Messages), MaxMessages, ErrMalformed)
	case len(r.Messages) > 0 && r.Prompt != "":
		return fmt.Errorf("both messages and a prompt: %w", ErrMalformed)
	case len(r.Tokens) > 0 && (len(r.Messages) > 0 || r.Prompt != ""):
		return fmt.Errorf("both tokens and text: %w", ErrMalformed)
	case len(r.Tokens) > MaxTokens:
		return fmt.Errorf("%d prompt tokens, limit %d: %w", len(r.Tokens), MaxTokens, ErrMalformed)
	case len(r.Stop) > MaxStops:
		return fmt.Errorf("%d stop sequences, limit %d: %w", len(r.Stop), MaxStops, ErrMalformed)
	case r.Temperature > 2*Million || r.TopP > Million || r.MinP > Million:
		return fmt.Errorf("temperature, top_p or min_p out of range: %w", ErrMalformed)
	case r.RepetitionPenalty > MaxPenalty || (r.RepetitionPenalty > 0 && r.RepetitionPenalty < MinPenalty):
		return fmt.Errorf("repetition penalty of %d millionths, want %d to %d: %w", r.RepetitionPenalty, MinPenalty, MaxPenalty, ErrMalformed)
	case r.TopK > MaxTokens:
		return fmt.Errorf("top_k of %d, limit %d: %w", r.TopK, MaxTokens, ErrMalformed)
	case r.Alternatives > MaxAlternatives || (r.Alternatives > 0 && !r.Logprobs):
		return fmt.Errorf("%d alternatives, at most %d and only with log probabilities: %w", r.Alternatives, MaxAlternatives, ErrMalformed)
	case r.Echo && len(r.Messages) > 0:
		return fmt.Errorf("echo of a chat: %w", ErrMalformed)
	case r.PromptOnly && r.MaxTokens > 0:
		return fmt.Errorf("tokens of no answer: %w", ErrMalformed)
	}
	return r.checkTexts()
}

func (r *Request) checkTexts() error {
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
