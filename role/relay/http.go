package relay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/role/vault/calls"
)

const (
	maxInFlight = 128
	stallTime   = 2 * time.Minute
	readTime    = 30 * time.Second
	closeTime   = 3 * time.Second
)

// listen serves clients until the context ends or the returned function is
// called.
func (r *Relay) listen(ctx context.Context, listener net.Listener) (stop func()) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/sealed", r.sealed)
	mux.HandleFunc("GET /v1/vault", r.describe)
	mux.HandleFunc("GET /v1/healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, crescendo.Errorf(crescendo.CodeNotFound, "this relay carries sealed prompts only").
			WithHint("run crescendo inference proxy and speak to it"))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readTime, IdleTimeout: stallTime, BaseContext: func(net.Listener) context.Context { return ctx }}
	go server.Serve(listener)
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	}
}

// sealed carries one prompt and its answer. Whatever is not an envelope is
// refused before it is looked at any further.
func (r *Relay) sealed(w http.ResponseWriter, req *http.Request) {
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || kind != prompt.ContentType {
		refuse(w, http.StatusUnsupportedMediaType, crescendo.Errorf(crescendo.CodeInvalid,
			"this relay takes %s only", prompt.ContentType).WithHint("never send a prompt in the clear; use crescendo inference proxy"))
		return
	}
	select {
	case r.limit <- struct{}{}:
		defer func() { <-r.limit }()
	default:
		refuse(w, http.StatusServiceUnavailable, crescendo.Errorf(crescendo.CodeForbidden, "too many requests at once"))
		return
	}
	// Who sends slowly holds a place, too.
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(readTime))
	envelope, err := io.ReadAll(http.MaxBytesReader(w, req.Body, prompt.MaxEnvelope))
	control.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, crescendo.Errorf(crescendo.CodeInvalid, "envelope above %d bytes", prompt.MaxEnvelope))
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, crescendo.Errorf(crescendo.CodeInvalid, "read envelope: %v", err))
		return
	}
	to, err := prompt.Address(envelope)
	if err != nil {
		refuse(w, http.StatusBadRequest, crescendo.Errorf(crescendo.CodeInvalid, "%v", err))
		return
	}
	status, h := r.current()
	if h == nil || !status.Accepted {
		refuse(w, http.StatusServiceUnavailable, crescendo.Errorf(crescendo.CodeWrongTime, "the vault is starting").WithHint("try again"))
		return
	}
	if to.Vault != status.Vault {
		refuse(w, http.StatusGone, crescendo.Errorf(crescendo.CodeNotFound, "vault %s is not here any more", to.Vault.Short()).
			WithHint("open a session with the vault that GET /v1/vault names"))
		return
	}
	r.carry(w, req, h, envelope)
}

func (r *Relay) carry(w http.ResponseWriter, req *http.Request, h *host, envelope []byte) {
	s, err := h.conn.Call(calls.Ask, envelope)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, crescendo.Errorf(crescendo.CodeWrongTime, "the vault is starting").WithHint("try again"))
		return
	}
	defer s.Cancel()
	defer context.AfterFunc(req.Context(), s.Cancel)()
	flush := http.NewResponseController(w)
	defer flush.SetWriteDeadline(time.Time{}) // the connection may carry more
	begun := false
	for {
		chunk, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			if !begun {
				refuse(w, statusOf(err), err)
				return
			}
			panic(http.ErrAbortHandler) // the client must notice; it has no end marker either
		}
		if !begun {
			begun = true
			w.Header().Set("Content-Type", prompt.ContentType)
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusOK)
		}
		flush.SetWriteDeadline(time.Now().Add(stallTime)) // a client that does not read holds a place
		if prompt.WriteChunk(w, chunk) != nil || flush.Flush() != nil {
			return
		}
	}
}

func statusOf(err error) int {
	switch crescendo.CodeOf(err) {
	case crescendo.CodeInvalid:
		return http.StatusBadRequest
	case crescendo.CodeNotFound:
		return http.StatusGone
	case crescendo.CodeForbidden:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

// describe tells which vault is here. Clients take its keys from the ledger,
// not from this answer.
func (r *Relay) describe(w http.ResponseWriter, _ *http.Request) {
	status, _ := r.current()
	type measure struct {
		Name   string `json:"name"`
		Held   bool   `json:"held"`
		Detail string `json:"detail,omitempty"`
	}
	out := struct {
		Vault    crescendo.Hash     `json:"vault"`
		Accepted bool               `json:"accepted"`
		Refused  string             `json:"refused,omitempty"`
		PID      int                `json:"pid"`
		Serving  []crescendo.RungID `json:"serving"`
		Measures []measure          `json:"measures"`
	}{Vault: status.Vault, Accepted: status.Accepted, Refused: status.Refused, PID: status.VaultPID, Serving: status.Serving}
	for _, m := range status.Measures {
		out.Measures = append(out.Measures, measure{m.Name, m.Held, m.Detail})
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}

func refuse(w http.ResponseWriter, status int, err error) {
	out := struct {
		Code string `json:"code"`
		Text string `json:"text"`
		Hint string `json:"hint,omitempty"`
	}{Code: string(crescendo.CodeOf(err)), Text: err.Error()}
	var e *crescendo.Error
	if errors.As(err, &e) {
		out.Hint = e.Hint
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(out)
}
