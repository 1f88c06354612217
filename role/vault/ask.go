package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/role/vault/template"
	"github.com/crescendo-network/crescendo/role/vault/wire"
	"github.com/crescendo-network/crescendo/tokenizer"
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

	tokens  []uint32 // made, not yet sent
	text    []byte   // likewise
	held    []byte   // text that may turn out to be part of a stop sequence
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
	a.session.using.Lock()
	defer a.session.using.Unlock()
	limit, fail := a.limit()
	if fail != nil {
		return fail
	}
	select {
	case a.vault.computes <- struct{}{}:
		defer func() { <-a.vault.computes }()
	case <-a.ctx.Done():
		return failure(prompt.FailBusy, "cancelled while waiting")
	}
	decoder, err := a.model.weights.Session(len(a.input) + limit)
	if err != nil {
		return failure(prompt.FailInternal, "no memory for the context")
	}
	defer decoder.Close()
	finish, err := a.generate(decoder, limit)
	if err != nil && a.ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		return failure(prompt.FailInternal, "the model failed")
	}
	return a.settle(finish, err != nil)
}

// limit lays out the prompt and returns how many tokens may follow it.
func (a *reply) limit() (int, *prompt.Failure) {
	tokens, err := template.Tokens(a.model.tokenizer, a.request)
	if err != nil {
		return 0, failure(prompt.FailRequest, "%v", err)
	}
	a.input = tokens
	context := a.model.weights.Shape().Context
	if len(tokens) >= context {
		f := failure(prompt.FailContext, "this model's context is %d tokens, the prompt alone has %d", context, len(tokens))
		f.Hint = "shorten the prompt"
		return 0, f
	}
	limit := context - len(tokens)
	if n := int(a.request.MaxTokens); n > 0 {
		limit = min(limit, n)
	}
	affordable, ok := a.session.affordable(len(tokens))
	if !ok {
		f := failure(prompt.FailFunds, "what is left of the session's escrow does not pay for this prompt of %d tokens and an answer", len(tokens))
		f.Hint = "open a session with a larger escrow"
		return 0, f
	}
	return int(min(uint64(limit), affordable)), nil
}

// generate makes and sends tokens until the model stops, a stop sequence
// comes, or the limit is reached.
func (a *reply) generate(decoder engine.Session, limit int) (finish string, err error) {
	temperature := float32(a.request.Temperature) / prompt.Million
	topP := float32(1)
	if a.request.TopP > 0 {
		topP = float32(a.request.TopP) / prompt.Million
	}
	rng := engine.NewSplitMix(a.request.Seed)
	text := a.model.tokenizer.NewStream()
	logits, err := decoder.Feed(a.input)
	if err != nil {
		return "", err
	}
	a.flushed = time.Now()
	for n := 0; ; n++ {
		if n == limit {
			return prompt.FinishLength, a.flush(append(a.held, text.Flush()...), true)
		}
		if err := a.ctx.Err(); err != nil {
			return "", err
		}
		id := engine.Sample(logits, temperature, topP, rng)
		if tokenizer.Stops(id) {
			return prompt.FinishStop, a.flush(append(a.held, text.Flush()...), true)
		}
		a.tokens = append(a.tokens, uint32(id))
		if visible, stopped := a.until(text.Push(id)); stopped {
			return prompt.FinishStop, a.flush(visible, true)
		} else if err := a.flush(visible, false); err != nil {
			return "", err
		}
		if n+1 < limit {
			if logits, err = decoder.Feed([]int32{id}); err != nil {
				return "", err
			}
		}
	}
}

// until returns the text that can be shown: everything before a stop sequence,
// or all but a tail that could still become one.
func (a *reply) until(text []byte) (visible []byte, stopped bool) {
	text = append(a.held, text...)
	a.held = nil
	keep := 0
	first := len(text)
	for _, stop := range a.request.Stop {
		if i := bytes.Index(text, []byte(stop)); i >= 0 {
			first, stopped = min(first, i), true
		}
		for n := min(len(stop)-1, len(text)); n > keep; n-- {
			if bytes.HasSuffix(text, []byte(stop[:n])) {
				keep = n
			}
		}
	}
	if stopped {
		return text[:first], true
	}
	a.held = bytes.Clone(text[len(text)-keep:])
	return text[:len(text)-keep], false
}

// flush adds text to what is to be sent and sends it if it is time.
func (a *reply) flush(text []byte, now bool) error {
	a.text = append(a.text, text...)
	if len(a.tokens) == 0 && len(a.text) == 0 {
		return nil
	}
	if !now && len(a.tokens) < flushTokens && time.Since(a.flushed) < flushAfter {
		return nil
	}
	a.output += len(a.tokens)
	err := a.send(prompt.Event{Text: a.text, Tokens: a.tokens})
	a.tokens, a.text, a.flushed = nil, nil, time.Now()
	if err != nil {
		return err
	}
	if arrived := a.arrived(); arrived-a.secured >= provisional {
		a.secured = arrived
		return a.keep(arrived, false, nil)
	}
	return nil
}

func (a *reply) send(e prompt.Event) error {
	chunk, err := a.sealer.Seal(e)
	if err != nil {
		return err
	}
	a.bytes += len(chunk)
	a.sent = append(a.sent, mark{a.bytes, a.output})
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
