// Package keeper is the seat that holds a share of every sealed rung's key. It
// acts on committed ledger state alone: it hands its share, sealed, to vaults
// that the policy accepts, and publishes the key when a rung's policy opens it.
//
// It never sees weights or prompts, and it answers nobody but the ledger.
package keeper

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/role/vault/proof"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
)

// Config is what a keeper needs.
type Config struct {
	Ledger ledger.Ledger
	Signer ledger.Signer
	Home   string // the keeper's private key is kept here
	Log    *slog.Logger
}

const (
	maxRungs    = 64
	retry       = 500 * time.Millisecond
	keyFile     = "keeper.key"
	appointWait = 500 * time.Millisecond
	anyway      = 40 // blocks between looks without a cause
)

// LoadIdentity reads the keeper's private key, or makes one in an empty home.
func LoadIdentity(home string) (*keyshare.Identity, error) {
	path := filepath.Join(home, keyFile)
	raw, err := os.ReadFile(path)
	if err == nil {
		return keyshare.ParseIdentity(raw)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read keeper key: %w", err)
	}
	id, err := keyshare.NewIdentity()
	if err != nil {
		return nil, err
	}
	if raw, err = id.Bytes(); err != nil {
		return nil, fmt.Errorf("write keeper key: %w", err)
	}
	return id, writeDurably(path, raw)
}

// writeDurably leaves the whole file or none: a lost key is a lost rung.
func writeDurably(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make keeper home: %w", err)
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write keeper key: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("write keeper key: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync keeper home: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Run keeps until the context ends.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	id, err := LoadIdentity(cfg.Home)
	if err != nil {
		return err
	}
	k := &keeper{Config: cfg, id: id}
	if err := k.register(ctx); err != nil {
		return ended(ctx, err)
	}
	for {
		if err := k.follow(ctx); ctx.Err() != nil {
			return nil
		} else if err != nil {
			cfg.Log.Warn("follow ledger", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
		}
	}
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type keeper struct {
	Config
	id *keyshare.Identity
}

// register publishes the keeper's key. Until the organiser has appointed the
// account it waits.
func (k *keeper) register(ctx context.Context) error {
	told := false
	for {
		state, err := k.Ledger.State(ctx)
		if err == nil {
			var record sealing.Keeper
			record, err = sealing.Keepers.Get(state, string(k.Signer.Account()))
			if err == nil && string(record.SealKey) == string(k.id.SealKey()) {
				return nil
			}
		}
		if err == nil || errors.Is(err, kv.ErrNotFound) {
			_, err = k.Ledger.Submit(ctx, k.Signer, &sealing.MsgRegisterKeeper{Sender: k.Signer.Account(), SealKey: k.id.SealKey()})
			if err == nil {
				k.Log.Info("keeper is ready", "keeper", k.Signer.Account())
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !told {
			k.Log.Warn("keeper waits to be appointed", "keeper", k.Signer.Account(), "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(appointWait):
		}
	}
}

// follow looks at the state after every block that concerns it, and now and
// then in any case.
func (k *keeper) follow(ctx context.Context) error {
	head, err := k.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	if err := k.tend(ctx); err != nil {
		return err
	}
	for height := head.Height + 1; ; height++ {
		block, err := k.Ledger.Next(ctx, height)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(block.Events, concerns) && height%anyway != 0 {
			continue
		}
		if err := k.tend(ctx); err != nil {
			return err
		}
	}
}

func concerns(e crescendo.Event) bool { return strings.HasPrefix(e.Kind, "sealing.") }

func (k *keeper) tend(ctx context.Context) error {
	state, err := k.Ledger.State(ctx)
	if err != nil {
		return err
	}
	seals, err := sealing.Seals.List(state, nil, maxRungs)
	if err != nil {
		return err
	}
	for _, e := range seals {
		if len(e.Rest) != 4 || len(e.Value.Key) > 0 {
			continue
		}
		rung := crescendo.RungID(binary.BigEndian.Uint32(e.Rest))
		if err := k.tendRung(ctx, state, rung, e.Value); err != nil {
			k.Log.Warn("tend sealed rung", "rung", rung, "error", err)
		}
	}
	return nil
}

// share opens this keeper's share of a rung's key.
func (k *keeper) share(rung crescendo.RungID, seal sealing.Seal) (keyshare.Key, keyshare.Topic, error) {
	topic := keyshare.Topic{Chain: k.Ledger.ChainID(), Rung: rung, Version: seal.Version, KeyCheck: seal.KeyCheck}
	for _, s := range seal.Shares {
		if s.Keeper == k.Signer.Account() {
			key, err := keyshare.Open(k.id, topic, s.Keeper, s.Sealed)
			return key, topic, err
		}
	}
	return keyshare.Key{}, topic, crescendo.Errorf(crescendo.CodeNotFound, "rung %d was sealed without this keeper", rung)
}

func (k *keeper) tendRung(ctx context.Context, state ledger.State, rung crescendo.RungID, seal sealing.Seal) error {
	requests, err := sealing.Requests.List(state, nil, kv.MaxPage, uint32(rung))
	if err != nil {
		return err
	}
	for _, e := range requests {
		var vault crescendo.Hash
		if copy(vault[:], e.Rest) != len(vault) || k.answered(e.Value) {
			continue
		}
		if err := k.handOver(ctx, state, rung, seal, vault, e.Value); err != nil {
			k.Log.Warn("key not handed over", "rung", rung, "vault", vault.Short(), "error", err)
		}
	}
	if seal.MayOpen {
		return k.publish(ctx, rung, seal)
	}
	return nil
}

func (k *keeper) answered(r sealing.Request) bool {
	for _, s := range r.Shares {
		if s.Keeper == k.Signer.Account() {
			return true
		}
	}
	return false
}

// handOver answers one request, if the policy accepts the vault now and the
// vault believes the ledger that this keeper sees.
func (k *keeper) handOver(ctx context.Context, state ledger.State, rung crescendo.RungID, seal sealing.Seal, vault crescendo.Hash, r sealing.Request) error {
	record, err := sealing.Accepted(state, crescendo.Env{ChainID: k.Ledger.ChainID(), Height: state.Height()}, vault)
	if err != nil {
		return err
	}
	if record.Denied || sealing.VaultID(record.SignKey, record.SealKey) != vault {
		return crescendo.Errorf(crescendo.CodeForbidden, "vault %s is denied", vault.Short())
	}
	if err := proof.CheckTrust(ctx, k.Ledger, record.Trust); err != nil {
		return err
	}
	key, topic, err := k.share(rung, seal)
	if err != nil {
		return err
	}
	defer key.Erase()
	sealed, err := keyshare.HandOver(key, topic, vault, r.Nonce, record.SealKey)
	if err != nil {
		return err
	}
	_, err = k.Ledger.Submit(ctx, k.Signer, &sealing.MsgHandOver{
		Sender: k.Signer.Account(), Rung: rung, Vault: vault, Nonce: r.Nonce, Sealed: sealed,
	})
	if crescendo.CodeOf(err) == crescendo.CodeDuplicate {
		return nil
	}
	if err == nil {
		k.Log.Info("key handed over", "rung", rung, "vault", vault.Short(), "assurance", record.Assurance)
	}
	return err
}

// publish opens a rung whose policy says so.
func (k *keeper) publish(ctx context.Context, rung crescendo.RungID, seal sealing.Seal) error {
	state, err := k.Ledger.State(ctx) // another keeper may have been first
	if err != nil {
		return err
	}
	if now, err := sealing.Seals.Get(state, uint32(rung)); err != nil || len(now.Key) > 0 {
		return err
	}
	key, _, err := k.share(rung, seal)
	if err != nil {
		return err
	}
	defer key.Erase()
	_, err = k.Ledger.Submit(ctx, k.Signer, &sealing.MsgPublishKey{Sender: k.Signer.Account(), Rung: rung, Key: append([]byte(nil), key.Bytes()...)})
	if err == nil {
		k.Log.Info("key published", "rung", rung)
	}
	if crescendo.CodeOf(err) == crescendo.CodeDuplicate {
		return nil
	}
	return err
}
