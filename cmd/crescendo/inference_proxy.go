package main

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/role/proxy"
	"github.com/spf13/cobra"
)

func (c *cli) inference() *cobra.Command {
	return stage("inference", "Use sealed models through an OpenAI-compatible proxy", c.proxy(), c.sessions(), c.closeSession())
}

func (c *cli) proxy() *cobra.Command {
	var address, relayURL, escrow string
	var sessions int
	cmd, f := c.seatCommand("proxy", "Offer OpenAI's API on localhost and carry it, sealed, to a vault", func(ctx context.Context, f *seatFlags, s node.Seat) error {
		if sessions < 1 || sessions > proxy.MaxSessions {
			return usagef("--sessions is %d, want 1 to %d", sessions, proxy.MaxSessions)
		}
		var paid crescendo.Amount
		if escrow != "" {
			var err error
			if paid, err = parseAmount("--escrow", escrow); err != nil {
				return err
			}
		}
		l, err := listen(address) // finds a port in use before anything is started
		if err != nil {
			return err
		}
		address := l.Addr().String()
		l.Close()
		return node.Proxy(ctx, s, node.ProxyConfig{Listen: address, Relay: relayURL, Escrow: paid, Sessions: sessions, Ready: func(at string) {
			url := "http://" + at + "/v1"
			c.note("OpenAI clients: set the base URL to %s", url)
			if err := c.print(map[string]string{"base_url": url}, func(w writer) { fmt.Fprintln(w, url) }); err != nil {
				s.Log.Warn("print address", "error", err)
			}
			if err := publishReady(f.ready, url); err != nil {
				s.Log.Warn("publish readiness", "error", err)
			}
		}})
	})
	cmd.Flags().Uint32Var(&f.rung, "rung", 0, "offer this rung only (default: all that are served)")
	cmd.Flags().StringVar(&address, "listen", "127.0.0.1:0", "loopback address to serve on")
	cmd.Flags().StringVar(&relayURL, "relay", "", "address of a relay (default: what the archive says)")
	cmd.Flags().StringVar(&escrow, "escrow", "", "paid into each session, in smallest units (default: eight full contexts)")
	cmd.Flags().IntVar(&sessions, "sessions", proxy.DefaultSessions, "answers at once, each from an escrow of its own")
	return cmd
}

func (c *cli) closeSession() *cobra.Command {
	var r remote
	var session uint64
	cmd := &cobra.Command{
		Use: "close --session N", Short: "Ask for what is left of a session's escrow", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if session == 0 {
				return usagef("--session is missing").hinted("`crescendo inference sessions` lists them")
			}
			return c.submit(cmd.Context(), &r, func(_ context.Context, _ *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				return one(&inference.MsgClose{Sender: me, Session: session})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	cmd.Flags().Uint64Var(&session, "session", 0, "number of the session")
	return cmd
}
