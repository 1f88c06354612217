package cosmos_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/client"
	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
)

func organiser() *memory.Signer { return memory.NewSigner("ledgertest/organiser") }

func person(i int) *memory.Signer { return memory.NewSigner(fmt.Sprintf("ledgertest/person-%d", i)) }

func openRaise(t *testing.T, l ledger.Ledger) {
	t.Helper()
	submit(t, l, organiser(), &program.MsgOpenRaise{Sender: organiser().Account(), Rung: 1})
}

func submit(t *testing.T, l ledger.Ledger, s ledger.Signer, m crescendo.Message) ledger.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := l.Submit(ctx, s, m)
	if err != nil {
		t.Fatalf("%s: %v", m.TypeURL(), err)
	}
	return r
}

func contribute(i int, amount crescendo.Amount) *funding.MsgContribute {
	return &funding.MsgContribute{Sender: person(i).Account(), Rung: 1, Amount: amount}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Four validators go on with one stopped; it catches up when it comes back,
// and all have the same state.
func TestFourValidators(t *testing.T) {
	const validators = 4
	homes, addrs, peers := make([]string, validators), make([]string, validators), make([]string, validators)
	in := genesis()
	for i := range validators {
		homes[i], addrs[i] = t.TempDir(), freePort(t)
		key, err := app.InitKeys(homes[i])
		if err != nil {
			t.Fatal(err)
		}
		in.Validators = append(in.Validators, ed25519.PublicKey(key))
		id, err := app.NodeID(homes[i])
		if err != nil {
			t.Fatal(err)
		}
		peers[i] = id + "@" + addrs[i]
	}
	doc, err := app.Genesis(in)
	if err != nil {
		t.Fatal(err)
	}
	config := make([]app.NodeConfig, validators)
	for i := range validators {
		if err := app.WriteGenesis(homes[i], doc); err != nil {
			t.Fatal(err)
		}
		others := slices.Delete(slices.Clone(peers), i, i+1)
		config[i] = app.NodeConfig{Home: homes[i], RPC: freePort(t), P2P: addrs[i], Peers: strings.Join(others, ",")}
	}
	began := time.Now()
	nodes := make([]child, validators)
	for i := range validators {
		nodes[i] = spawn(t, config[i])
	}
	connect := func(i int) *client.Client {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		l, err := client.Dial(ctx, "http://"+config[i].RPC, client.Options{ChainID: in.ChainID})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := connect(0)
	t.Logf("four validators: first block after %v", time.Since(began).Round(time.Millisecond))
	openRaise(t, l)
	submit(t, l, person(0), contribute(0, 100))

	nodes[3].kill(t)
	for i := range 3 {
		submit(t, l, person(i), contribute(i, 10))
	}
	nodes[3] = spawn(t, config[3])
	last := submit(t, l, person(1), contribute(1, 5))
	late := connect(3)
	compareBlocks(t, l, late, last.Height+1)
	if got, err := late.Balance(context.Background(), "@funding/1"); err != nil || got != 135 {
		t.Errorf("the late validator says the pot holds %d, %v; want 135", got, err)
	}
}

// compareBlocks waits until both have a block and compares them. Its header
// holds the hash of the state before it.
func compareBlocks(t *testing.T, a, b *client.Client, height crescendo.Height) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	x, err := a.Block(ctx, height)
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Block(ctx, height)
	if err != nil {
		t.Fatal(err)
	}
	// Commits may hold different votes; blocks and results must be equal.
	if !bytes.Equal(blockHash(t, x), blockHash(t, y)) {
		t.Errorf("block %d differs between nodes", height)
	}
}
