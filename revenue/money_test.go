package revenue_test

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
	"github.com/crescendo-network/crescendo/revenue"
)

// people are what a book is about: some hold, some work, some do both.
type people struct {
	shares   map[crescendo.Account]crescendo.Amount
	points   []revenue.Point
	accounts []crescendo.Account // everybody who may be due something
	limit    crescendo.Amount
	authors  []revenue.Point // of the adopted recipe and what it builds on
	bp       uint32
	split    revenue.Split
}

func drawPeople(t *rapid.T) people {
	p := people{shares: map[crescendo.Account]crescendo.Amount{}}
	for i := range rapid.IntRange(1, 6).Draw(t, "accounts") {
		account := crescendo.Account(fmt.Sprint("person-", i))
		p.accounts = append(p.accounts, account)
		if shares := rapid.Uint64Range(0, 1<<40).Draw(t, "shares"); shares > 0 {
			p.shares[account] = crescendo.Amount(shares)
		}
		if points := rapid.SampledFrom([]uint64{0, 1, 3, 1 << 30, 1 << 61}).Draw(t, "points"); points > 0 {
			p.points = append(p.points, revenue.Point{Account: account, Points: points})
		}
	}
	p.accounts = append(p.accounts, "ada", "bea", "op-1", "op-2")
	p.limit = crescendo.Amount(rapid.Uint64Range(0, 1<<42).Draw(t, "cap"))
	p.bp = rapid.Uint32Range(0, 10_000).Draw(t, "royalty")
	p.split.OperatorsBP = rapid.Uint32Range(0, 10_000).Draw(t, "operators")
	p.split.HoldersBP = rapid.Uint32Range(0, 10_000).Draw(t, "holders")
	p.split.ContributorsBP = rapid.Uint32Range(0, 10_000-p.split.HoldersBP).Draw(t, "contributors")
	p.authors = drawAuthors(t)
	return p
}

func (p people) world(t *rapid.T) *transcript.World {
	w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"clients": 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	var sum crescendo.Amount
	for _, a := range p.accounts {
		sum += p.shares[a]
	}
	if err := revenue.OpenBook(w.Env, w.Store, 1, p.limit, sum); err != nil {
		t.Fatal(err)
	}
	if err := revenue.SetContributors(w.Env, w.Store, 1, p.points, p.authors, p.bp); err != nil {
		t.Fatal(err)
	}
	return w
}

func (p people) pay(t *rapid.T, w *transcript.World, amount crescendo.Amount, operator crescendo.Account) {
	_, err := w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		var out crescendo.Outcome
		out.Pay("clients", "@revenue/1", amount)
		shared, err := revenue.Distribute(env, s, 1, amount, operator, p.split)
		out.Join(shared)
		return out, err
	})
	if err != nil {
		t.Fatalf("pay %d: %v", amount, err)
	}
	p.check(t, w)
}

func (p people) claim(t *rapid.T, w *transcript.World, who crescendo.Account) {
	due, err := revenue.Due(w.Store, 1, who, p.shares[who])
	if err != nil {
		t.Fatal(err)
	}
	before := w.Bank.Balance(who)
	_, err = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		out, paid, err := revenue.Claim(env, s, &revenue.MsgClaim{Sender: who, Rung: 1}, p.shares[who])
		if err == nil && paid != due.Holder+due.Contributor {
			t.Fatalf("%s is due %+v and may reinvest %d", who, due, paid)
		}
		return out, err
	})
	if (err == nil) != (due.Total() > 0) {
		t.Fatalf("%s is due %+v, claim: %v", who, due, err)
	}
	if got := w.Bank.Balance(who) - before; got != due.Total() {
		t.Fatalf("%s was due %+v and got %d", who, due, got)
	}
	p.check(t, w)
}

// check compares the book with itself and with the pot.
func (p people) check(t *rapid.T, w *transcript.World) revenue.Book {
	b, err := revenue.Books.Get(w.Store, uint32(1))
	if err != nil {
		t.Fatal(err)
	}
	if b.Operators+b.Holders+b.Contributors+b.NextRung+b.Remainder != b.Received {
		t.Fatalf("the parts are not the whole: %+v", b)
	}
	if b.Holders > b.Cap || b.Remainder > 2 {
		t.Fatalf("out of bounds: %+v", b)
	}
	if pot := w.Bank.Balance("@revenue/1"); pot != b.Received-b.NextRung-b.Claimed {
		t.Fatalf("the pot holds %d: %+v", pot, b)
	}
	if w.Bank.Balance(revenue.Treasury) != b.NextRung {
		t.Fatalf("the treasury holds %d: %+v", w.Bank.Balance(revenue.Treasury), b)
	}
	return b
}

// Whoever claims when: what each account gets in the end is the same, is its
// exact part rounded down, and nothing but dust stays.
func TestClaimsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPeople(t)
		eager, late := p.world(t), p.world(t)
		for range rapid.IntRange(0, 20).Draw(t, "payments") {
			amount := crescendo.Amount(rapid.OneOf(rapid.Uint64Range(0, 10), rapid.Uint64Range(0, 1<<40)).Draw(t, "amount"))
			operator := rapid.SampledFrom([]crescendo.Account{"op-1", "op-2", ""}).Draw(t, "operator")
			p.pay(t, eager, amount, operator)
			p.pay(t, late, amount, operator)
			if rapid.Bool().Draw(t, "claim") {
				p.claim(t, eager, rapid.SampledFrom(p.accounts).Draw(t, "who"))
			}
		}
		for _, w := range []*transcript.World{eager, late} {
			for _, who := range rapid.Permutation(p.accounts).Draw(t, "order") {
				p.claim(t, w, who)
				p.claim(t, w, who) // at once again: nothing
			}
		}
		if d := cmp.Diff(eager.Bank.String(), late.Bank.String()); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(transcript.Dump(eager.Store), transcript.Dump(late.Store)); d != "" {
			t.Fatal(d)
		}
		p.checkExact(t, late)
	})
}

func (p people) checkExact(t *rapid.T, w *transcript.World) {
	b := p.check(t, w)
	dust := b.Operators + b.Holders + b.Contributors - b.Claimed
	if dust > crescendo.Amount(2*len(p.accounts)) {
		t.Fatalf("%d units are nobody's: %+v", dust, b)
	}
	for _, who := range p.accounts {
		claim, err := revenue.Claimables.Get(w.Store, uint32(1), string(who))
		if err != nil {
			claim = revenue.Claimable{}
		}
		for _, c := range []struct {
			paid, total crescendo.Amount
			num, den    uint64
		}{
			{claim.HolderPaid, b.Holders, uint64(p.shares[who]), uint64(b.Shares)},
			{claim.ContribPaid, b.Contributors, claim.Points, b.Points},
		} {
			if want := exact(c.total, c.num, c.den); c.paid != want {
				t.Fatalf("%s was paid %d of %d * %d / %d, want %d", who, c.paid, c.total, c.num, c.den, want)
			}
		}
	}
	// Whoever plays every part gets back all but the next rung's part.
	if claimed := w.Bank.Supply() - w.Bank.Balance("clients") - w.Bank.Balance("@revenue/1") - b.NextRung; claimed != b.Claimed {
		t.Fatalf("accounts have %d, the book says %d", claimed, b.Claimed)
	}
}

func exact(total crescendo.Amount, num, den uint64) crescendo.Amount {
	if den == 0 {
		return 0
	}
	q := new(big.Int).Mul(new(big.Int).SetUint64(uint64(total)), new(big.Int).SetUint64(num))
	return crescendo.Amount(q.Div(q, new(big.Int).SetUint64(den)).Uint64())
}

func drawAuthors(t *rapid.T) []revenue.Point {
	return []revenue.Point{
		{Account: "ada", Points: rapid.Uint64Range(1, 1_000_000).Draw(t, "ada")},
		{Account: "bea", Points: rapid.Uint64Range(0, 1_000_000).Draw(t, "bea")},
	}
}

// The royalty is its fraction of the contributors' part to the unit, and an
// author's part of it is in proportion: what rounding leaves is the first's.
func TestRoyaltyIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		work := rapid.Uint64Range(1, 1<<50).Draw(t, "points")
		p := people{
			points: []revenue.Point{{Account: "tom", Points: work}}, authors: drawAuthors(t),
			bp: rapid.Uint32Range(0, 10_000).Draw(t, "royalty"), split: revenue.Split{ContributorsBP: 10_000},
		}
		w := p.world(t)
		amount := crescendo.Amount(rapid.Uint64Range(1, 1<<50).Draw(t, "amount"))
		p.pay(t, w, amount, "")
		first, err1 := revenue.Due(w.Store, 1, "ada", 0)
		second, err2 := revenue.Due(w.Store, 1, "bea", 0)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		royalty := work * uint64(p.bp)
		part := uint64(exact(crescendo.Amount(royalty), p.authors[1].Points, p.authors[0].Points+p.authors[1].Points))
		if want := exact(amount, part, work*10_000); second.Contributor != want {
			t.Fatalf("bea's part of %d basis points of %d, authors %v: %d, want %d", p.bp, amount, p.authors, second.Contributor, want)
		}
		if want := exact(amount, royalty-part, work*10_000); first.Contributor != want {
			t.Fatalf("ada's part of %d basis points of %d, authors %v: %d, want %d", p.bp, amount, p.authors, first.Contributor, want)
		}
	})
}

func TestExtremes(t *testing.T) {
	w, _ := transcript.New(nil)
	for _, err := range []error{
		revenue.OpenBook(w.Env, w.Store, 1, ^crescendo.Amount(0), ^crescendo.Amount(0)),
		revenue.SetContributors(w.Env, w.Store, 1, []revenue.Point{{Account: "tom", Points: ^uint64(0)}}, []revenue.Point{{Account: "ada"}}, 10_000),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	all := revenue.Split{HoldersBP: 10_000}
	if _, err := revenue.Distribute(w.Env, w.Store, 1, ^crescendo.Amount(0), "op", all); err != nil {
		t.Error(err)
	}
	if _, err := revenue.Distribute(w.Env, w.Store, 1, 1, "op", all); err == nil {
		t.Error("received beyond the range of amounts")
	}
	if due, err := revenue.Due(w.Store, 1, "alice", ^crescendo.Amount(0)); err != nil || due.Holder != ^crescendo.Amount(0) {
		t.Errorf("%+v, %v", due, err)
	}
	for name, err := range map[string]error{
		"points overflow":  revenue.SetContributors(w.Env, w.Store, 2, nil, nil, 0),
		"split over whole": onlyErr(revenue.Distribute(w.Env, w.Store, 1, 1, "op", revenue.Split{HoldersBP: 6000, ContributorsBP: 4001})),
		"negative split":   onlyErr(revenue.Distribute(w.Env, w.Store, 1, 1, "op", revenue.Split{HoldersBP: ^uint32(0)})),
		"too many shares":  onlyDueErr(w.Store, "alice"),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func onlyErr(_ crescendo.Outcome, err error) error { return err }

func onlyDueErr(r kv.Reader, who crescendo.Account) error {
	s := kv.NewMemory()
	_ = revenue.OpenBook(crescendo.Env{}, s, 1, 10, 10)
	_, err := revenue.Due(s, 1, who, 11)
	return err
}

func FuzzMessages(f *testing.F) {
	f.Add(canon.Encode(revenue.MsgClaim{Sender: "alice", Rung: 1}), uint64(5), uint64(1000))
	f.Add(canon.Encode(revenue.MsgClaim{Sender: "alice", Rung: 2, Reinvest: 3}), uint64(5), uint64(1))
	f.Fuzz(func(t *testing.T, raw []byte, shares, amount uint64) {
		w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"clients": crescendo.Amount(amount)})
		if err != nil {
			t.Fatal(err)
		}
		if err := revenue.OpenBook(w.Env, w.Store, 1, crescendo.Amount(amount), 10); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			var out crescendo.Outcome
			out.Pay("clients", "@revenue/1", crescendo.Amount(amount))
			shared, err := revenue.Distribute(env, s, 1, crescendo.Amount(amount), "op", revenue.Split{OperatorsBP: 1, HoldersBP: 9999})
			out.Join(shared)
			return out, err
		})
		var m revenue.MsgClaim
		if canon.Decode(raw, &m) != nil || m.Check() != nil {
			return
		}
		_, err = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			out, _, err := revenue.Claim(env, s, &m, crescendo.Amount(shares))
			return out, err
		})
		if err == nil && w.Bank.Balance(m.Sender) == 0 {
			t.Errorf("%+v succeeded and paid nothing", m)
		}
	})
}
