package proxy

import (
	"context"
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
)

// relayed is a pool over a relay that is a function, and a session with it.
func relayed(t *testing.T, relay http.HandlerFunc) (*pool, *session) {
	t.Helper()
	server := httptest.NewServer(relay)
	t.Cleanup(server.Close)
	chain, err := memory.New(memory.Options{ChainID: "crescendo-dev-proxy"}, program.Rules{}, func(kv.Store) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPool(Config{Ledger: chain, Signer: memory.NewSigner("client"), Relay: server.URL, Sessions: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	vault, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return p, &session{id: 7, rung: 1, sealKey: vault.PublicKey().Bytes(), key: private}
}

// A client that hangs up before anything has come may be charged: the vault had
// the prompt. The next receipt of the session must not look like a lie.
func TestHangingUpEarlyMayBeCharged(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, s := relayed(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	_, delivered, err := p.ask(ctx, s, prompt.Request{Prompt: "x"}, func(prompt.Event) error { return nil })
	if !errors.Is(err, context.Canceled) || delivered {
		t.Fatalf("delivered %v, error is %v", delivered, err)
	}
	if s.maybe != 1 || s.unsure != interrupted {
		t.Errorf("%d requests and %d tokens may be charged, want 1 and %d", s.maybe, s.unsure, interrupted)
	}
}

// What the relay refuses has not reached the vault.
func TestRefusedIsNotCharged(t *testing.T) {
	for status, broken := range map[int]bool{http.StatusServiceUnavailable: false, http.StatusGone: true} {
		p, s := relayed(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]string{"text": "no"})
		})
		_, _, err := p.ask(t.Context(), s, prompt.Request{Prompt: "x"}, func(prompt.Event) error { return nil })
		if !errors.Is(err, errUnavailable) || s.maybe != 0 || s.broken != broken {
			t.Errorf("status %d: error is %v, %d requests may be charged, session is over: %v", status, err, s.maybe, s.broken)
		}
	}
}
