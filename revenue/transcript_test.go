package revenue_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
	"github.com/crescendo-network/crescendo/revenue"
)

// Each file in testdata is a conversation with the rules of revenue. After a
// change on purpose, run: go test ./revenue -rewrite, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"clients": 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		talk := &conversation{World: w, shares: map[string]crescendo.Amount{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return talk.command(t, d) })
	})
}

// conversation remembers who holds what, as package funding would.
type conversation struct {
	*transcript.World
	shares map[string]crescendo.Amount
}

func (c *conversation) command(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "open":
		return c.open(t, d)
	case "contributors":
		return c.contributors(t, d)
	case "pay":
		return c.pay(t, d)
	case "claim":
		var by string
		d.ScanArgs(t, "by", &by)
		return c.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			out, paid, err := revenue.Claim(env, s, &revenue.MsgClaim{Sender: crescendo.Account(by), Rung: 1}, c.shares[by])
			out.Emit(crescendo.NewEvent("(may reinvest)", 0, "amount", paid))
			return out, err
		})
	case "due":
		var of string
		d.ScanArgs(t, "of", &of)
		due, err := revenue.Due(c.Store, 1, crescendo.Account(of), c.shares[of])
		return fmt.Sprintf("%+v %v\n", due, err)
	case "book":
		book, err := revenue.Books.Get(c.Store, uint32(1))
		return fmt.Sprintf("%+v %v\n", book, err)
	case "balances":
		return c.Bank.String()
	}
	d.Fatalf(t, "unknown command %q", d.Cmd)
	return ""
}

func (c *conversation) open(t *testing.T, d *datadriven.TestData) string {
	var limit uint64
	d.ScanArgs(t, "cap", &limit)
	var sum crescendo.Amount
	for _, p := range pairs(t, d, "shares") {
		c.shares[string(p.Account)] = crescendo.Amount(p.Points)
		sum += crescendo.Amount(p.Points)
	}
	return c.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		return crescendo.Outcome{}, revenue.OpenBook(env, s, 1, crescendo.Amount(limit), sum)
	})
}

func (c *conversation) contributors(t *testing.T, d *datadriven.TestData) string {
	var royalty string
	var bp uint32
	d.MaybeScanArgs(t, "royalty", &royalty)
	d.MaybeScanArgs(t, "bp", &bp)
	return c.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		return crescendo.Outcome{}, revenue.SetContributors(env, s, 1, pairs(t, d, "points"), authors(royalty), bp)
	})
}

// pay puts money into the rung's pot, as a settlement would, and shares it
// out: a fifth to the operator; of the rest 60 % to holders and 25 % to
// contributors.
func (c *conversation) pay(t *testing.T, d *datadriven.TestData) string {
	var amount uint64
	operator := "operator"
	d.ScanArgs(t, "amount", &amount)
	d.MaybeScanArgs(t, "operator", &operator)
	return c.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		var out crescendo.Outcome
		out.Pay("clients", "@revenue/1", crescendo.Amount(amount))
		shared, err := revenue.Distribute(env, s, 1, crescendo.Amount(amount), crescendo.Account(operator),
			revenue.Split{OperatorsBP: 2000, HoldersBP: 6000, ContributorsBP: 2500})
		out.Join(shared)
		return out, err
	})
}

// authors reads royalty=ada, or none.
func authors(royalty string) []revenue.Point {
	if royalty == "" {
		return nil
	}
	return []revenue.Point{{Account: crescendo.Account(royalty), Points: 1}}
}

// pairs reads name=(alice,300,bob,200).
func pairs(t *testing.T, d *datadriven.TestData, name string) []revenue.Point {
	arg, ok := d.Arg(name)
	if !ok {
		return nil
	}
	var out []revenue.Point
	for i := 0; i+1 < len(arg.Vals); i += 2 {
		n, err := strconv.ParseUint(arg.Vals[i+1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, revenue.Point{Account: crescendo.Account(arg.Vals[i]), Points: n})
	}
	return out
}
