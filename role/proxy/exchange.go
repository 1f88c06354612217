package proxy

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/openai"
	"github.com/crescendo-network/crescendo/inference/prompt"
)

// exchange is one request of a client and its answer, which has a choice for
// each prompt.
type exchange struct {
	server  *server
	request openai.Request
	choices []*choice

	mu     sync.Mutex // guards what follows
	w      http.ResponseWriter
	answer openai.Answer
	begun  bool // part of a stream is out
}

// choice is the answer to one prompt. The vault knows it as a request of its
// own, with a receipt of its own.
type choice struct {
	exchange *exchange
	index    int
	prompt   prompt.Request

	text   []byte
	scores *openai.Scores // nil: none are asked for
	begun  bool           // part of it is out
	out    outcome
}

// run answers as many prompts at once as there are sessions. The first that
// cannot be answered ends all.
func (a *exchange) run(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *choice)
	var workers sync.WaitGroup
	for range min(len(a.choices), a.server.cfg.Sessions) {
		workers.Go(func() {
			for c := range next {
				if err := c.run(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, c := range a.choices {
		next <- c
	}
	close(next)
	workers.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() != nil {
		a.fail(context.Cause(ctx))
		return
	}
	a.finish()
}

// run tries until there is an answer, a refusal, or no patience left. Nothing
// is tried again once the client has seen part of an answer.
func (c *choice) run(ctx context.Context) error {
	give := time.Now().Add(patience)
	sessions := 0 // fresh ones tried because the last had no funds or was gone
	for ctx.Err() == nil {
		err := c.attempt(ctx)
		if err == nil {
			return c.end()
		}
		var f failed
		again := errors.Is(err, errUnavailable) || errors.Is(err, prompt.ErrTruncated)
		if errors.As(err, &f) && (f.Code == prompt.FailFunds || f.Code == prompt.FailSession) {
			sessions++
			again = sessions < 2
		}
		if !again || c.begun || time.Now().After(give) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryWait):
		}
	}
	return ctx.Err()
}

// attempt asks once.
func (c *choice) attempt(ctx context.Context) error {
	a, p := c.exchange, c.exchange.server.pool
	service, err := p.discover(ctx)
	if err != nil {
		return err
	}
	o, ok := service.find(a.request.Model)
	if !ok {
		p.lookAgain() // it may be served since
		if len(service.offers) == 0 {
			return unavailable("no model is served yet")
		}
		return notFound(a.request.Model)
	}
	if err := c.prepare(ctx, o); err != nil {
		return err
	}
	s, err := p.take(ctx, service, o)
	if err != nil {
		p.lookAgain()
		return err
	}
	defer p.give(s)
	a.identify(service, o)
	c.out, _, err = p.ask(ctx, s, c.prompt, c.event)
	if err != nil {
		p.lookAgain()
	}
	var f failed
	if errors.As(err, &f) {
		switch {
		case f.Code == prompt.FailSession && p.unseen(ctx, s):
			return unavailable("the vault does not know session %d yet: %v", s.id, err)
		case f.Code == prompt.FailFunds, f.Code == prompt.FailSession:
			s.broken = true
		}
	}
	if errors.Is(err, errReceipt) {
		err = nil // the answer is whole; the session is over
	}
	return err
}

// prepare begins an answer anew.
func (c *choice) prepare(ctx context.Context, o offer) error {
	c.text, c.scores = nil, nil
	if !c.prompt.Logprobs {
		return nil
	}
	t := c.exchange.server.pool.tokenizer(ctx, o.rung)
	if t == nil {
		return unavailable("log probabilities need the model's tokenizer, which cannot be had at the moment")
	}
	hide := 0
	if len(c.prompt.Tokens) == 0 {
		hide = len(t.Start()) // what a text begins with is not the client's
		if hide == 0 && c.prompt.Prompt == "" {
			hide = 1 // nor is what stands for no text at all
		}
	}
	c.scores = openai.NewScores(t, c.prompt.Messages != nil, hide)
	if !c.prompt.Echo {
		c.scores.GoOn()
	}
	return nil
}

// event takes the next part of the answer.
func (c *choice) event(e prompt.Event) error {
	if c.scores != nil {
		c.scores.Add(e)
	}
	a := c.exchange
	if !a.request.Stream {
		c.text = append(c.text, e.Text...)
		return nil
	}
	scores := c.scores.Take()
	a.mu.Lock()
	defer a.mu.Unlock()
	c.begun = true
	a.begin()
	if len(e.Text) == 0 && scores == nil {
		return nil
	}
	return a.event(a.answer.Part(openai.Choice{Index: c.index, Text: string(e.Text), Scores: scores}))
}

// end says in a stream why the choice is complete.
func (c *choice) end() error {
	a := c.exchange
	if !a.request.Stream {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin()
	return a.event(a.answer.Part(openai.Choice{Index: c.index, Finish: c.out.finish}))
}

// What follows needs mu.

func (a *exchange) begin() {
	if a.begun {
		return
	}
	a.begun = true
	a.w.Header().Set("Content-Type", "text/event-stream")
	a.w.Header().Set("Cache-Control", "no-store")
	a.w.WriteHeader(http.StatusOK)
	if first := a.answer.First(); first != nil {
		a.event(first)
	}
}

func (a *exchange) event(data []byte) error {
	framed := make([]byte, 0, len(data)+8)
	framed = append(append(append(framed, "data: "...), data...), "\n\n"...)
	if _, err := a.w.Write(framed); err != nil {
		return err
	}
	return http.NewResponseController(a.w).Flush()
}

func (a *exchange) usage() openai.Usage {
	var input, output uint64
	for _, c := range a.choices {
		input, output = input+c.out.input, output+c.out.output
	}
	return openai.NewUsage(input, output)
}

func (a *exchange) finish() {
	if a.request.Stream {
		if a.request.IncludeUsage {
			a.event(a.answer.Total(a.usage()))
		}
		a.event([]byte("[DONE]"))
		return
	}
	choices := make([]openai.Choice, len(a.choices))
	for i, c := range a.choices {
		choices[i] = openai.Choice{Index: i, Text: string(c.text), Finish: c.out.finish, Scores: c.scores.Take()}
	}
	a.w.Header().Set("Content-Type", "application/json")
	a.w.Write(append(a.answer.Whole(choices, a.usage()), '\n'))
}

// fail reports an error: as a status while that is possible, else as an event
// in place of the end of the stream.
func (a *exchange) fail(err error) {
	if errors.Is(err, context.Canceled) {
		err = unavailable("the request was cancelled") // if the client has gone, nobody reads it
	}
	e := errorOf(err, a.request.Chat)
	if !a.begun {
		fail(a.w, e)
		return
	}
	a.event(e.Body()[:len(e.Body())-1])
}

// identify says who answers.
func (a *exchange) identify(v service, o offer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer.Model, a.answer.System = o.name, v.vault.Short()
	if w := o.price.Weights; w != inference.WeightsFloat32 {
		a.answer.System += "-" + w // seeds repeat an answer under one profile only
	}
	if !a.begun {
		a.server.identify(a.w, v)
	}
}
