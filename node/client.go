package node

import (
	"context"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/role/actor"
	"github.com/crescendo-network/crescendo/role/proxy"
)

// ProxyConfig says how an inference proxy serves.
type ProxyConfig struct {
	Listen   string
	Relay    string           // empty: what the archive says
	Escrow   crescendo.Amount // zero: the proxy's default
	Sessions int              // answers at once; likewise
	Ready    func(address string)
}

// Proxy runs an inference proxy.
func Proxy(ctx context.Context, s Seat, p ProxyConfig) error {
	c, signer, h, err := s.open(ctx)
	if err != nil {
		return err
	}
	if p.Relay == "" {
		p.Relay = c.Programme.Relay
	}
	return proxy.Run(ctx, proxy.Config{
		Ledger: c.Ledger, Signer: signer, Relay: p.Relay, Rung: s.Rung, Escrow: p.Escrow, Sessions: p.Sessions, Listen: p.Listen,
		Home: h.Dir, Blobs: c.Blobs, Log: s.Log, Ready: p.Ready,
	})
}

// DemoClient runs a demo client over all rungs.
func DemoClient(ctx context.Context, s Seat, demo programfile.Demo, rungs int, ready func() error) error {
	c, signer, h, err := s.open(ctx)
	if err != nil {
		return err
	}
	feed := &actor.Feed{Ledger: c.Ledger, Log: s.Log}
	client := &actor.Client{
		Ledger: c.Ledger, Signer: signer, Rungs: rungs, Requests: demo.Requests, MaxTokens: demo.MaxTokens, Prompt: demo.Prompt, Log: s.Log,
		Proxy: func(ctx context.Context, rung crescendo.RungID, ready func(string)) error {
			return proxy.Run(ctx, proxy.Config{
				Ledger: c.Ledger, Signer: signer, Relay: c.Programme.Relay, Rung: rung, Sessions: 1, Home: h.Dir, Blobs: c.Blobs, Log: s.Log,
				Ready: func(address string) { ready("http://" + address + "/v1") },
			})
		},
	}
	head, err := c.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	go feed.Follow(ctx, head.Height+1, nil)
	return feed.Run(ctx, client)
}
