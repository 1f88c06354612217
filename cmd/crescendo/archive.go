package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/role/archive"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

type archiveFlags struct {
	node.ArchiveConfig
	listen, trust, ready string
}

func (c *cli) archive() *cobra.Command {
	var f archiveFlags
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Serve a programme's blobs and keep the history of its ledger",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.runArchive(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.Home, "home", home.Default(), "directory of blobs and index")
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:0", "address to serve on; port 0 takes any free one")
	cmd.Flags().StringVar(&f.Programme.LedgerRPC, "ledger", "", "JSON-RPC of a validator, http://host:port")
	cmd.Flags().StringVar(&f.Programme.LedgerGRPC, "ledger-grpc", "", "gRPC of a validator to tell wallets and explorers, host:port")
	cmd.Flags().StringVar(&f.Programme.LedgerREST, "ledger-rest", "", "REST gateway of a validator to tell wallets and explorers, http://host:port")
	cmd.Flags().StringVar(&f.Programme.ChainID, "chain-id", "", "name of the chain")
	cmd.Flags().StringVar(&f.Programme.Relay, "relay", "", "address of the relay to tell newcomers")
	cmd.Flags().StringVar(&f.Programme.GenesisHash, "genesis-hash", "", "hash of the genesis to tell newcomers")
	cmd.Flags().StringVar(&f.trust, "trust", "", "block to verify the ledger from, HEIGHT:HASH")
	cmd.Flags().BoolVar(&f.AllowPut, "allow-uploads", false, "accept blobs from anybody who can reach the address")
	cmd.Flags().StringVar(&f.Token, "token", "", "bearer token wanted with uploads")
	cmd.Flags().BoolVar(&f.Keep, "keep-everything", false, "never delete superseded checkpoints and states")
	cmd.Flags().StringVar(&f.ready, "ready-file", "", "file that appears, with the address, once it serves")
	return cmd
}

func (c *cli) runArchive(ctx context.Context, f archiveFlags) error {
	var err error
	if f.Programme.Trust, err = parseTrust(f.trust); err != nil {
		return err
	}
	l, err := listen(f.listen)
	if err != nil {
		return err
	}
	defer l.Close()
	f.Programme.Blobs = "http://" + l.Addr().String() + "/v1/blobs"
	f.Log = logger()
	a, err := node.OpenArchive(ctx, f.ArchiveConfig)
	if err != nil {
		return err
	}
	defer a.Close()
	if err := publishReady(f.ready, "http://"+l.Addr().String()); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serve(ctx, l, node.ArchiveHandler(a)) })
	g.Go(func() error { return a.Run(ctx) })
	return g.Wait()
}

// serve answers HTTP requests until ctx ends, and lets those under way
// finish.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if s.Shutdown(grace) != nil {
			s.Close()
		}
	})
	if err := s.Serve(l); err != http.ErrServerClosed {
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	}
	return nil
}

func parseTrust(s string) (archive.Trust, error) {
	if s == "" {
		return archive.Trust{}, nil
	}
	height, hash, ok := strings.Cut(s, ":")
	h, err := strconv.ParseInt(height, 10, 64)
	if !ok || err != nil || h < 1 {
		return archive.Trust{}, usagef("--trust %q: want HEIGHT:HASH", s)
	}
	return archive.Trust{Height: crescendo.Height(h), Hash: hash}, nil
}

// publishReady tells whoever started us that we serve.
func publishReady(path, text string) error {
	if path == "" {
		return nil
	}
	return home.Home{Dir: filepath.Dir(path)}.WriteFile(filepath.Base(path), []byte(text+"\n"), 0o600)
}

// logger writes what seats have to say to standard error.
func logger() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }
