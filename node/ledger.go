package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/client"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/role/archive"
	"github.com/crescendo-network/crescendo/role/relay"
)

// DialLedger reaches a ledger and verifies what it says from the trusted
// block on. Without one, the newest block it offers is believed.
func DialLedger(ctx context.Context, rpc, chainID string, trust archive.Trust) (ledger.Ledger, error) {
	return dial(ctx, rpc, chainID, trust)
}

func dial(ctx context.Context, rpc, chainID string, trust archive.Trust) (*client.Client, error) {
	o := client.Options{ChainID: chainID}
	if trust.Hash != "" {
		hash, err := hex.DecodeString(trust.Hash)
		if err != nil {
			return nil, crescendo.Errorf(crescendo.CodeInvalid, "trusted block %q: want hexadecimal digits", trust.Hash)
		}
		o.Trust = light.Trust{ChainID: chainID, Height: int64(trust.Height), Hash: hash}
	}
	c, err := client.Dial(ctx, rpc, o)
	if err != nil {
		return nil, fmt.Errorf("reach ledger: %w", err)
	}
	return c, nil
}

// LoadKey reads a key file.
func LoadKey(path string) (ledger.Signer, error) {
	k, err := client.LoadKey(path)
	if err != nil {
		return nil, err // a nil *client.Key must not become a Signer
	}
	return k, nil
}

// NewKey makes a key file.
func NewKey(path string) (ledger.Signer, error) {
	k, err := client.NewKey()
	if err != nil {
		return nil, err
	}
	return k, saveKey(k, path)
}

// EnsureKey loads a key file, or makes it from a secret if it is not there.
func EnsureKey(path string, secret crescendo.Hash) (ledger.Signer, error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return LoadKey(path)
	}
	k := client.KeyFromSeed(secret.String())
	return k, saveKey(k, path)
}

// saveKey leaves the whole file or none.
func saveKey(k *client.Key, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make key directory: %w", err)
	}
	unfinished := path + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("save key: %w", err)
	}
	if err := k.Save(unfinished); err != nil {
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return fmt.Errorf("save key: %w", err)
	}
	return nil
}

// MeasureVault returns the measurement of a vault program.
func MeasureVault(path string) ([]byte, error) { return sim.Measure(path) }

// proverOf makes what proves ledger state to a vault: the ledger's own proofs.
func proverOf(c *Connection) (relay.Prover, error) {
	l, ok := c.Ledger.(relay.ProvenLedger)
	if !ok {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "the ledger of archive %s makes no proofs that a vault could believe", c.Archive)
	}
	return relay.NewLightProver(l, c.Programme.LedgerRPC), nil
}
