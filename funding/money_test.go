package funding_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
)

const purse = crescendo.Amount(2000) // what each person begins with

var holders = []crescendo.Account{"alice", "bob", "carol", "dave", funding.Treasury}

// step is one thing that can happen to a raise.
type step func(crescendo.Env, kv.Store) (crescendo.Outcome, error)

func drawStep(t *rapid.T) step {
	who := rapid.SampledFrom(holders[:4]).Draw(t, "who")
	amount := crescendo.Amount(rapid.Uint64Range(0, 1500).Draw(t, "amount"))
	switch rapid.IntRange(0, 9).Draw(t, "step") {
	case 0, 1, 2, 3:
		m := &funding.MsgContribute{Sender: who, Rung: 1, Amount: amount}
		return func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return funding.Contribute(env, s, m, amount%2 == 0)
		}
	case 4:
		return func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return funding.FromTreasury(env, s, 1, amount)
		}
	case 5, 6:
		return func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return funding.Draw(env, s, 1, amount, "worker")
		}
	case 7:
		return func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return funding.Refund(env, s, &funding.MsgRefund{Sender: who, Rung: 1})
		}
	case 8:
		return func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return funding.Halt(env, s, 1) }
	}
	return func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return funding.EndBlock(env, s, 1) }
}

func newRaise(t *rapid.T, soft, hard crescendo.Amount, deadline crescendo.Height) *transcript.World {
	genesis := map[crescendo.Account]crescendo.Amount{}
	for _, h := range holders {
		genesis[h] = purse
	}
	w, err := transcript.New(genesis)
	if err != nil {
		t.Fatal(err)
	}
	if err := funding.Open(w.Env, w.Store, 1, soft, hard, deadline); err != nil {
		t.Fatal(err)
	}
	return w
}

// However a raise goes: the pot holds what is owed, nobody gets back more than
// was paid in, and in the end every refund can be had.
func TestMoneyIsConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hard := crescendo.Amount(rapid.Uint64Range(1, 6000).Draw(t, "hard"))
		soft := crescendo.Amount(rapid.Uint64Range(1, uint64(hard)).Draw(t, "soft"))
		deadline := crescendo.Height(rapid.IntRange(2, 30).Draw(t, "deadline"))
		w, twin := newRaise(t, soft, hard, deadline), newRaise(t, soft, hard, deadline)
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			s := drawStep(t)
			printed := w.Print(s)
			if again := twin.Print(s); again != printed {
				t.Fatalf("two runs differ:\n%s\n%s", printed, again)
			}
			checkRaise(t, w)
			w.Env.Height++
			twin.Env.Height++
		}
		if d := cmp.Diff(transcript.Dump(w.Store), transcript.Dump(twin.Store)); d != "" {
			t.Fatal(d)
		}
		refundEverybody(t, w)
	})
}

func checkRaise(t *rapid.T, w *transcript.World) {
	raise, err := funding.Raises.Get(w.Store, uint32(1))
	if err != nil {
		t.Fatal(err)
	}
	if pot := w.Bank.Balance("@funding/1"); pot != raise.Held() {
		t.Fatalf("the pot holds %d, the raise is owed %d: %+v", pot, raise.Held(), raise)
	}
	if raise.Raised > raise.HardCap || raise.Spent > raise.Raised || (raise.Status == funding.Active && raise.Spent > 0) {
		t.Fatalf("raise out of bounds: %+v", raise)
	}
	var shares crescendo.Amount
	for _, h := range holders {
		held, err := funding.Holding(w.Store, 1, h)
		if err != nil {
			t.Fatal(err)
		}
		shares += held
		if w.Bank.Balance(h) > purse || w.Bank.Balance(h)+held < purse {
			t.Fatalf("%s began with %d, has %d and %d shares", h, purse, w.Bank.Balance(h), held)
		}
	}
	if shares != raise.Raised {
		t.Fatalf("%d shares for %d raised", shares, raise.Raised)
	}
}

func refundEverybody(t *rapid.T, w *transcript.World) {
	_, _ = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return funding.Halt(env, s, 1) })
	raise, _ := funding.Raises.Get(w.Store, uint32(1))
	for _, h := range rapid.Permutation(holders).Draw(t, "order") {
		pos, err := funding.Positions.Get(w.Store, uint32(1), string(h))
		if err != nil || pos.Refunded {
			continue
		}
		out, err := w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return funding.Refund(env, s, &funding.MsgRefund{Sender: h, Rung: 1})
		})
		if err != nil {
			t.Fatalf("%s cannot have the refund: %v", h, err)
		}
		if raise.Spent == 0 && (len(out.Transfers) != 1 || out.Transfers[0].Amount != pos.Shares) {
			t.Fatalf("%s paid %d and is refunded %v although nothing was spent", h, pos.Shares, out.Transfers)
		}
	}
	checkRaise(t, w)
	if dust := w.Bank.Balance("@funding/1"); uint64(dust) > max(raise.Holders, 1)-1 {
		t.Fatalf("%d units are left for %d holders", dust, raise.Holders)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(canon.Encode(funding.MsgContribute{Sender: "alice", Rung: 1, Amount: 7}), false)
	f.Add(canon.Encode(funding.MsgContribute{Sender: "alice", Rung: 1, Amount: 1 << 63}), true)
	f.Add(canon.Encode(funding.MsgRefund{Sender: "bob", Rung: 1}), true)
	f.Fuzz(func(t *testing.T, raw []byte, failed bool) {
		w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"alice": purse, "bob": purse})
		if err != nil {
			t.Fatal(err)
		}
		if err := funding.Open(w.Env, w.Store, 1, 5, 10, 20); err != nil {
			t.Fatal(err)
		}
		if failed {
			_, _ = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return funding.Halt(env, s, 1) })
		}
		var contribute funding.MsgContribute
		if canon.Decode(raw, &contribute) == nil && contribute.Check() == nil {
			_, _ = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
				return funding.Contribute(env, s, &contribute, false)
			})
		}
		var refund funding.MsgRefund
		if canon.Decode(raw, &refund) == nil && refund.Check() == nil {
			_, _ = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) { return funding.Refund(env, s, &refund) })
		}
		if raise, err := funding.Raises.Get(w.Store, uint32(1)); err != nil || raise.Held() != w.Bank.Balance("@funding/1") {
			t.Errorf("raise %+v, %v, pot %d", raise, err, w.Bank.Balance("@funding/1"))
		}
	})
}
