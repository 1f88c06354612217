package proxy

import (
	"context"
	"net/http"

	"github.com/crescendo-network/crescendo/inference/openai"
	"github.com/crescendo-network/crescendo/role/vault/template"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// Tokenizers are public: these answers cost nothing and reach no vault.

// reading returns the model that a client means and its tokenizer. A client that
// names none means the one that is served, if there is only one.
func (s *server) reading(ctx context.Context, name string) (offer, *tokenizer.Tokenizer, error) {
	service, err := s.pool.discover(ctx)
	if err != nil {
		return offer{}, nil, err
	}
	o, ok := service.find(name)
	switch {
	case ok:
	case name != "":
		return o, nil, notFound(name)
	case len(service.offers) == 0:
		return o, nil, unavailable("no model is served yet")
	case len(service.offers) > 1:
		return o, nil, openai.Errorf(http.StatusBadRequest, "invalid_request_error", "model", "",
			"%d models are served: name one, in the body or as ?model=", len(service.offers))
	default:
		o = service.offers[0]
	}
	t := s.pool.tokenizer(ctx, o.rung)
	if t == nil {
		return o, nil, unavailable("the tokenizer of %s cannot be had at the moment", o.name)
	}
	return o, t, nil
}

// named returns the model's name in a request: in the body or, for clients that
// have no field for it, in the query.
func named(r *http.Request, body string) string {
	if body != "" {
		return body
	}
	return r.URL.Query().Get("model")
}

func (s *server) tokenize(w http.ResponseWriter, r *http.Request) {
	body, bad := read(w, r)
	if bad != nil {
		fail(w, bad)
		return
	}
	in, bad := openai.ParseTokenize(body)
	if bad != nil {
		fail(w, bad)
		return
	}
	o, t, err := s.reading(r.Context(), named(r, in.Model))
	if err != nil {
		fail(w, errorOf(err, false))
		return
	}
	tokens, err := tokensOf(t, in)
	if err != nil {
		fail(w, openai.Errorf(http.StatusBadRequest, "invalid_request_error", "", "", "%v", err))
		return
	}
	out := openai.Tokenized{Count: len(tokens), MaxLength: o.full, Tokens: tokens}
	if in.Strings {
		out.Strings = make([]string, len(tokens))
		for i, id := range tokens {
			out.Strings[i] = openai.Label(t, id)
		}
	}
	writeJSON(w, out)
}

// tokensOf lays a text or a chat out as it would be for the model. A text that
// is nothing but the name of a control token stands for that token: so clients
// learn its id. Within a text the name is text.
func tokensOf(t *tokenizer.Tokenizer, in openai.TokenizeRequest) ([]int32, error) {
	tokens, err := template.Tokens(t, &in.Prompt)
	if err != nil {
		return nil, err
	}
	if len(in.Prompt.Messages) > 0 {
		if in.Closed {
			return template.Closed(t, &in.Prompt)
		}
		return tokens, nil
	}
	if id, ok := t.ControlID(in.Prompt.Prompt); ok {
		tokens = append(t.Start(), id)
	}
	if in.Bare {
		tokens = tokens[len(t.Start()):]
	}
	return tokens, nil
}

func (s *server) detokenize(w http.ResponseWriter, r *http.Request) {
	body, bad := read(w, r)
	if bad != nil {
		fail(w, bad)
		return
	}
	model, tokens, bad := openai.ParseDetokenize(body)
	if bad != nil {
		fail(w, bad)
		return
	}
	_, t, err := s.reading(r.Context(), named(r, model))
	if err != nil {
		fail(w, errorOf(err, false))
		return
	}
	var text []byte
	for i, id := range tokens {
		if int(id) >= t.Vocab() {
			fail(w, openai.Errorf(http.StatusBadRequest, "invalid_request_error", "tokens", "", "token %d is %d, the vocabulary has %d", i, id, t.Vocab()))
			return
		}
		if name := t.Control(id); name != "" {
			text = append(text, name...)
			continue
		}
		text = append(text, t.TokenBytes(id)...)
	}
	writeJSON(w, openai.Detokenized{Prompt: string(text)})
}

func (s *server) tokenizerInfo(w http.ResponseWriter, r *http.Request) {
	o, t, err := s.reading(r.Context(), named(r, ""))
	if err != nil {
		fail(w, errorOf(err, false))
		return
	}
	info, err := t.ConfigJSON(int(o.full))
	if err != nil {
		fail(w, errorOf(err, false))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(info, '\n'))
}
