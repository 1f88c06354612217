package inference

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/bits"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Settled is what a settlement added to a rung's revenue.
type Settled struct {
	Rung     crescendo.RungID
	Operator crescendo.Account
	Amount   crescendo.Amount
}

// Price returns what tokens cost at a price per thousand, rounded up. It fails
// when the product leaves the range of an amount.
func Price(perThousand crescendo.Amount, tokens uint64) (crescendo.Amount, error) {
	hi, lo := bits.Mul64(uint64(perThousand), tokens)
	lo, carry := bits.Add64(lo, 999, 0)
	hi += carry
	if hi >= 1000 {
		return 0, fmt.Errorf("price of %d tokens at %d per thousand: %w", tokens, perThousand, crescendo.ErrOverflow)
	}
	q, _ := bits.Div64(hi, lo, 1000)
	return crescendo.Amount(q), nil
}

// Settle moves what a chain of receipts charges from escrow to the rung's
// revenue. Final by the operator refunds the rest at once; by the client,
// after the session's grace, because the client may hold receipts back.
func Settle(env crescendo.Env, s kv.Store, m *MsgSettle) (crescendo.Outcome, Settled, error) {
	if len(m.Receipts) == 0 {
		return crescendo.Outcome{}, Settled{}, crescendo.Errorf(crescendo.CodeInvalid, "settle: no receipts")
	}
	id := m.Receipts[0].Receipt.Session
	session, err := load(s, id)
	if err != nil {
		return crescendo.Outcome{}, Settled{}, err
	}
	if m.Final && m.Sender != session.Client && m.Sender != session.Operator {
		return crescendo.Outcome{}, Settled{}, crescendo.Errorf(crescendo.CodeForbidden,
			"settle session %d: only its client and its vault's operator may make it final", id)
	}
	last, err := follow(env.ChainID, session, m.Receipts)
	if err != nil {
		return crescendo.Outcome{}, Settled{}, err
	}
	out, settled, usage, err := credit(s, &session, last)
	if err != nil {
		return crescendo.Outcome{}, Settled{}, err
	}
	out.Pay(pot(session.Rung), crescendo.Pot("revenue", session.Rung), settled.Amount)
	if m.Final {
		final, err := finish(env, s, &session, &usage, id, m.Sender)
		if err != nil {
			return crescendo.Outcome{}, Settled{}, err
		}
		out.Join(final)
	}
	return out, settled, errors.Join(Sessions.Set(s, session, id), Usages.Set(s, usage, uint32(session.Rung)))
}

// credit takes over the totals of a checked receipt.
func credit(s kv.Store, session *Session, last Receipt) (crescendo.Outcome, Settled, Usage, error) {
	var out crescendo.Outcome
	settled := Settled{session.Rung, session.Operator, last.Charged - session.Settled}
	usage, err := UsageOf(s, session.Rung)
	if err != nil {
		return out, settled, usage, err
	}
	var over [3]uint64 // carries
	usage.Requests, over[0] = bits.Add64(usage.Requests, last.Requests-session.Requests, 0)
	usage.Input, over[1] = bits.Add64(usage.Input, last.Input-session.Input, 0)
	usage.Output, over[2] = bits.Add64(usage.Output, last.Output-session.Output, 0)
	if over != [3]uint64{} {
		return out, settled, usage, refuse(crescendo.CodeInvalid, last, "its totals are beyond counting")
	}
	if usage.Revenue, err = usage.Revenue.Add(settled.Amount); err != nil {
		return out, settled, usage, crescendo.Errorf(crescendo.CodeInvalid, "settle session %d: %v", last.Session, err)
	}
	usage.Escrowed -= settled.Amount
	out.Emit(crescendo.NewEvent("inference.settled", session.Rung,
		"session", last.Session, "sequence", last.Sequence, "requests", last.Requests-session.Requests,
		"input", last.Input-session.Input, "output", last.Output-session.Output, "amount", settled.Amount,
		"left", session.Escrow-last.Charged))
	session.Settled, session.Sequence, session.Last = last.Charged, last.Sequence, Digest(last)
	session.Requests, session.Input, session.Output = last.Requests, last.Input, last.Output
	return out, settled, usage, nil
}

func finish(env crescendo.Env, s kv.Store, session *Session, usage *Usage, id uint64, sender crescendo.Account) (crescendo.Outcome, error) {
	if sender == session.Operator || session.Grace == 0 {
		if session.Closing != 0 {
			if err := Queue.Delete(s, uint64(session.Closing), id); err != nil {
				return crescendo.Outcome{}, err
			}
		}
		return closeNow(session, usage, id), nil
	}
	if session.Closing != 0 {
		return crescendo.Outcome{}, nil
	}
	out := closeLater(env, session, id, session.Grace)
	return out, Queue.Set(s, Counter{Next: id}, uint64(session.Closing), id)
}

// follow checks that the receipts continue the session, and returns the last.
func follow(chain string, session Session, receipts []SignedReceipt) (Receipt, error) {
	first := receipts[0].Receipt
	if first.Sequence <= session.Sequence {
		return Receipt{}, refuse(crescendo.CodeDuplicate, first, "it is settled already; the last settled one is %d", session.Sequence).
			WithHint(fmt.Sprintf("begin with receipt %d", session.Sequence+1))
	}
	if session.Closed {
		return Receipt{}, refuse(crescendo.CodeWrongTime, first, "the session is closed")
	}
	previous := Receipt{
		Sequence: session.Sequence, Requests: session.Requests,
		Input: session.Input, Output: session.Output, Charged: session.Settled,
	}
	digest := session.Last
	for _, signed := range receipts {
		r := signed.Receipt
		if err := checkLink(chain, previous, digest, r); err != nil {
			return Receipt{}, err
		}
		digest = Digest(r)
		if !ed25519.Verify(session.VaultKey, digest[:], signed.Signature) {
			return Receipt{}, refuse(crescendo.CodeForbidden, r, "the signature is not the vault's")
		}
		if err := checkCharge(session, previous, r); err != nil {
			return Receipt{}, err
		}
		previous = r
	}
	return previous, nil
}

func checkLink(chain string, previous Receipt, digest crescendo.Hash, r Receipt) error {
	switch {
	case r.Chain != chain:
		return refuse(crescendo.CodeForbidden, r, "it was made for chain %.64q", r.Chain)
	case r.Sequence != previous.Sequence+1:
		return refuse(crescendo.CodeInvalid, r, "receipt %d must come first", previous.Sequence+1).
			WithHint("settle receipts in order, without gaps")
	case r.Previous != digest:
		return refuse(crescendo.CodeForbidden, r, "it does not continue the settled receipts: previous is %s, want %s",
			r.Previous.Short(), digest.Short())
	case r.Requests <= previous.Requests || r.Input < previous.Input || r.Output < previous.Output || r.Charged < previous.Charged:
		return refuse(crescendo.CodeInvalid, r, "its totals do not grow")
	}
	return nil
}

// checkCharge compares the increase with the price rule, and the total with
// the escrow. The sum of n prices rounded up is at least the price of the sum
// rounded up, and at most n-1 more, for each kind of token.
func checkCharge(session Session, previous, r Receipt) error {
	input, err := Price(session.InputPrice, r.Input-previous.Input)
	if err != nil {
		return refuse(crescendo.CodeInvalid, r, "%v", err)
	}
	output, err := Price(session.OutputPrice, r.Output-previous.Output)
	if err != nil {
		return refuse(crescendo.CodeInvalid, r, "%v", err)
	}
	low, err := input.Add(output)
	if err != nil {
		return refuse(crescendo.CodeInvalid, r, "%v", err)
	}
	charged, requests := r.Charged-previous.Charged, r.Requests-previous.Requests
	if charged < low || uint64(charged-low)/2 > requests-1 || (uint64(charged-low)/2 == requests-1 && (charged-low)%2 == 1) {
		return refuse(crescendo.CodeInvalid, r, "it charges %d for %d requests, %d input and %d output tokens; the price is %d",
			charged, requests, r.Input-previous.Input, r.Output-previous.Output, low)
	}
	if r.Charged > session.Escrow {
		return refuse(crescendo.CodeFunds, r, "it charges %d in all, the escrow is %d", r.Charged, session.Escrow)
	}
	return nil
}

func refuse(code crescendo.Code, r Receipt, format string, args ...any) *crescendo.Error {
	return crescendo.Errorf(code, "settle receipt %d of session %d: %s", r.Sequence, r.Session, fmt.Sprintf(format, args...)).
		WithHint("only the session's vault makes receipts: settle the ones that its relay keeps, in their order")
}
