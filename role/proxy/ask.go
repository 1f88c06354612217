package proxy

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/role/vault/template"
)

// errReceipt means that a vault's receipt does not fit what was received.
var errReceipt = errors.New("receipt does not fit what was received")

// interrupted is how many output tokens an answer may be charged beyond what
// was received when it was cut: what was on its way.
const interrupted = 512

// outcome is an answer as the client counted it.
type outcome struct {
	finish string
	input  uint64
	output uint64
}

// failed is a vault's refusal.
type failed struct{ prompt.Failure }

func (f failed) Error() string { return f.Text }

// ask sends one request in a session and hands its parts to each as they come.
// Delivered reports whether any of it came.
func (p *pool) ask(ctx context.Context, s *session, r prompt.Request, each func(prompt.Event) error) (out outcome, delivered bool, err error) {
	s.counter++
	r.Session, r.Counter = s.id, s.counter
	b := prompt.Binding{Chain: p.cfg.Ledger.ChainID(), Rung: s.rung, Vault: s.vault}
	r.Sign(b, s.key)
	envelope, answer, err := prompt.Seal(b, s.sealKey, r)
	if err != nil {
		return out, false, failed{prompt.Failure{Code: prompt.FailRequest, Text: err.Error()}}
	}
	body, err := p.post(ctx, s, envelope)
	if err != nil {
		return out, false, err
	}
	defer body.Close()
	var last prompt.Event
	err = answer.Read(body, func(e prompt.Event) error {
		if e.Final {
			last = e
			return nil
		}
		delivered = true
		if e.Kind == prompt.TokensMade {
			out.output += uint64(len(e.Tokens))
		}
		return each(e)
	})
	if err != nil || (last.Failure.Code != "" && delivered) {
		s.cut(out.output)
	}
	if err != nil {
		return out, delivered, err
	}
	if last.Failure.Code != "" {
		return out, delivered, failed{last.Failure}
	}
	out.finish, out.input = last.Finish, last.Input
	return out, delivered, p.account(ctx, s, r, last, out)
}

// cut notes an answer that was interrupted after so many tokens of output: the
// vault may or may not charge it.
func (s *session) cut(output uint64) {
	s.unsure += output + interrupted
	s.maybe++
}

func (p *pool) post(ctx context.Context, s *session, envelope []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.relay+"/v1/sealed", bytes.NewReader(envelope))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", prompt.ContentType)
	resp, err := p.http.Do(req)
	if err != nil {
		s.cut(0) // the vault may have been at work on the prompt
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, unavailable("the relay cannot be reached: %v", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var said struct{ Text, Hint string }
	json.NewDecoder(io.LimitReader(resp.Body, maxDescription)).Decode(&said)
	if resp.StatusCode == http.StatusGone {
		s.broken = true
	}
	return nil, unavailable("%.256s", said.Text)
}

// account checks a receipt and takes it over.
func (p *pool) account(ctx context.Context, s *session, r prompt.Request, e prompt.Event, out outcome) error {
	input := uint64(0) // unknown
	if t := p.tokenizer(ctx, s.rung); t != nil {
		if tokens, err := template.Tokens(t, &r); err == nil {
			input = uint64(len(tokens))
		}
	}
	if err := s.check(p.cfg.Ledger.ChainID(), e.Receipt, input, e.Input, out.output); err != nil {
		s.broken = true
		p.cfg.Log.Error("vault charges wrongly; the session is closed", "session", s.id, "error", err)
		return err
	}
	s.last, s.unsure, s.maybe = e.Receipt.Receipt, 0, 0
	if p.cfg.Receipt != nil {
		p.cfg.Receipt(e.Receipt)
	}
	return nil
}

// check compares a receipt with the client's own count. Counted is the
// client's count of prompt tokens, zero if it cannot count; claimed is the
// vault's.
func (s *session) check(chain string, signed inference.SignedReceipt, counted, claimed, output uint64) error {
	r := signed.Receipt
	digest := inference.Digest(r)
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("receipt %d of session %d: %s: %w", r.Sequence, s.id, fmt.Sprintf(format, args...), errReceipt)
	}
	switch {
	case !ed25519.Verify(s.signKey, digest[:], signed.Signature):
		return wrong("signature is not the vault's")
	case r.Chain != chain || r.Session != s.id:
		return wrong("made for session %d of chain %.64s", r.Session, r.Chain)
	case counted != 0 && claimed != counted:
		return wrong("%d prompt tokens, counted %d here", claimed, counted)
	case r.Sequence <= s.last.Sequence || r.Sequence > s.last.Sequence+1+s.maybe:
		return wrong("follows receipt %d", s.last.Sequence)
	case r.Sequence == s.last.Sequence+1 && s.last.Sequence > 0 && r.Previous != inference.Digest(s.last):
		return wrong("does not continue receipt %d", s.last.Sequence)
	case r.Requests < s.last.Requests+1 || r.Requests > s.last.Requests+1+s.maybe:
		return wrong("%d requests after %d", r.Requests, s.last.Requests)
	case r.Output < s.last.Output+output || r.Output > s.last.Output+output+s.unsure:
		return wrong("%d output tokens after %d, received %d", r.Output, s.last.Output, output)
	case s.maybe == 0 && r.Input != s.last.Input+claimed:
		return wrong("%d prompt tokens after %d and a prompt of %d", r.Input, s.last.Input, claimed)
	}
	return s.checkCharge(r, wrong)
}

func (s *session) checkCharge(r inference.Receipt, wrong func(string, ...any) error) error {
	if r.Input < s.last.Input || r.Charged < s.last.Charged || r.Charged > s.terms.Escrow {
		return wrong("charges %d in all", r.Charged)
	}
	in, err := inference.Price(s.terms.InputPrice, r.Input-s.last.Input)
	if err != nil {
		return wrong("%v", err)
	}
	out, err := inference.Price(s.terms.OutputPrice, r.Output-s.last.Output)
	if err != nil {
		return wrong("%v", err)
	}
	// Each request's two prices are rounded up, which may add one unit each.
	most := in + out + crescendo.Amount(2*(r.Requests-s.last.Requests-1))
	if r.Charged-s.last.Charged > most {
		return wrong("charges %d more, at most %d is due", r.Charged-s.last.Charged, most)
	}
	return nil
}
