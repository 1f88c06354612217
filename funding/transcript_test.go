package funding_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
)

// Each file in testdata is a conversation with the rules of funding. After a
// change on purpose, run: go test ./funding -rewrite, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w, err := transcript.New(map[crescendo.Account]crescendo.Amount{
			"alice": 1000, "bob": 1000, "carol": 1000, funding.Treasury: 300,
		})
		if err != nil {
			t.Fatal(err)
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return command(t, w, d) })
	})
}

func command(t *testing.T, w *transcript.World, d *datadriven.TestData) string {
	who := func() (a string) { d.ScanArgs(t, "by", &a); return a }
	number := func(name string) (n uint64) { d.ScanArgs(t, name, &n); return n }
	switch d.Cmd {
	case "height":
		d.ScanArgs(t, "to", &w.Env.Height)
		return w.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return funding.EndBlock(env, s, 1) })
	case "open":
		return w.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			soft, hard := crescendo.Amount(number("soft")), crescendo.Amount(number("hard"))
			return crescendo.Outcome{}, funding.Open(env, s, 1, soft, hard, crescendo.Height(number("deadline")))
		})
	case "contribute", "reinvest":
		m := &funding.MsgContribute{Sender: crescendo.Account(who()), Rung: 1, Amount: crescendo.Amount(number("amount"))}
		return w.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			if err := m.Check(); err != nil {
				return crescendo.Outcome{}, err
			}
			return funding.Contribute(env, s, m, d.Cmd == "reinvest")
		})
	case "from-treasury":
		return w.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return funding.FromTreasury(env, s, 1, w.Bank.Balance(funding.Treasury))
		})
	case "refund":
		m := &funding.MsgRefund{Sender: crescendo.Account(who()), Rung: 1}
		return w.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return funding.Refund(env, s, m)
		})
	case "halt":
		return w.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return funding.Halt(env, s, 1) })
	case "draw":
		var to string
		d.ScanArgs(t, "to", &to)
		return w.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return funding.Draw(env, s, 1, crescendo.Amount(number("amount")), crescendo.Account(to))
		})
	case "purse":
		purse, err := funding.Purse(w.Store, 1)
		if err != nil {
			return transcript.Format(crescendo.Outcome{}, err)
		}
		return fmt.Sprintln(purse)
	case "balances":
		return w.Bank.String()
	}
	d.Fatalf(t, "unknown command %q", d.Cmd)
	return ""
}
