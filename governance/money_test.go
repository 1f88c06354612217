package governance_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
)

const initial = crescendo.Amount(1000) // what each person begins with

var voters = []crescendo.Account{"alice", "bob", "carol", "dave"}

// house is a world of one rung, and the shares that program would know of.
type house struct {
	*transcript.World
	terms  governance.Terms
	shares map[crescendo.Account]crescendo.Amount
	// counted is what each voter held when a proposal was made.
	counted map[uint64]map[crescendo.Account]crescendo.Amount
}

func newHouse(t *rapid.T, terms governance.Terms) *house {
	genesis := map[crescendo.Account]crescendo.Amount{}
	for _, v := range voters {
		genesis[v] = initial
	}
	w, err := transcript.New(genesis)
	if err != nil {
		t.Fatal(err)
	}
	return &house{w, terms, map[crescendo.Account]crescendo.Amount{}, map[uint64]map[crescendo.Account]crescendo.Amount{}}
}

func (h *house) eligible() (sum crescendo.Amount) {
	for _, v := range voters {
		sum += h.shares[v]
	}
	return sum
}

// deed is one thing that can happen.
type deed struct {
	who      crescendo.Account
	what     int
	amount   crescendo.Amount
	proposal uint64
	yes      bool
}

func drawDeed(t *rapid.T) deed {
	return deed{
		who: rapid.SampledFrom(voters).Draw(t, "who"), what: rapid.IntRange(0, 5).Draw(t, "deed"),
		amount:   crescendo.Amount(rapid.Uint64Range(1, 60).Draw(t, "amount")),
		proposal: rapid.Uint64Range(1, 9).Draw(t, "proposal"), yes: rapid.Bool().Draw(t, "yes"),
	}
}

func (h *house) do(d deed) string {
	switch d.what {
	case 0:
		return h.Print(func(_ crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			h.shares[d.who] += d.amount
			return crescendo.Outcome{}, governance.Bought(s, 1, d.who, d.amount)
		})
	case 1:
		kind := governance.Statement
		if d.yes {
			kind = governance.Halt
		}
		m := &governance.MsgPropose{Sender: d.who, Rung: 1, Kind: kind, Text: "text", Deposit: h.terms.Deposit}
		printed := h.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return governance.Propose(env, s, h.terms, m, h.shares[d.who], h.eligible())
		})
		if c, _ := governance.Counters.Get(h.Store); h.counted[c.Last] == nil {
			h.counted[c.Last] = map[crescendo.Account]crescendo.Amount{}
			for who, shares := range h.shares {
				h.counted[c.Last][who] = shares
			}
		}
		return printed
	case 2:
		h.Env.Height += crescendo.Height(d.amount % 4)
		return h.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return closeDue(env, s, h.terms) })
	}
	m := &governance.MsgVote{Sender: d.who, Proposal: d.proposal, Yes: d.yes}
	return h.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		return governance.Vote(env, s, m, h.shares[d.who])
	})
}

// However people buy, propose and vote: the pot holds the deposits of what is
// open, every vote weighs what its sender held when the proposal was made, and
// in the end the pot is empty.
func TestVotesAndDeposits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := governance.Terms{
			VoteBlocks: rapid.Uint64Range(1, 6).Draw(t, "blocks"), QuorumBP: rapid.Uint32Range(1, 10000).Draw(t, "quorum"),
			ThresholdBP: rapid.Uint32Range(5000, 10000).Draw(t, "threshold"), Deposit: crescendo.Amount(rapid.Uint64Range(0, 300).Draw(t, "deposit")),
		}
		h, twin := newHouse(t, terms), newHouse(t, terms)
		for range rapid.IntRange(0, 60).Draw(t, "deeds") {
			d := drawDeed(t)
			if a, b := h.do(d), twin.do(d); a != b {
				t.Fatalf("two runs differ:\n%s\n%s", a, b)
			}
			h.check(t)
		}
		if d := cmp.Diff(transcript.Dump(h.Store), transcript.Dump(twin.Store)); d != "" {
			t.Fatal(d)
		}
		h.Env.Height += crescendo.Height(terms.VoteBlocks)
		h.do(deed{what: 2})
		h.check(t)
		if left := h.Bank.Balance(governance.Pot(1)); left != 0 {
			t.Fatalf("%d of deposits are left when every vote is over", left)
		}
	})
}

func (h *house) check(t *rapid.T) {
	held, err := governance.Held(h.Store, 1)
	if pot := h.Bank.Balance(governance.Pot(1)); err != nil || pot != held {
		t.Fatalf("the pot holds %d, deposits are %d (%v)", pot, held, err)
	}
	if supply := h.Bank.Supply(); supply != initial*crescendo.Amount(len(voters)) {
		t.Fatalf("supply is %d", supply)
	}
	open := map[string]int{}
	c, _ := governance.Counters.Get(h.Store)
	for id := uint64(1); id <= c.Last; id++ {
		p, err := governance.Load(h.Store, id)
		if err != nil {
			t.Fatal(err)
		}
		if p.Status == governance.Voting {
			open[p.Kind]++
		}
		var yes, no crescendo.Amount
		for _, v := range voters {
			b, err := governance.Ballots.Get(h.Store, id, string(v))
			if err != nil {
				continue
			}
			if want := h.counted[id][v]; b.Weight != want || want == 0 {
				t.Fatalf("proposal %d: the vote of %s weighs %d, it held %d", id, v, b.Weight, want)
			}
			if b.Yes {
				yes += b.Weight
			} else {
				no += b.Weight
			}
		}
		if yes != p.Yes || no != p.No || yes+no > p.Eligible {
			t.Fatalf("proposal %d: ballots say %d and %d, %+v", id, yes, no, p)
		}
		// The rule multiplies; these sums are small enough to do it plainly.
		quorate := yes+no > 0 && (yes+no)*10000 >= p.Eligible*crescendo.Amount(h.terms.QuorumBP)
		carried := yes > no && yes*10000 >= (yes+no)*crescendo.Amount(h.terms.ThresholdBP)
		if p.Status != governance.Voting && (p.Returned != quorate || (p.Status == governance.Passed) != (quorate && carried)) {
			t.Fatalf("proposal %d with %+v: %+v", id, h.terms, p)
		}
	}
	for kind, n := range open {
		if n > governance.MaxOpen {
			t.Fatalf("%d proposals of kind %s are open", n, kind)
		}
	}
}

// A block closes a bounded number of proposals, the earliest first; the rest
// waits for the next block, and takes no votes meanwhile.
func TestQueueIsBounded(t *testing.T) {
	w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"alice": initial})
	if err != nil {
		t.Fatal(err)
	}
	terms := governance.Terms{VoteBlocks: 3, QuorumBP: 1, ThresholdBP: 5000, Deposit: 1}
	const rungs = 5
	for rung := crescendo.RungID(rungs); rung > 0; rung-- {
		for range governance.MaxOpen {
			m := &governance.MsgPropose{Sender: "alice", Rung: rung, Kind: governance.Statement, Text: "text", Deposit: 1}
			if _, err := w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
				return governance.Propose(env, s, terms, m, 1, 1)
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Env.Height = 4
	var closed []int
	for range 3 {
		out, err := w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return closeDue(env, s, terms) })
		if err != nil {
			t.Fatal(err)
		}
		closed = append(closed, len(out.Events))
		w.Env.Height++
		_, err = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return governance.Vote(env, s, &governance.MsgVote{Sender: "alice", Proposal: rungs * governance.MaxOpen, Yes: true}, 1)
		})
		if crescendo.CodeOf(err) != crescendo.CodeWrongTime {
			t.Errorf("a vote after the deadline: %v", err)
		}
	}
	if d := cmp.Diff([]int{16, 4, 0}, closed); d != "" {
		t.Error(d)
	}
}

// Sums near the largest amount are compared without wrapping.
func TestLargeAmounts(t *testing.T) {
	const most = crescendo.Amount(1 << 56)
	w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"alice": initial})
	if err != nil {
		t.Fatal(err)
	}
	terms := governance.Terms{VoteBlocks: 1, QuorumBP: 10000, ThresholdBP: 10000}
	for i, weight := range []crescendo.Amount{most, most - 1} {
		id := uint64(i + 1)
		_, err := w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			if out, err := governance.Propose(env, s, terms, &governance.MsgPropose{Sender: "alice", Rung: 1, Kind: governance.Halt, Text: "text"}, 1, most); err != nil {
				return out, err
			}
			return governance.Vote(env, s, &governance.MsgVote{Sender: "alice", Proposal: id, Yes: true}, weight)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Env.Height++
	if _, err := w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return closeDue(env, s, terms) }); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[uint64]governance.Status{1: governance.Passed, 2: governance.Rejected} {
		if p, err := governance.Load(w.Store, id); err != nil || p.Status != want {
			t.Errorf("proposal %d is %s, want %s (%v)", id, p.Status, want, err)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(canon.Encode(governance.MsgPropose{Sender: "alice", Rung: 1, Kind: governance.Halt, Text: "stop", Deposit: 7}), uint64(5), byte(0))
	f.Add(canon.Encode(governance.MsgPropose{Sender: "bob", Rung: 1 << 31, Kind: governance.Statement, Text: "a\x1b[2Jb", Deposit: 7}), uint64(1)<<63, byte(1))
	f.Add(canon.Encode(governance.MsgVote{Sender: "alice", Proposal: 1, Yes: true}), uint64(1)<<63, byte(2))
	f.Add(canon.Encode(governance.MsgVote{Sender: "bob", Proposal: 1}), uint64(0), byte(9))
	f.Fuzz(func(t *testing.T, raw []byte, weight uint64, later byte) {
		w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"alice": initial, "bob": initial})
		if err != nil {
			t.Fatal(err)
		}
		terms := governance.Terms{VoteBlocks: 5, QuorumBP: 4000, ThresholdBP: 5000, Deposit: 7}
		propose := &governance.MsgPropose{Sender: "bob", Rung: 1, Kind: governance.Halt, Text: "stop", Deposit: 7}
		weighs := crescendo.Amount(weight)
		send := func(m *governance.MsgPropose) {
			_, _ = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
				return governance.Propose(env, s, terms, m, weighs, weighs)
			})
		}
		send(propose)
		w.Env.Height += crescendo.Height(later % 8)
		var m governance.MsgPropose
		if canon.Decode(raw, &m) == nil && m.Check() == nil {
			send(&m)
		}
		var vote governance.MsgVote
		if canon.Decode(raw, &vote) == nil && vote.Check() == nil {
			_, _ = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
				return governance.Vote(env, s, &vote, weighs)
			})
		}
		w.Env.Height += 5
		if _, err := w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return closeDue(env, s, terms) }); err != nil {
			t.Fatalf("end of block: %v", err)
		}
		if held, err := governance.Held(w.Store, 1); err != nil || held != w.Bank.Balance(governance.Pot(1)) {
			t.Errorf("deposits %d, %v, pot %d", held, err, w.Bank.Balance(governance.Pot(1)))
		}
	})
}

func TestTextIsOneLine(t *testing.T) {
	for text, good := range map[string]bool{
		"Stop: the loss has not moved for 40 rounds.": true, "Arrêtez": true, "": false, "a\nb": false, "\x1b[2J": false, "\xff": false,
		"a\u2028b": false, "a\u0085b": false,
	} {
		m := governance.MsgPropose{Sender: "alice", Rung: 1, Kind: governance.Halt, Text: text}
		if err := m.Check(); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	long := governance.MsgPropose{Sender: "alice", Rung: 1, Kind: governance.Halt, Text: string(make([]byte, governance.MaxText+1))}
	if crescendo.CodeOf(long.Check()) != crescendo.CodeInvalid {
		t.Error("a text of 501 bytes is taken")
	}
}
