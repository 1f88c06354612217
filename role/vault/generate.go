package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/serve"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/prompt"
)

const (
	// pageTokens and cacheBytes bound what a model's server keeps of prompts and
	// answers; a context always fits.
	pageTokens = 32
	cacheBytes = 256 << 20
	// together is how many answers are computed at once, and queue how many
	// wait beyond them.
	together = 16
	queue    = 64
)

// openServer makes the model's server, if it has none. A model whose answers are
// computed in 8 bits is rounded now, and keeps nothing but the rounded weights.
func (m *model) openServer(salt []byte) error {
	if m.server != nil {
		return nil
	}
	s, small := m.shape, m.answers == inference.WeightsQ8
	number := 4 // bytes of a key's or value's number
	if small {
		number = 2
	}
	perPage := 2 * number * pageTokens * s.Layers * s.KVHeads * s.HeadDim()
	perContext := (s.Context + pageTokens - 1) / pageTokens
	server, err := serve.Open(m.weights, serve.Options{
		Pages: min(max(cacheBytes/perPage, perContext), together*perContext), PageTokens: pageTokens,
		MaxSequences: together, MaxWaiting: queue, Int8: small, Salt: salt,
	})
	if err != nil {
		return fmt.Errorf("serve model in %s: %w", inference.WeightsName(m.answers), err)
	}
	m.server = server
	if small {
		m.weights = nil
	}
	return nil
}

// refusal says why an answer could not be given, or not to its end.
func (a *reply) refusal(err error) *prompt.Failure {
	switch {
	case errors.Is(err, serve.ErrBusy):
		f := failure(prompt.FailBusy, "the vault answers %d others", together+queue)
		f.Hint = "try again in a moment"
		return f
	case errors.Is(err, serve.ErrTooLarge):
		f := failure(prompt.FailContext, "the vault has no memory for a text of this length")
		f.Hint = "shorten the prompt or ask for fewer tokens"
		return f
	case errors.Is(err, serve.ErrClosed):
		return failure(prompt.FailBusy, "the model is being replaced")
	}
	return failure(prompt.FailInternal, "the model failed")
}

// job is the request as the model's server takes it. Unless the prompt is to be
// scored it is echoed in any case: that says when work begins.
func (a *reply) job() serve.Request {
	r := a.request
	j := serve.Request{
		Client: a.client(), Prompt: a.input, MaxTokens: a.limit, Logprobs: -1, Echo: r.Echo, Stop: a.model.tokenizer.Ends(),
		Sampling: engine.Sampling{
			Temperature: fraction(r.Temperature), TopP: fraction(r.TopP), MinP: fraction(r.MinP),
			RepetitionPenalty: fraction(r.RepetitionPenalty), TopK: int(r.TopK), Seed: r.Seed,
		},
	}
	if r.Logprobs {
		j.Logprobs = int(r.Alternatives)
	}
	return j
}

func fraction(millionths uint32) float32 { return float32(millionths) / prompt.Million }

// generate makes and sends tokens until the model stops, a stop sequence
// comes, or the limit is reached.
func (a *reply) generate() (finish string, err error) {
	tokens, err := a.model.server.Generate(a.ctx, a.job())
	if err != nil {
		return "", err
	}
	defer func() {
		tokens.Close()
		a.begun = tokens.Usage().Started
	}()
	a.flushed = time.Now()
	text := a.model.tokenizer.NewContinuation()
	if a.request.Echo {
		text = a.model.tokenizer.NewStream()
	}
	for {
		t, err := tokens.Next(a.ctx)
		if errors.Is(err, io.EOF) {
			return finishOf(tokens.Finish()), a.flush(append(a.held, text.Flush()...), true)
		}
		if err != nil {
			return "", err
		}
		switch {
		case t.Echo:
			a.add(prompt.TokensOfPrompt, t)
			err = a.flush(text.Push(t.ID), false)
		case t.Stop:
			if err = a.flush(append(a.held, text.Flush()...), true); err == nil && a.request.Logprobs {
				a.add(prompt.TokenOfEnd, t)
				err = a.flush(nil, true)
			}
			return prompt.FinishStop, err
		default:
			if err = a.turnTo(prompt.TokensMade); err != nil {
				return "", err
			}
			a.add(prompt.TokensMade, t)
			visible, stopped := a.until(text.Push(t.ID))
			if stopped {
				return prompt.FinishStop, a.flush(visible, true)
			}
			err = a.flush(visible, false)
		}
		if err != nil {
			return "", err
		}
	}
}

func finishOf(f serve.Finish) string {
	if f == serve.FinishStop {
		return prompt.FinishStop
	}
	return prompt.FinishLength
}

// add puts a token into the event to be sent next.
func (a *reply) add(kind uint32, t serve.Token) {
	e := &a.pending
	e.Kind, e.Tokens = kind, append(e.Tokens, uint32(t.ID))
	if !a.request.Logprobs {
		return
	}
	score := prompt.Score{None: !t.Scored}
	if t.Scored {
		score.Loss = prompt.LossOf(float64(t.Logprob))
	}
	for _, alternative := range t.Top {
		score.Top = append(score.Top, prompt.Alternative{Token: uint32(alternative.ID), Loss: prompt.LossOf(float64(alternative.Logprob))})
	}
	e.Scores = append(e.Scores, score)
}

// turnTo sends what is pending of another kind.
func (a *reply) turnTo(kind uint32) error {
	if a.pending.Kind == kind || len(a.pending.Tokens) == 0 {
		return nil
	}
	return a.flush(nil, true)
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
	e := &a.pending
	e.Text = append(e.Text, text...)
	if len(e.Tokens) == 0 && len(e.Text) == 0 {
		return nil
	}
	if !now && len(e.Tokens) < flushTokens && time.Since(a.flushed) < flushAfter {
		return nil
	}
	if e.Kind == prompt.TokensMade {
		a.output += len(e.Tokens)
	}
	err := a.send(*e)
	a.pending, a.flushed = prompt.Event{}, time.Now()
	if err != nil {
		return err
	}
	if arrived := a.arrived(); arrived-a.secured >= provisional {
		a.secured = arrived
		return a.keep(arrived, false, nil)
	}
	return nil
}
