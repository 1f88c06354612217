package app

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	cmttypes "github.com/cometbft/cometbft/types"
)

// Init makes a home for a single validator: its keys and the genesis. It
// refuses a home that has a genesis already.
func Init(home string, in GenesisInput) error {
	cfg := homeConfig(home)
	if _, err := os.Stat(cfg.GenesisFile()); err == nil {
		return fmt.Errorf("make home %s: it holds a ledger already", home)
	}
	key, err := InitKeys(home)
	if err != nil {
		return err
	}
	in.Validators = []ed25519.PublicKey{key}
	doc, err := Genesis(in)
	if err != nil {
		return err
	}
	return WriteGenesis(home, doc)
}

// WriteGenesis puts a genesis document into a node's home.
func WriteGenesis(home string, doc *cmttypes.GenesisDoc) error {
	return writeFile(homeConfig(home).GenesisFile(), doc.SaveAs)
}

// NodeID returns the name of a home's node on the peer-to-peer network.
func NodeID(home string) (string, error) {
	key, err := p2p.LoadNodeKey(homeConfig(home).NodeKeyFile())
	if err != nil {
		return "", err
	}
	return string(key.ID()), nil
}

// InitKeys makes the directories and keys of a node and returns its consensus
// key; keys that exist are kept.
func InitKeys(home string) (ed25519.PublicKey, error) {
	cfg := homeConfig(home)
	for _, dir := range []string{"config", "data"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			return nil, fmt.Errorf("make home: %w", err)
		}
	}
	if _, err := p2p.LoadOrGenNodeKey(cfg.NodeKeyFile()); err != nil {
		return nil, fmt.Errorf("make node key: %w", err)
	}
	pv := privval.LoadOrGenFilePV(cfg.PrivValidatorKeyFile(), cfg.PrivValidatorStateFile())
	key, ok := pv.Key.PubKey.(cmted25519.PubKey)
	if !ok {
		return nil, errors.New("consensus key is not ed25519")
	}
	return ed25519.PublicKey(key), nil
}

// writeFile makes a file appear whole or not at all.
func writeFile(path string, write func(string) error) error {
	tmp := path + ".tmp"
	if err := write(tmp); err != nil {
		return err
	}
	f, err := os.Open(tmp)
	if err != nil {
		return err
	}
	err = f.Sync()
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// homeConfig is CometBFT's configuration for a home. Nothing of it is read
// from a file: what may be changed is a flag.
func homeConfig(home string) *cmtcfg.Config {
	cfg := cmtcfg.DefaultConfig()
	cfg.SetRoot(home)
	cfg.P2P.ListenAddress = "tcp://127.0.0.1:0"
	cfg.P2P.AddrBookStrict = false
	cfg.P2P.AllowDuplicateIP = true
	cfg.RPC.ListenAddress = "" // the node serves it on its own listener
	cfg.RPC.MaxRequestBatchSize = 256
	cfg.RPC.MaxBodyBytes = 4 << 20
	cfg.Mempool.MaxTxBytes = 1 << 20
	cfg.Mempool.MaxTxsBytes = 256 << 20
	cfg.TxIndex.Indexer = "kv"
	cfg.Consensus.TimeoutPropose = time.Second
	cfg.Consensus.TimeoutProposeDelta = 200 * time.Millisecond
	cfg.Consensus.TimeoutPrevote = 500 * time.Millisecond
	cfg.Consensus.TimeoutPrecommit = 500 * time.Millisecond
	cfg.Consensus.TimeoutCommit = DefaultBlockTime
	cfg.Consensus.PeerGossipSleepDuration = 20 * time.Millisecond
	return cfg
}

// DefaultBlockTime is how long a validator waits after a block on development
// chains.
const DefaultBlockTime = 300 * time.Millisecond
