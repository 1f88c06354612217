package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/crescendo-network/crescendo/role/relay"
	"github.com/crescendo-network/crescendo/role/trainer"
	"github.com/spf13/cobra"
)

// seatFlags are the flags of commands that take a seat until stopped.
type seatFlags struct {
	remote
	name    string
	threads int
	ready   string
	metrics string
}

// seatCommand makes such a command. The archive's address is its argument.
func (c *cli) seatCommand(use, short string, run func(context.Context, *seatFlags, node.Seat) error) (*cobra.Command, *seatFlags) {
	f := &seatFlags{}
	cmd := &cobra.Command{
		Use: use + " URL", Short: short, Args: arguments("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := f.signer(); err != nil {
				return err
			}
			who := strings.TrimSuffix(filepath.Base(f.key), ".key")
			return run(cmd.Context(), f, node.Seat{
				Archive: args[0], Key: f.keyPath(), Home: home.Home{Dir: f.home}.Path("seats", who), Name: cmp.Or(f.name, who),
				Rung: f.id(), Threads: f.threads, Log: logger(), Role: strings.TrimPrefix(cmd.CommandPath(), "crescendo "), Metrics: f.metrics,
			})
		},
	}
	f.home = home.Default()
	cmd.Flags().StringVar(&f.home, "home", f.home, "directory of keys; the seat's data goes to seats/<key> in it")
	f.keyFlag(cmd)
	cmd.Flags().StringVar(&f.name, "name", "", "name shown to people (default: that of the key)")
	cmd.Flags().IntVar(&f.threads, "threads", machine.Cores(), "threads of arithmetic; results do not depend on it")
	cmd.Flags().StringVar(&f.ready, "ready-file", "", "file that appears once the seat is taken")
	cmd.Flags().StringVar(&f.metrics, "metrics", "", "HOST:PORT on which Prometheus may read measurements, under /metrics")
	return cmd, f
}

func (f *seatFlags) readiness() error { return publishReady(f.ready, "ready") }

func (c *cli) join() *cobra.Command {
	var cheat string
	cmd, f := c.seatCommand("join", "Train in the programme of an archive until there is nothing left to train", func(ctx context.Context, f *seatFlags, s node.Seat) error {
		err := node.Train(ctx, s, cheat, f.readiness)
		if errors.Is(err, trainer.ErrNotKept) || errors.Is(err, trainer.ErrExpelled) {
			// The ledger's verdict, not a failure of this program: coming back
			// would change nothing.
			c.note("this account's training is over: %v", err)
			return nil
		}
		return err
	})
	cmd.Flags().Uint32Var(&f.rung, "rung", 0, "train in this rung only (default: follow the programme)")
	cmd.Flags().StringVar(&cheat, "demo-cheat", "", "demo actors only: take part as a free rider of this kind")
	cmd.Flags().MarkHidden("demo-cheat")
	return cmd
}

func (c *cli) evaluate() *cobra.Command {
	cmd, f := c.seatCommand("run", "Score, vote and replay as an evaluator", func(ctx context.Context, f *seatFlags, s node.Seat) error {
		return node.Evaluate(ctx, s, f.readiness)
	})
	cmd.Flags().Uint32Var(&f.rung, "rung", 0, "evaluate this rung only (default: every rung in turn)")
	return cmd
}

func (c *cli) keep() *cobra.Command {
	cmd, _ := c.seatCommand("keep", "Keep shares of keys and hand them to accepted vaults", func(ctx context.Context, f *seatFlags, s node.Seat) error {
		return node.Keep(ctx, s, f.readiness)
	})
	return cmd
}

func (c *cli) relay() *cobra.Command {
	var address, vault string
	cmd, _ := c.seatCommand("relay", "Run a vault and carry sealed prompts to it", func(ctx context.Context, f *seatFlags, s node.Seat) error {
		if vault == "" {
			var err error
			if vault, err = machine.Sibling("crescendo-vault"); err != nil {
				return err
			}
		}
		// Find a port in use before anything is started.
		l, err := listen(address)
		if err != nil {
			return err
		}
		address = l.Addr().String()
		l.Close()
		return node.Relay(ctx, s, vault, address, os.Stderr, func(st relay.Status) {
			if err := f.publishVault(s.Home, st); err != nil {
				s.Log.Warn("publish vault", "error", err)
			}
		})
	})
	cmd.Flags().StringVar(&address, "listen", "127.0.0.1:0", "address to serve clients on")
	cmd.Flags().StringVar(&vault, "vault", "", "vault program (default: crescendo-vault beside this program)")
	return cmd
}

// publishVault writes the number of the vault's process beside the relay's
// data, for run.json, and tells whoever started us once the relay listens.
func (f *seatFlags) publishVault(dir string, st relay.Status) error {
	if err := (home.Home{Dir: dir}).WriteFile("vault.pid", fmt.Appendf(nil, "%d\n", st.VaultPID), 0o600); err != nil {
		return err
	}
	if st.Address == "" || f.ready == "" {
		return nil
	}
	if _, err := os.Stat(f.ready); err == nil {
		return nil
	}
	return home.Home{Dir: filepath.Dir(f.ready)}.WriteFile(filepath.Base(f.ready), []byte("http://"+st.Address+"\n"), 0o600)
}
