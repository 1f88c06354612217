package bank

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
)

type accounts = map[crescendo.Account]crescendo.Amount

func TestExecuteIsAllOrNothing(t *testing.T) {
	b, err := New(accounts{"alice": 10, "bob": 1})
	if err != nil {
		t.Fatal(err)
	}
	before := b.String()
	err = b.Execute([]crescendo.Transfer{{From: "alice", To: "bob", Amount: 10}, {From: "bob", To: crescendo.Burn, Amount: 11}, {From: "alice", To: "bob", Amount: 1}})
	if crescendo.CodeOf(err) != crescendo.CodeFunds {
		t.Errorf("got %v, want a funds error", err)
	}
	if b.String() != before || b.Supply() != 11 {
		t.Errorf("a refused batch left\n%s supply %d", b, b.Supply())
	}
}

func TestGenesisOutOfRange(t *testing.T) {
	if _, err := New(accounts{"a": math.MaxUint64, "b": 1}); err == nil {
		t.Error("a supply beyond the range of amounts was accepted")
	}
}

func TestSupplyIsTheSumOfBalances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []crescendo.Account{"a", "b", "@pot/1", crescendo.Burn}
		b, _ := New(accounts{"a": 50, "b": 50})
		for range rapid.IntRange(0, 30).Draw(t, "batches") {
			var batch []crescendo.Transfer
			for range rapid.IntRange(0, 4).Draw(t, "transfers") {
				batch = append(batch, crescendo.Transfer{
					From:   rapid.SampledFrom(names).Draw(t, "from"),
					To:     rapid.SampledFrom(names).Draw(t, "to"),
					Amount: crescendo.Amount(rapid.Uint64Range(0, 60).Draw(t, "amount")),
				})
			}
			_ = b.Execute(batch)
			var sum crescendo.Amount
			for _, a := range b.balances {
				sum += a
			}
			if sum != b.Supply() || b.Balance(crescendo.Burn) != 0 {
				t.Fatalf("balances sum to %d, supply is %d, burned pot holds %d", sum, b.Supply(), b.Balance(crescendo.Burn))
			}
		}
	})
}
