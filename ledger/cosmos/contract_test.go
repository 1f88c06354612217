package cosmos_test

import (
	"context"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/ledger/client"
	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
	"github.com/crescendo-network/crescendo/ledger/ledgertest"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/program"
)

// genesis is the one the contract suite wants.
func genesis() app.GenesisInput {
	g := ledgertest.NewGenesis()
	return app.GenesisInput{ChainID: g.ChainID, Spec: g.Spec, Balances: app.SortBalances(g.Balances)}
}

func start(t *testing.T, c app.NodeConfig) *app.Node {
	t.Helper()
	if c.RPC == "" {
		c.RPC = "127.0.0.1:0"
	}
	if c.Rules == nil {
		c.Rules = program.Rules{}
	}
	n, err := app.StartNode(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func dial(t *testing.T, n *app.Node) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	trust, err := n.FirstBlock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hash := new(light.Hex)
	if err := hash.UnmarshalText([]byte(trust.Hash)); err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(ctx, "http://"+n.RPC, client.Options{
		ChainID: n.ChainID, Trust: light.Trust{Height: trust.Height, Hash: *hash}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestContract runs the suite all ledgers pass against a real node and its
// real RPC.
func TestContract(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledgertest.Fixture {
		home := t.TempDir()
		if err := app.Init(home, genesis()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		n := start(t, app.NodeConfig{Home: home, BlockTime: 100 * time.Millisecond, BusyTime: 20 * time.Millisecond})
		c := dial(t, n)
		t.Logf("first block %v after the start of the node", time.Since(began).Round(time.Millisecond))
		return ledgertest.Fixture{Ledger: c}
	})
}
