// Package serve decodes many requests at once over one model. Requests join and
// leave between steps (continuous batching); their keys and values lie in pages
// of a bounded pool; long prompts are worked off in pieces, so that nobody's
// stream stalls; prompts that begin as an earlier one of the same client did
// take over its pages (prefix cache).
//
// What a request gets does not depend on any of that: its tokens and log
// probabilities have the same bits alone and in any company.
//
// It knows token ids, not text: tokenizing, stop strings, templates and payment
// are its callers' business. It has no clock and starts one goroutine.
package serve

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo/engine"
)

var (
	// ErrBusy means that the queue is full: try again once others have finished.
	ErrBusy = errors.New("too many requests are waiting")

	// ErrTooLarge means that a request would not fit in an empty pool: ask for
	// fewer tokens, or open the server with more pages.
	ErrTooLarge = errors.New("request needs more memory than the server has")

	// ErrClosed means that the server was closed.
	ErrClosed = errors.New("server is closed")

	// ErrBadRequest means that a request is malformed.
	ErrBadRequest = errors.New("bad request")
)

// Bounds on Options and Request.
const (
	MaxSequences  = 1 << 10
	MaxWaiting    = 1 << 16
	MaxPageTokens = 1 << 12
	MaxTop        = 20 // alternatives per token
	MaxStops      = 64 // stop tokens
	maxClient     = 256
)

// Options bound a server. Zero values are replaced by the defaults named.
type Options struct {
	Pages        int // in the pool; enough for four full contexts
	PageTokens   int // positions in one page; 32
	MaxSequences int // decoded at once; 16
	MaxWaiting   int // beyond those; 64. Negative for none
	StepTokens   int // of all sequences in one step; 128
	Int8         bool

	NoPrefixCache bool
	Salt          []byte // of the keys of the prefix cache, beside each request's Client
}

// A Request asks for the continuation of a prompt.
type Request struct {
	Client    string // salts the prefix cache: only requests of the same client share pages
	Prompt    []int32
	MaxTokens int // to generate; 0 with Echo scores the prompt
	Sampling  engine.Sampling
	Logprobs  int     // -1 for none, else how many alternatives to name, 0 to MaxTop
	Echo      bool    // begin with the tokens of the prompt
	Stop      []int32 // tokens that end the answer; the one that did is delivered, marked
}

// A Token is one token of an answer.
type Token struct {
	ID      int32
	Echo    bool // of the prompt
	Cached  bool // of the prompt, and computed for an earlier request
	Stop    bool // one of Request.Stop; the last
	Scored  bool // Logprob and Top are there: not for the first token of a prompt
	Logprob float32
	Top     []Alternative // likeliest first, the lower token among equals
}

// An Alternative is a token that could have come.
type Alternative struct {
	ID      int32
	Logprob float32
}

// Finish says why an answer ended.
type Finish string

const (
	FinishLength  Finish = "length"  // MaxTokens were made
	FinishStop    Finish = "stop"    // a token of Request.Stop came
	FinishContext Finish = "context" // prompt and answer fill the model's context
)

// Stats are counts since the server was opened, and what it holds now.
type Stats struct {
	Pages     int // in the pool
	Free      int // pages that hold nothing
	Cached    int // pages held only by the prefix cache
	Reserved  int // pages promised to running requests and not yet taken
	Running   int
	Waiting   int
	Steps     uint64
	Prefilled uint64 // tokens of prompts computed
	Hits      uint64 // tokens of prompts taken from the prefix cache
	Generated uint64 // tokens of answers
	Evicted   uint64 // pages that the prefix cache gave up
	Refused   uint64 // requests, with ErrBusy
}

// withDefaults fills in and checks the options for a model.
func (o Options) withDefaults(s engine.Shape) (Options, error) {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&o.PageTokens, 32)
	set(&o.MaxSequences, 16)
	set(&o.MaxWaiting, 64)
	o.MaxWaiting = max(0, o.MaxWaiting)
	set(&o.StepTokens, max(128, 2*o.MaxSequences))
	if o.PageTokens > 0 {
		set(&o.Pages, 4*((s.Context+o.PageTokens-1)/o.PageTokens))
	}
	switch {
	case o.PageTokens < 1 || o.PageTokens > MaxPageTokens:
		return o, fmt.Errorf("page of %d tokens, want 1 to %d", o.PageTokens, MaxPageTokens)
	case o.Pages < 1:
		return o, fmt.Errorf("pool of %d pages", o.Pages)
	case o.MaxSequences < 1 || o.MaxSequences > MaxSequences:
		return o, fmt.Errorf("%d sequences at once, want 1 to %d", o.MaxSequences, MaxSequences)
	case o.MaxWaiting > MaxWaiting:
		return o, fmt.Errorf("queue of %d, want at most %d", o.MaxWaiting, MaxWaiting)
	case o.StepTokens <= o.MaxSequences:
		return o, fmt.Errorf("%d tokens in a step leave no room for prompts beside %d sequences", o.StepTokens, o.MaxSequences)
	}
	return o, nil
}

// check refuses what no state of the server could serve.
func (r *Request) check(s engine.Shape) error {
	switch {
	case len(r.Client) > maxClient:
		return fmt.Errorf("%w: client of %d bytes, want at most %d", ErrBadRequest, len(r.Client), maxClient)
	case len(r.Prompt) == 0:
		return fmt.Errorf("%w: the prompt has no tokens", ErrBadRequest)
	case r.MaxTokens < 0:
		return fmt.Errorf("%w: %d tokens asked for", ErrBadRequest, r.MaxTokens)
	case r.Logprobs < -1 || r.Logprobs > MaxTop:
		return fmt.Errorf("%w: %d alternatives, want -1 (none) to %d", ErrBadRequest, r.Logprobs, MaxTop)
	case len(r.Stop) > MaxStops:
		return fmt.Errorf("%w: %d stop tokens, want at most %d", ErrBadRequest, len(r.Stop), MaxStops)
	case len(r.Prompt) > s.Context || len(r.Prompt) == s.Context && r.MaxTokens > 0:
		return fmt.Errorf("%w: the prompt has %d tokens and the context %d: shorten the prompt", engine.ErrContextFull, len(r.Prompt), s.Context)
	}
	for i, t := range r.Prompt {
		if t < 0 || int(t) >= s.Vocab {
			return fmt.Errorf("%w: token %d of the prompt is %d in a vocabulary of %d", engine.ErrBadTokens, i, t, s.Vocab)
		}
	}
	if err := r.Sampling.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	return nil
}
