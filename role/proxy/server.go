package proxy

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/openai"
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
	mux.HandleFunc("POST /tokenize", s.tokenize)
	mux.HandleFunc("POST /detokenize", s.detokenize)
	mux.HandleFunc("GET /tokenizer_info", s.tokenizerInfo)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, openai.Errorf(http.StatusNotFound, "invalid_request_error", "", "unknown_url", "unknown request URL: %s %.128s", r.Method, r.URL.Path))
	})
	return local(mux)
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
	return openai.Model{ID: o.name, Object: "model", Created: o.since, OwnedBy: "crescendo", MaxLength: o.full,
		Weights: inference.WeightsName(o.price.Weights)}
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

// read returns the body of a request.
func read(w http.ResponseWriter, r *http.Request) ([]byte, *openai.Error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, openai.MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, openai.Errorf(http.StatusRequestEntityTooLarge, "invalid_request_error", "", "", "the body is above %d bytes", openai.MaxBody)
	case err != nil:
		return nil, openai.Errorf(http.StatusBadRequest, "invalid_request_error", "", "", "read the body: %v", err)
	}
	return body, nil
}

func (s *server) handler(parse func([]byte) (openai.Request, *openai.Error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, bad := read(w, r)
		if bad != nil {
			fail(w, bad)
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
		id := "cmpl-"
		if request.Chat {
			id = "chatcmpl-"
		}
		a := &exchange{
			server: s, w: w, request: request,
			answer: openai.Answer{ID: id + hex.EncodeToString(random[:]), Created: time.Now().Unix(), Chat: request.Chat},
		}
		for i := range request.Prompts {
			c := &choice{exchange: a, index: i, prompt: request.Prompts[i]}
			if !request.Seeded {
				c.prompt.Seed = binary.LittleEndian.Uint64(random[:]) + uint64(i)
			}
			a.choices = append(a.choices, c)
		}
		a.run(r.Context())
	}
}
