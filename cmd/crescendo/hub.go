package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/spf13/cobra"
)

type hubFlags struct {
	home, listen, ready, run string
	hosts                    []string
	tls                      bool
}

func (c *cli) hub() *cobra.Command {
	f := hubFlags{}
	cmd := &cobra.Command{
		Use:   "serve [ARCHIVE]",
		Short: "Serve the web site of a programme",
		Long: `Serve the web site of a programme: watch it, check it, and act in it. ARCHIVE is
the address of any archive of the programme, or the directory of a run; without
it, the run in --home is shown. The hub executes every block itself, so a mirror
of somebody else's programme needs nobody's leave and nobody's trust. What it
keeps is in hub.db of its home: delete it, and it is built again.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("hub serve: %d arguments given, want at most 1: the address of an archive", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.run = args[0]
			}
			return c.runHub(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.home, "home", home.Default(), "directory for the read model")
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8080", "address to serve on; the next free port is taken if it is in use")
	cmd.Flags().StringArrayVar(&f.hosts, "host", nil, "another HOST or HOST:PORT it answers for, such as its name behind a web server; may be given again")
	cmd.Flags().BoolVar(&f.tls, "tls", false, "a web server in front of it speaks HTTPS: bind cookies to it")
	cmd.Flags().StringVar(&f.ready, "ready-file", "", "file that appears, with the address, once it serves")
	return stage("hub", "Show a programme in the browser", cmd, c.hubLoad())
}

func (c *cli) runHub(ctx context.Context, f hubFlags) error {
	archive := f.run
	if archive == "" {
		h, err := home.Open(f.home)
		if err != nil {
			return err
		}
		if archive, err = node.ArchiveOf(h); err != nil {
			return err
		}
	}
	l, err := listenNear(f.listen)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := publishReady(f.ready, "http://"+l.Addr().String()); err != nil {
		return err
	}
	c.note("the hub is at http://%s", l.Addr())
	if c.json {
		c.print(map[string]string{"address": "http://" + l.Addr().String()}, nil)
	}
	return node.Hub(ctx, node.HubConfig{Archive: archive, Home: f.home, Listener: l, Demo: demoNames(f.home), Hosts: f.hosts, TLS: f.tls, Log: logger()})
}

// portsToTry bounds the search for a free port.
const portsToTry = 20

// listenNear listens on an address or, if its port is taken, on one of the
// next ports.
func listenNear(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	first, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil {
		return nil, usagef("--listen %q: want HOST:PORT", address)
	}
	if first == 0 {
		return listen(address)
	}
	for p := first; p < first+portsToTry && p <= 65535; p++ {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.FormatUint(p, 10)))
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("listen on %s: %w", address, err)
		}
	}
	return nil, crescendo.Errorf(crescendo.CodeInvalid, "listen on %s: it and the %d ports after it are in use", address, portsToTry-1).
		WithHint("choose another with --listen; port 0 takes any free one")
}

// demoNames are the names of the demo actors whose run is in a home.
func demoNames(dir string) map[crescendo.Account]string {
	var run struct {
		Names map[string]crescendo.Account `json:"names"`
	}
	names := map[crescendo.Account]string{}
	if err := (home.Home{Dir: dir}).ReadJSON("network.json", &run); err == nil {
		for name, account := range run.Names {
			names[account] = name
		}
	}
	return names
}
