package keeper

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
)

const chainID = "crescendo-dev-keeper"

// provenChain is a ledger that has headers: one, at height 1.
type provenChain struct {
	*memory.Chain
	first crescendo.Hash
}

func (c provenChain) BlockHash(_ context.Context, h crescendo.Height) (crescendo.Hash, error) {
	if h != 1 {
		return crescendo.Hash{}, crescendo.Errorf(crescendo.CodeNotFound, "no block %d", h)
	}
	return c.first, nil
}

// asker is a vault in the ledger's state that has asked for the key.
type asker struct {
	trust  sealing.Trust
	denied bool
	id     crescendo.Hash
	key    *keyshare.Identity
	nonce  crescendo.Hash
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// askedState writes a rung that was sealed for the keeper, and vaults that have
// asked for its key, as if the rules had let all of them through.
func askedState(t *testing.T, s kv.Store, keeper crescendo.Account, id *keyshare.Identity, key keyshare.Key, vaults map[string]*asker) {
	t.Helper()
	spec, _, err := programfile.Load(filepath.Join("..", "..", "programs", "smoke.yaml"))
	must(t, err)
	spec.Organiser, spec.Simulated = memory.NewSigner("organiser").Account(), true
	must(t, program.Genesis(s, spec))
	topic := keyshare.Topic{Chain: chainID, Rung: 1, Version: 1, KeyCheck: key.Check()}
	shares, err := keyshare.Deal(key, topic, []keyshare.Recipient{{Keeper: keeper, SealKey: id.SealKey()}})
	must(t, err)
	must(t, errors.Join(
		sealing.Keepers.Set(s, sealing.Keeper{SealKey: id.SealKey()}, string(keeper)),
		sealing.Measurements.Set(s, sealing.Measurement{}, []byte("good")),
		sealing.Measurements.Set(s, sealing.Measurement{Denied: true}, []byte("bad")),
		sealing.Seals.Set(s, sealing.Seal{Version: 1, KeyCheck: key.Check(), Shares: shares}, uint32(1)),
	))
	n := byte(0)
	for _, v := range vaults {
		n++
		v.key, err = keyshare.NewIdentity()
		must(t, err)
		sign := make([]byte, 32)
		sign[0] = n
		v.id, v.nonce = sealing.VaultID(sign, v.key.SealKey()), crescendo.Hash{n}
		record := sealing.Vault{Operator: "cresc1olu", SignKey: sign, SealKey: v.key.SealKey(), Measurement: []byte("good"), Trust: v.trust}
		if v.denied {
			record.Measurement = []byte("bad")
		}
		must(t, sealing.Vaults.Set(s, record, v.id[:]))
		must(t, sealing.Requests.Set(s, sealing.Request{Nonce: v.nonce}, uint32(1), v.id[:]))
	}
}

// A keeper hands its share to a vault that believes this ledger and to no
// other, even if the ledger's rules have let it through.
func TestForgedVaultsGetNoKey(t *testing.T) {
	home := t.TempDir()
	id, err := LoadIdentity(home)
	must(t, err)
	signer := memory.NewSigner("keeper")
	key, err := keyshare.KeyFromBytes(make([]byte, keyshare.KeySize))
	must(t, err)
	first, forged := crescendo.Hash{1}, crescendo.Hash{2}
	vaults := map[string]*asker{
		"honest":         {trust: sealing.Trust{Kind: sealing.TrustBlock, Height: 1, Root: first}},
		"forged block":   {trust: sealing.Trust{Kind: sealing.TrustBlock, Height: 1, Root: forged}},
		"unknown block":  {trust: sealing.Trust{Kind: sealing.TrustBlock, Height: 9, Root: first}},
		"trusts a key":   {trust: sealing.Trust{Kind: sealing.TrustKey, Root: first}},
		"trusts nothing": {},
		"denied":         {trust: sealing.Trust{Kind: sealing.TrustBlock, Height: 1, Root: first}, denied: true},
	}
	chain, err := memory.New(memory.Options{ChainID: chainID}, program.Rules{}, func(s kv.Store) error {
		askedState(t, s, signer.Account(), id, key, vaults)
		return nil
	}, map[crescendo.Account]crescendo.Amount{signer.Account(): 1_000_000})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { chain.Run(ctx, 5*time.Millisecond) })
	running.Go(func() {
		if err := Run(ctx, Config{Ledger: provenChain{chain, first}, Signer: signer, Home: home}); err != nil {
			t.Error(err)
		}
	})
	answers := func(v *asker) []sealing.Share {
		state, err := chain.State(ctx)
		must(t, err)
		r, err := sealing.Requests.Get(state, uint32(1), v.id[:])
		must(t, err)
		return r.Shares
	}
	for end := time.Now().Add(10 * time.Second); len(answers(vaults["honest"])) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the honest vault gets no key")
		}
	}
	head, err := chain.Head(ctx)
	must(t, err)
	_, err = chain.Next(ctx, head.Height+2*anyway) // two more looks at everything
	must(t, err)
	topic := keyshare.Topic{Chain: chainID, Rung: 1, Version: 1, KeyCheck: key.Check()}
	for name, v := range vaults {
		shares := answers(v)
		if name != "honest" && len(shares) > 0 {
			t.Errorf("%s: was handed the key", name)
		}
		if got, err := keyshare.Combine(v.key, topic, v.id, v.nonce, shares); (err == nil) != (name == "honest") {
			t.Errorf("%s: combine: %v %v", name, got, err)
		}
	}
	// Nor do the honest vault's shares help another.
	if _, err := keyshare.Combine(vaults["forged block"].key, topic, vaults["forged block"].id, vaults["forged block"].nonce, answers(vaults["honest"])); err == nil {
		t.Error("the honest vault's share opens for another")
	}
}

// The private key outlives a restart, and no half-written file takes its place.
func TestIdentityIsKept(t *testing.T) {
	home := filepath.Join(t.TempDir(), "new")
	a, err := LoadIdentity(home)
	must(t, err)
	b, err := LoadIdentity(home)
	must(t, err)
	if string(a.SealKey()) != string(b.SealKey()) {
		t.Error("another key after a restart")
	}
}
