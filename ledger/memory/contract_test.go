package memory_test

import (
	"testing"

	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/ledgertest"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
)

func TestContract(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledgertest.Fixture {
		g := ledgertest.NewGenesis()
		c, err := memory.New(memory.Options{ChainID: g.ChainID, Denom: g.Spec.Denom}, program.Rules{},
			func(s kv.Store) error { return program.Genesis(s, g.Spec) }, g.Balances)
		if err != nil {
			t.Fatal(err)
		}
		return ledgertest.Fixture{Ledger: c, Advance: func() error { _, err := c.Advance(); return err }}
	})
}
