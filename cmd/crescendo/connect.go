package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/spf13/cobra"
)

// remote are the flags of commands that speak to a running programme.
type remote struct {
	url, home, key string
	rung           uint32
	season         bool // with --season: see seasonFlag
}

func (r *remote) flags(cmd *cobra.Command) {
	r.home = home.Default()
	cmd.Flags().StringVar(&r.home, "home", r.home, "directory of keys, and of the run when --url is not given")
	cmd.Flags().StringVar(&r.url, "url", "", "archive of the programme, http://host:port (default: the one that runs in --home)")
}

// keyFlag adds --key to a command that signs.
func (r *remote) keyFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.key, "key", "default", "key that signs: a name in the home, or a file")
}

// rungFlag adds --rung.
func (r *remote) rungFlag(cmd *cobra.Command) {
	cmd.Flags().Uint32Var(&r.rung, "rung", 1, "rung of the ladder, counted from 1")
}

func (r *remote) id() crescendo.RungID { return crescendo.RungID(r.rung) }

// connect reaches the programme that the flags name.
func (r *remote) connect(ctx context.Context) (*node.Connection, error) {
	url := r.url
	if url == "" {
		h, err := home.Open(r.home)
		if err != nil {
			return nil, err
		}
		if url, err = node.ArchiveOf(h); err != nil {
			return nil, err
		}
	}
	return node.Connect(ctx, url)
}

// state connects and reads the newest state.
func (r *remote) state(ctx context.Context) (*node.Connection, ledger.State, error) {
	c, err := r.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, err := c.Ledger.State(ctx)
	return c, s, err
}

// keyPath is the file that --key names.
func (r *remote) keyPath() string {
	if strings.ContainsRune(r.key, filepath.Separator) || strings.HasSuffix(r.key, ".key") {
		return r.key
	}
	return home.Home{Dir: r.home}.Key(r.key)
}

func (r *remote) signer() (ledger.Signer, error) {
	path := r.keyPath()
	s, err := node.LoadKey(path)
	if err != nil && crescendo.CodeOf(err) == crescendo.CodeNotFound {
		return nil, crescendo.Errorf(crescendo.CodeNotFound, "no key in %s", path).
			WithHint("make one with `crescendo wallet new`, or name another with --key")
	}
	return s, err
}

// submit signs and sends messages that are made once the sender is known, and
// prints what happened.
func (c *cli) submit(ctx context.Context, r *remote, make func(context.Context, *node.Connection, crescendo.Account) ([]crescendo.Message, error)) error {
	signer, err := r.signer()
	if err != nil {
		return err
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	msgs, err := make(ctx, conn, signer.Account())
	if err != nil {
		return err
	}
	result, err := conn.Ledger.Submit(ctx, signer, msgs...)
	if err != nil {
		return err
	}
	// State is proved by the next block's header: wait for it, so that the next
	// command sees what this one did.
	if _, err := conn.Ledger.Next(ctx, result.Height+1); err != nil {
		return err
	}
	return c.printResult(result)
}

// sent is a transaction as commands print it.
type sent struct {
	Height crescendo.Height `json:"height"`
	Tx     string           `json:"tx"`
	Events []eventJSON      `json:"events"`
}

type eventJSON struct {
	Kind  string            `json:"kind"`
	Rung  crescendo.RungID  `json:"rung,omitempty"`
	Attrs map[string]string `json:"attributes"`
}

func jsonOf(e crescendo.Event) eventJSON {
	out := eventJSON{e.Kind, e.Rung, map[string]string{}}
	for _, a := range e.Attrs {
		out.Attrs[a.Key] = a.Value
	}
	return out
}

func (c *cli) printResult(r ledger.Result) error {
	out := sent{r.Height, r.TxHash, []eventJSON{}}
	for _, e := range r.Events {
		out.Events = append(out.Events, jsonOf(e))
	}
	return c.print(out, func(w writer) {
		fmt.Fprintf(w, "included in block %d as %s\n", r.Height, r.TxHash)
		for _, e := range r.Events {
			fmt.Fprintf(w, "  %s\n", e)
		}
	})
}

// one wraps a single message for submit.
func one(m crescendo.Message) ([]crescendo.Message, error) { return []crescendo.Message{m}, nil }
