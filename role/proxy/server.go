package proxy

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference/openai"
	"github.com/crescendo-network/crescendo/inference/prompt"
)

// patience is how long a request that has brought nothing yet is tried again
// while the vault or its relay restarts.
const patience = 20 * time.Second

// Headers that tell a client who answered.
const (
	HeaderAssurance = "X-Crescendo-Assurance"
	HeaderVault     = "X-Crescendo-Vault"
)

type server struct {
	cfg  Config
	pool *pool
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", s.models)
	mux.HandleFunc("GET /v1/models/{id}", s.model)
	mux.HandleFunc("POST /v1/chat/completions", s.handler(openai.ParseChat))
	mux.HandleFunc("POST /v1/completions", s.handler(openai.ParseCompletion))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, openai.Errorf(http.StatusNotFound, "invalid_request_error", "", "unknown_url", "unknown request URL: %s %.128s", r.Method, r.URL.Path))
	})
	return mux
}

func fail(w http.ResponseWriter, e *openai.Error) {
	w.Header().Set("Content-Type", "application/json")
	if e.Status == http.StatusTooManyRequests {
		w.Header().Set("X-Should-Retry", "false") // money does not come back by waiting
	}
	w.WriteHeader(e.Status)
	w.Write(e.Body())
}

func notFound(model string) *openai.Error {
	return openai.Errorf(http.StatusNotFound, "invalid_request_error", "model", "model_not_found", "the model %.128q is not served", model)
}

// errorOf maps whatever went wrong to OpenAI's errors.
func errorOf(err error, chat bool) *openai.Error {
	var f failed
	var shaped *openai.Error
	switch {
	case errors.As(err, &shaped):
		return shaped
	case errors.As(err, &f):
		return openai.FromFailure(f.Failure, chat)
	case errors.Is(err, errUnavailable):
		return openai.Errorf(http.StatusServiceUnavailable, "server_error", "", "unavailable", "%v", err)
	case crescendo.CodeOf(err) == crescendo.CodeFunds:
		return openai.Errorf(http.StatusTooManyRequests, "insufficient_quota", "", "insufficient_quota", "%v", err)
	}
	return openai.Errorf(http.StatusBadGateway, "server_error", "", "", "%v", err)
}

func describe(o offer) openai.Model {
	return openai.Model{ID: o.name, Object: "model", Created: o.since, OwnedBy: "crescendo"}
}

func (s *server) models(w http.ResponseWriter, r *http.Request) {
	service, err := s.pool.discover(r.Context())
	if err != nil {
		fail(w, errorOf(err, false))
		return
	}
	list := openai.Models{Object: "list", Data: []openai.Model{}}
	for _, o := range service.offers {
		list.Data = append(list.Data, describe(o))
	}
	s.identify(w, service)
	writeJSON(w, list)
}

func (s *server) model(w http.ResponseWriter, r *http.Request) {
	service, err := s.pool.discover(r.Context())
	if err != nil {
		fail(w, errorOf(err, false))
		return
	}
	o, ok := service.find(r.PathValue("id"))
	if !ok {
		fail(w, notFound(r.PathValue("id")))
		return
	}
	s.identify(w, service)
	writeJSON(w, describe(o))
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (s *server) identify(w http.ResponseWriter, v service) {
	w.Header().Set(HeaderAssurance, v.record.Assurance)
	w.Header().Set(HeaderVault, v.vault.String())
}

func (s *server) handler(parse func([]byte) (openai.Request, *openai.Error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, openai.MaxBody))
		if err != nil {
			fail(w, openai.Errorf(http.StatusRequestEntityTooLarge, "invalid_request_error", "", "", "the body is above %d bytes", openai.MaxBody))
			return
		}
		request, bad := parse(body)
		if bad != nil {
			fail(w, bad)
			return
		}
		var random [16]byte
		if _, err := rand.Read(random[:]); err != nil {
			fail(w, openai.Errorf(http.StatusInternalServerError, "server_error", "", "", "no randomness"))
			return
		}
		if !request.Seeded {
			request.Prompt.Seed = binary.LittleEndian.Uint64(random[:])
		}
		id := "cmpl-"
		if request.Chat {
			id = "chatcmpl-"
		}
		a := &exchange{
			server: s, w: w, request: request,
			answer: openai.Answer{ID: id + hex.EncodeToString(random[:]), Created: time.Now().Unix(), Chat: request.Chat},
		}
		a.run(r.Context())
	}
}

// exchange is one request of a client and its answer.
type exchange struct {
	server  *server
	w       http.ResponseWriter
	request openai.Request
	answer  openai.Answer
	begun   bool // part of a stream is out
	text    []byte
}

// run tries until there is an answer, a refusal, or no patience left. Nothing
// is tried again once the client has seen part of an answer.
func (a *exchange) run(ctx context.Context) {
	give := time.Now().Add(patience)
	sessions := 0 // fresh ones tried because the last had no funds or was gone
	for {
		out, err := a.attempt(ctx)
		if err == nil {
			a.finish(out)
			return
		}
		var f failed
		again := errors.Is(err, errUnavailable) || errors.Is(err, prompt.ErrTruncated)
		if errors.As(err, &f) && (f.Code == prompt.FailFunds || f.Code == prompt.FailSession) {
			sessions++
			again = sessions < 2
		}
		if ctx.Err() != nil {
			return
		}
		if !again || a.begun || time.Now().After(give) {
			a.fail(err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryWait):
		}
	}
}

// attempt asks once.
func (a *exchange) attempt(ctx context.Context) (outcome, error) {
	p := a.server.pool
	service, err := p.discover(ctx)
	if err != nil {
		return outcome{}, err
	}
	o, ok := service.find(a.request.Model)
	if !ok {
		p.lookAgain() // it may be served since
		if len(service.offers) == 0 {
			return outcome{}, unavailable("no model is served yet")
		}
		return outcome{}, notFound(a.request.Model)
	}
	s, err := p.take(ctx, service, o)
	if err != nil {
		p.lookAgain()
		return outcome{}, err
	}
	defer p.give(s)
	a.answer.Model, a.answer.System = o.name, service.vault.Short()
	if !a.begun {
		a.server.identify(a.w, service)
	}
	a.text = nil
	out, _, err := p.ask(ctx, s, a.request.Prompt, a.part)
	if err != nil {
		p.lookAgain()
	}
	var f failed
	if errors.As(err, &f) && (f.Code == prompt.FailFunds || f.Code == prompt.FailSession) {
		s.broken = true
	}
	if errors.Is(err, errReceipt) {
		err = nil // the answer is whole; the session is over
	}
	return out, err
}

// part takes text as it comes.
func (a *exchange) part(text []byte) error {
	if !a.request.Stream {
		a.text = append(a.text, text...)
		return nil
	}
	a.begin()
	if len(text) == 0 {
		return nil
	}
	return a.event(a.answer.Part(string(text)))
}

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
	if a.request.Echo {
		a.event(a.answer.Part(a.request.Prompt.Prompt))
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

func (a *exchange) finish(out outcome) {
	usage := openai.NewUsage(out.input, out.output)
	if !a.request.Stream {
		text := string(a.text)
		if a.request.Echo {
			text = a.request.Prompt.Prompt + text
		}
		a.w.Header().Set("Content-Type", "application/json")
		a.w.Write(append(a.answer.Whole(text, out.finish, usage), '\n'))
		return
	}
	a.begin()
	a.event(a.answer.Last(out.finish))
	if a.request.IncludeUsage {
		a.event(a.answer.Total(usage))
	}
	a.event([]byte("[DONE]"))
}

// fail reports an error: as a status while that is possible, else as an event
// in place of the end of the stream.
func (a *exchange) fail(err error) {
	e := errorOf(err, a.request.Chat)
	if !a.begun {
		fail(a.w, e)
		return
	}
	a.event(e.Body()[:len(e.Body())-1])
}
