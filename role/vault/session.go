package vault

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/internal/kv"
)

const maxSessions = 1 << 16

// session is a client's escrow as the vault accounts for it. Only this vault's
// receipts move the escrow, so its own count is the true one.
type session struct {
	using sync.Mutex // held during a request: a session's requests are served in turn

	mu       sync.Mutex // guards what follows
	counter  uint64
	record   inference.Session // as it was proved
	last     inference.Receipt
	previous crescendo.Hash // digest of last
}

// admit returns the session of a request, having checked that the request is
// the session owner's and was never seen before.
func (v *Vault) admit(ctx context.Context, r *prompt.Request, b prompt.Binding) (*session, *prompt.Failure) {
	s, fail := v.lookUp(ctx, r.Session, b)
	if fail != nil {
		return nil, fail
	}
	if !r.SignedBy(b, s.record.Key) {
		return nil, failure(prompt.FailSession, "the request is not signed by the key of session %d", r.Session)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Counter <= s.counter {
		return nil, failure(prompt.FailSession, "request %d of session %d is a replay: the last was %d", r.Counter, r.Session, s.counter)
	}
	s.counter = r.Counter
	return s, nil
}

func (v *Vault) lookUp(ctx context.Context, id uint64, b prompt.Binding) (*session, *prompt.Failure) {
	v.mu.Lock()
	s, known := v.sessions[id]
	full := len(v.sessions) >= maxSessions
	v.mu.Unlock()
	if known {
		if s.record.Rung != b.Rung {
			return nil, failure(prompt.FailSession, "session %d is for rung %d", id, s.record.Rung)
		}
		return s, nil
	}
	if full {
		return nil, failure(prompt.FailBusy, "the vault has no room for more sessions")
	}
	record, err := inference.Sessions.Get(v.ledger.at(ctx), id)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return nil, failure(prompt.FailSession, "session %d does not exist", id)
	case err != nil:
		return nil, failure(prompt.FailInternal, "the state of session %d cannot be proved", id)
	case record.Vault != v.id || record.Rung != b.Rung:
		return nil, failure(prompt.FailSession, "session %d is with another vault or rung", id)
	case record.Closed || record.Closing != 0 || record.Sequence != 0:
		return nil, failure(prompt.FailSession, "session %d is closed or closing", id)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if s, known := v.sessions[id]; known {
		return s, nil
	}
	s = &session{record: record}
	v.sessions[id] = s
	return s, nil
}

// affordable returns how many output tokens the escrow still pays for after
// the prompt; ok is false when it does not even pay for that.
func (s *session) affordable(input int) (tokens uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cost, err := inference.Price(s.record.InputPrice, uint64(input))
	if err != nil {
		return 0, false
	}
	left, err := s.record.Escrow.Sub(s.last.Charged)
	if err == nil {
		left, err = left.Sub(cost)
	}
	if err != nil {
		return 0, false
	}
	if s.record.OutputPrice == 0 {
		return math.MaxInt32, true
	}
	n, err := left.MulDiv(1000, uint64(s.record.OutputPrice))
	if err != nil {
		return math.MaxInt32, true
	}
	return uint64(n), true
}

// receipt signs the totals with one more request in them. A receipt that is
// not kept may be superseded by another of the same sequence; keep makes it the
// base of the next.
func (s *session) receipt(chain string, id uint64, key ed25519.PrivateKey, input, output uint64, keep bool) (inference.SignedReceipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := inference.Receipt{
		Chain: chain, Session: id, Sequence: s.last.Sequence + 1, Previous: s.previous,
		Requests: s.last.Requests + 1, Input: s.last.Input + input, Output: s.last.Output + output,
	}
	in, err := inference.Price(s.record.InputPrice, input)
	if err != nil {
		return inference.SignedReceipt{}, err
	}
	out, err := inference.Price(s.record.OutputPrice, output)
	if err != nil {
		return inference.SignedReceipt{}, err
	}
	if r.Charged, err = s.last.Charged.Add(in); err != nil {
		return inference.SignedReceipt{}, err
	}
	if r.Charged, err = r.Charged.Add(out); err != nil {
		return inference.SignedReceipt{}, err
	}
	if r.Charged > s.record.Escrow {
		return inference.SignedReceipt{}, crescendo.Errorf(crescendo.CodeFunds, "session %d: escrow spent", id)
	}
	sum := inference.Digest(r)
	if keep {
		s.last, s.previous = r, sum
	}
	return inference.SignedReceipt{Receipt: r, Signature: ed25519.Sign(key, sum[:])}, nil
}
