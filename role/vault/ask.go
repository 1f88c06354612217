package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/role/vault/template"
	"github.com/crescendo-network/crescendo/role/vault/wire"
)

const (
	// flushTokens and flushAfter say when tokens are sent on: a whole handful,
	// or what there is after a moment.
	flushTokens = 16
	flushAfter  = 30 * time.Millisecond
	// ahead is how many bytes may be on their way to the client. What is on
	// its way when a client hangs up is not charged.
	ahead = 4 << 10
	// provisional is how many tokens pass between provisional receipts, which
	// are what a crash of the vault leaves of an answer.
	provisional = 64
	// stallTime is how long an answer is kept for a client that does not read.
	stallTime = 2 * time.Minute
	// receiptTime bounds how long the host may take to keep a receipt.
	receiptTime = 20 * time.Second
)

func failure(code, format string, args ...any) *prompt.Failure {
	return &prompt.Failure{Code: code, Text: fmt.Sprintf(format, args...)}
}

// ask answers one sealed prompt. Only what anybody may know goes back in the
// clear: that an envelope does not open.
func (v *Vault) ask(ctx context.Context, envelope []byte, s *wire.Stream) error {
	b, err := prompt.Address(envelope)
	if err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "%v", err)
	}
	if b.Chain != v.chain || b.Vault != v.id {
		return crescendo.Errorf(crescendo.CodeNotFound, "the envelope is for vault %s on chain %.64s", b.Vault.Short(), b.Chain).
			WithHint("the vault has restarted with new keys: open a session with the new one")
	}
	r, sealer, err := prompt.Receive(v.sealKey.Private(), b, envelope)
	if err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "%v", err)
	}
	a := &reply{vault: v, ctx: ctx, stream: s, sealer: sealer, request: &r, binding: b}
	if fail := a.run(); fail != nil {
		return a.send(prompt.Event{Final: true, Failure: *fail})
	}
	return nil
}

// reply is an answer in the making.
type reply struct {
	vault   *Vault
	ctx     context.Context
	stream  *wire.Stream
	sealer  *prompt.Sealer
	request *prompt.Request
	binding prompt.Binding

	model   *model
	session *session
	input   []int32
	limit   int  // tokens that may be made
	begun   bool // the model has begun to work: the prompt is charged

	pending prompt.Event // what has been made and not yet sent
	held    []byte       // text that may turn out to be part of a stop sequence
	flushed time.Time
	sent    []mark // what went out, for counting what arrived
	bytes   int
	output  int // tokens sent
	secured int // tokens covered by a provisional receipt
}

// mark says how many tokens were out once so many bytes were.
type mark struct{ bytes, tokens int }

// run returns a failure if the request used nothing; otherwise it sends the
// end of the answer itself.
func (a *reply) run() *prompt.Failure {
	if err := a.request.Check(); err != nil {
		return failure(prompt.FailRequest, "%v", err)
	}
	a.vault.mu.Lock()
	a.model = a.vault.models[a.binding.Rung]
	a.vault.mu.Unlock()
	if a.model == nil {
		return failure(prompt.FailRequest, "rung %d is not served here", a.binding.Rung)
	}
	var fail *prompt.Failure
	if a.session, fail = a.vault.admit(a.ctx, a.request, a.binding); fail != nil {
		return fail
	}
	if said := a.session.record.Weights; said != a.model.answers {
		return failure(prompt.FailSession, "session %d is for answers computed in %s, the model is served in %s",
			a.request.Session, inference.WeightsName(said), inference.WeightsName(a.model.answers))
	}
	a.session.using.Lock()
	defer a.session.using.Unlock()
	if fail := a.layOut(); fail != nil {
		return fail
	}
	finish, err := a.generate()
	cancelled := err != nil && (a.ctx.Err() != nil || errors.Is(err, context.Canceled))
	switch {
	case cancelled && !a.begun:
		return failure(prompt.FailBusy, "cancelled while waiting")
	case err != nil && !cancelled:
		return a.refusal(err)
	}
	return a.settle(finish, err != nil)
}

// layOut makes the prompt's tokens and bounds how many may follow them.
func (a *reply) layOut() *prompt.Failure {
	tokens, err := template.Tokens(a.model.tokenizer, a.request)
	if err != nil {
		return failure(prompt.FailRequest, "%v", err)
	}
	a.input = tokens
	room := a.model.shape.Context - len(tokens)
	if room < 0 || (room == 0 && !a.request.PromptOnly) {
		f := failure(prompt.FailContext, "this model's context is %d tokens, the prompt alone has %d", room+len(tokens), len(tokens))
		f.Hint = "shorten the prompt"
		return f
	}
	if n := int(a.request.MaxTokens); n > 0 {
		room = min(room, n)
	}
	affordable, ok := a.session.affordable(len(tokens))
	if !ok || (affordable == 0 && !a.request.PromptOnly) {
		a.model.server.Forget(a.client())
		f := failure(prompt.FailFunds, "what is left of the session's escrow does not pay for this prompt of %d tokens and an answer", len(tokens))
		f.Hint = "open a session with a larger escrow"
		return f
	}
	if !a.request.PromptOnly {
		a.limit = int(min(uint64(room), affordable))
	}
	return nil
}

// client salts the cache of prompts: nobody is answered faster because somebody
// else asked the same.
func (a *reply) client() string { return string(a.session.record.Key) }

func (a *reply) send(e prompt.Event) error {
	chunk, err := a.sealer.Seal(e)
	if err != nil {
		return err
	}
	a.bytes += len(chunk)
	a.sent = append(a.sent, mark{a.bytes, a.output})
	giveUp := time.AfterFunc(a.vault.stall, a.stream.Cancel)
	defer giveUp.Stop()
	return a.stream.SendWithin(chunk, ahead)
}

// arrived is how many tokens the host says it has passed on.
func (a *reply) arrived() int {
	acked, tokens := a.stream.Acked(), 0
	for _, m := range a.sent {
		if m.bytes > acked {
			break
		}
		tokens = m.tokens
	}
	return tokens
}

// keep signs a receipt and waits until the host keeps it. It outlives the
// request: a client that hung up owes for what it got.
func (a *reply) keep(output int, final bool, e *prompt.Event) error {
	v := a.vault
	receipt, err := a.session.receipt(v.chain, a.request.Session, v.signKey, uint64(len(a.input)), uint64(output), final)
	if err != nil {
		return err
	}
	if e != nil {
		e.Receipt = receipt
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), receiptTime)
	defer cancel()
	return v.conn.Do(ctx, calls.Receipt, calls.ReceiptArgs{Receipt: receipt, Provisional: !final}, nil)
}

// settle accounts for the answer: all of it if it came to its end, what
// arrived if it was interrupted.
func (a *reply) settle(finish string, interrupted bool) *prompt.Failure {
	delivered := a.output
	if interrupted {
		delivered = a.arrived()
	}
	e := prompt.Event{Final: true, Finish: finish, Input: uint64(len(a.input)), Output: uint64(delivered)}
	a.model.requests.Add(1)
	a.model.output.Add(uint64(delivered))
	if err := a.keep(delivered, true, &e); err != nil && !interrupted {
		e.Failure = *failure(prompt.FailInternal, "the receipt could not be kept")
	}
	if !interrupted {
		// A client that is gone by now has had everything but the end marker.
		a.send(e)
	}
	return nil
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
