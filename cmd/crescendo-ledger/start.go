package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"cosmossdk.io/log/v2"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
)

// Ready is what start publishes once the ledger answers and has a block.
type Ready struct {
	PID     int       `json:"pid"`
	ChainID string    `json:"chain_id"`
	RPC     string    `json:"rpc"`  // http://host:port
	GRPC    string    `json:"grpc"` // host:port
	REST    string    `json:"rest"` // http://host:port
	Node    string    `json:"node"`
	Genesis string    `json:"genesis_hash"`
	Trust   app.Trust `json:"trust"`
}

func startCommand() *cobra.Command {
	var c app.NodeConfig
	var readyFile, level string
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Run the validator until it is told to stop",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			min, err := zerolog.ParseLevel(level)
			if err != nil {
				return usageError{fmt.Errorf("log level %q: want debug, info, warn or error", level)}
			}
			c.Logger = log.NewLogger(os.Stderr, log.OutputJSONOption(), log.LevelOption(min))
			c.Rules = rules()
			n, err := app.StartNode(c)
			if err != nil {
				return err
			}
			trust, err := n.FirstBlock(cmd.Context())
			if err == nil {
				err = publish(cmd, readyFile, n, trust)
			}
			if err == nil {
				<-cmd.Context().Done()
			}
			if stopErr := n.Stop(); err == nil {
				err = stopErr
			}
			if cmd.Context().Err() != nil {
				return nil // told to stop
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Home, "home", "", "directory of the ledger")
	f.StringVar(&c.RPC, "rpc", "127.0.0.1:26657", "address of the JSON-RPC; port 0 chooses one")
	f.StringVar(&c.GRPC, "grpc", "127.0.0.1:0", "address of gRPC; empty for none")
	f.StringVar(&c.REST, "rest", "127.0.0.1:0", "address of the REST gateway; empty for none")
	f.StringSliceVar(&c.CORS, "cors", nil, "origins whose pages may call RPC and REST from a browser, such as https://explorer.example")
	f.StringVar(&c.P2P, "p2p", "127.0.0.1:0", "address for other validators")
	f.StringVar(&c.Peers, "peers", "", "other validators, id@host:port, comma-separated")
	f.DurationVar(&c.BlockTime, "block-time", app.DefaultBlockTime, "wait between blocks")
	f.DurationVar(&c.BusyTime, "busy-block-time", 0, "wait between blocks while something happens (default: the same)")
	f.Uint64Var(&c.Retain, "retain-blocks", 20000, "blocks kept at least; 0 keeps all")
	f.StringVar(&readyFile, "ready-file", "", "file that appears, with the addresses as JSON, once the ledger has a block")
	f.StringVar(&level, "log-level", "error", "debug, info, warn or error")
	require(cmd, "home")
	return cmd
}

func publish(cmd *cobra.Command, path string, n *app.Node, trust app.Trust) error {
	ready := Ready{
		PID: os.Getpid(), ChainID: n.ChainID, RPC: "http://" + n.RPC, GRPC: n.GRPC, Node: n.ID,
		Genesis: n.GenesisHash, Trust: trust,
	}
	if n.REST != "" {
		ready.REST = "http://" + n.REST
	}
	raw, err := json.Marshal(ready)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", raw); err != nil {
		return err
	}
	if path == "" {
		return nil
	}
	tmp := fmt.Sprintf("%s.%d.tmp", path, time.Now().UnixNano())
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return fmt.Errorf("publish readiness: %w", err)
	}
	return os.Rename(tmp, path)
}
