// Package proxy is a client's own end of sealed inference: an OpenAI-compatible
// server on localhost that checks the vault's standing on the ledger, pays from
// an escrow, seals every prompt to the vault, and checks every receipt against
// what it received itself.
//
// Prompts and answers are in the clear here and in the vault, nowhere between.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/ledger"
)

// Config is what a proxy needs.
type Config struct {
	Ledger ledger.Ledger
	Signer ledger.Signer    // the client, who pays
	Relay  string           // URL of the vault's relay
	Rung   crescendo.RungID // the only rung to offer; zero: all that are served
	Escrow crescendo.Amount // paid into each session; zero: DefaultRequests full contexts
	// Sessions is how many requests may be answered at once, each from an
	// escrow of its own; zero: DefaultSessions.
	Sessions int
	Listen   string     // "" means 127.0.0.1:0; anything but loopback is refused
	Home     string     // remembers open sessions over crashes; "": nothing does
	Blobs    blob.Store // to check prompt token counts; nil: they are believed within bounds
	// Receipt is told every receipt that has been checked; nil: nobody is.
	Receipt func(inference.SignedReceipt)
	Log     *slog.Logger
	Ready   func(address string) // called once it serves; may be nil
}

// Sessions unless the configuration says how many, and at most.
const (
	DefaultSessions = 2
	MaxSessions     = 64
)

// DefaultRequests is how many requests that fill the whole context a session's
// escrow pays for, unless the configuration names an escrow.
const DefaultRequests = 8

const (
	closeTime  = 10 * time.Second
	headerTime = 30 * time.Second
)

// Run serves until the context ends, then closes its sessions.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Sessions <= 0 {
		cfg.Sessions = DefaultSessions
	}
	cfg.Sessions = min(cfg.Sessions, MaxSessions)
	if err := loopback(cfg.Listen); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "listen on %s: %v", cfg.Listen, err).
			WithHint("choose another address with --listen")
	}
	p, err := newPool(cfg)
	if err != nil {
		listener.Close()
		return err
	}
	s := &server{cfg: cfg, pool: p}
	web := &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: headerTime,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	if cfg.Ready != nil {
		cfg.Ready(listener.Addr().String())
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-served:
		err = fmt.Errorf("serve: %w", err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	web.Close()
	return errors.Join(err, p.close(last))
}

// loopback refuses to offer the client's money and prompts to the network.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "listen on %q: %v", address, err).WithHint("use host:port, as in 127.0.0.1:8080")
	}
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil
	}
	return crescendo.Errorf(crescendo.CodeForbidden, "listen on %q: the proxy pays for whoever reaches it", address).
		WithHint("use a loopback address, as in 127.0.0.1:8080")
}

func relayURL(relay string) string {
	if !strings.Contains(relay, "://") {
		relay = "http://" + relay
	}
	return strings.TrimSuffix(relay, "/")
}
