package governance_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
)

const treasury crescendo.Account = "@treasury"

// Each file in testdata is a conversation with the rules of governance; what
// shares weigh is said with each message, as program would. After a change on
// purpose, run: go test ./governance -rewrite, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"alice": 1000, "bob": 1000, "carol": 1000})
		if err != nil {
			t.Fatal(err)
		}
		terms := governance.Terms{VoteBlocks: 10, QuorumBP: 4000, ThresholdBP: 6000, Deposit: 50}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return command(t, w, &terms, d) })
	})
}

func command(t *testing.T, w *transcript.World, terms *governance.Terms, d *datadriven.TestData) string {
	var by, text string
	kind := governance.Statement
	n := map[string]uint64{"proposal": 1, "rung": 1, "weight": 0, "eligible": 1000, "deposit": uint64(terms.Deposit), "amount": 0,
		"blocks": terms.VoteBlocks, "quorum": uint64(terms.QuorumBP), "threshold": uint64(terms.ThresholdBP)}
	d.MaybeScanArgs(t, "by", &by)
	d.MaybeScanArgs(t, "text", &text)
	d.MaybeScanArgs(t, "kind", &kind)
	for key, v := range n {
		d.MaybeScanArgs(t, key, &v)
		n[key] = v
	}
	rung, who := crescendo.RungID(n["rung"]), crescendo.Account(by)
	switch d.Cmd {
	case "terms":
		*terms = governance.Terms{VoteBlocks: n["blocks"], QuorumBP: uint32(n["quorum"]), ThresholdBP: uint32(n["threshold"]), Deposit: crescendo.Amount(n["deposit"])}
		return "ok\n"
	case "propose":
		m := &governance.MsgPropose{Sender: who, Rung: rung, Kind: kind, Text: text, Deposit: crescendo.Amount(n["deposit"])}
		return w.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			if err := m.Check(); err != nil {
				return crescendo.Outcome{}, err
			}
			return governance.Propose(env, s, *terms, m, crescendo.Amount(n["weight"]), crescendo.Amount(n["eligible"]))
		})
	case "yes", "no":
		m := &governance.MsgVote{Sender: who, Proposal: n["proposal"], Yes: d.Cmd == "yes"}
		return w.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			if err := m.Check(); err != nil {
				return crescendo.Outcome{}, err
			}
			return governance.Vote(env, s, m, crescendo.Amount(n["weight"]))
		})
	case "bought":
		return w.Print(func(_ crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return crescendo.Outcome{}, governance.Bought(s, rung, who, crescendo.Amount(n["amount"]))
		})
	case "height":
		d.ScanArgs(t, "to", &w.Env.Height)
		return w.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return closeDue(env, s, *terms) })
	case "lapse":
		return w.Print(func(_ crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return governance.Lapse(s, n["proposal"], "the rung is serving")
		})
	case "proposal":
		p, err := governance.Load(w.Store, n["proposal"])
		if err != nil {
			return transcript.Format(crescendo.Outcome{}, err)
		}
		return fmt.Sprintf("%s by %s: %s, yes %d, no %d of %d, deposit returned %t\n", p.Kind, p.Author, p.Status, p.Yes, p.No, p.Eligible, p.Returned)
	case "balances":
		return w.Bank.String()
	}
	d.Fatalf(t, "unknown command %q", d.Cmd)
	return ""
}

// closeDue ends a block.
func closeDue(env crescendo.Env, s kv.Store, t governance.Terms) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	due, err := governance.Due(env, s)
	if err != nil {
		return out, err
	}
	for _, id := range due {
		o, _, err := governance.Close(s, t, id, treasury)
		if err != nil {
			return out, err
		}
		out.Join(o)
	}
	return out, nil
}
