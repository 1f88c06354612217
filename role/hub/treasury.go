package hub

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/hub/record"
	"github.com/crescendo-network/crescendo/training"
)

// Treasury is the programme's books.
type Treasury struct {
	Unit    string           `json:"unit"`
	Supply  page.Supply      `json:"supply"`
	Balance crescendo.Amount `json:"treasury"`
	Flow    page.Flow        `json:"flow"`
	Pots    []Pot            `json:"pots"`
	Holders []Holder         `json:"holders"`
}

// Pot is money that no key controls.
type Pot struct {
	Pot     crescendo.Account `json:"pot"`
	Balance crescendo.Amount  `json:"balance"`
}

// Holder is a line of the register of one rung's shares.
type Holder struct {
	Rung     crescendo.RungID `json:"rung"`
	Person   page.Person      `json:"person"`
	Shares   crescendo.Amount `json:"shares"`
	Credited crescendo.Amount `json:"credited"` // of the rung's revenue, in all
	Refunded bool             `json:"refunded"`
}

func (f *facts) treasury() (Treasury, error) {
	out := Treasury{Unit: f.unit, Balance: f.Balance(funding.Treasury), Pots: []Pot{}, Holders: []Holder{}}
	var err error
	if out.Supply, err = f.supply(); err != nil {
		return out, err
	}
	if out.Flow, err = f.flow(); err != nil {
		return out, err
	}
	balances := f.Balances()
	for _, who := range slices.Sorted(maps.Keys(balances)) {
		if who.IsPot() && balances[who] > 0 {
			out.Pots = append(out.Pots, Pot{who, balances[who]})
		}
	}
	for i := range f.rungs {
		holders, err := f.holders(&f.rungs[i])
		if err != nil {
			return out, err
		}
		out.Holders = append(out.Holders, holders...)
	}
	return out, nil
}

// maxHolders bounds how many lines of a register a page shows; the rest is in
// the ledger.
const maxHolders = 500

func (f *facts) holders(r *rungFacts) ([]Holder, error) {
	positions, err := funding.Positions.All(f.State, uint32(r.id))
	if err != nil {
		return nil, err
	}
	var out []Holder
	for _, p := range positions[:min(len(positions), maxHolders)] {
		h := Holder{Rung: r.id, Person: f.person(training.Account(p.Rest)), Shares: p.Value.Shares, Refunded: p.Value.Refunded}
		if r.book.Shares > 0 {
			if h.Credited, err = r.book.Holders.MulDiv(uint64(p.Value.Shares), uint64(r.book.Shares)); err != nil {
				return nil, err
			}
		}
		out = append(out, h)
	}
	return out, nil
}

func (t Treasury) document() page.Document {
	pots := page.Table{ID: "pots", Caption: "Pots", Head: page.Columns("Pot", "Holds, "+t.Unit+"#"), Empty: "All pots are empty."}
	for _, p := range t.Pots {
		pots.Rows = append(pots.Rows, []page.Cell{page.To(string(p.Pot), "/contributor/"+string(p.Pot)), page.Text(page.Plain(p.Balance))})
	}
	holders := page.Table{ID: "holders", Caption: "Register of shares", CSV: "/holders.csv",
		Head: page.Columns("Rung#", "Holder", "Shares#", "Credited so far#", ""), Empty: "Nobody holds shares yet. They are sold while a rung's raise is open: one share costs one unit."}
	for _, h := range t.Holders {
		note := ""
		if h.Refunded {
			note = "refunded"
		}
		holders.Rows = append(holders.Rows, []page.Cell{page.To(page.Decimal(h.Rung), "/rung/"+page.Decimal(h.Rung)),
			page.To(h.Person.Name, "/statement/"+string(h.Person.Account)), page.Text(page.Plain(h.Shares)), page.Text(page.Plain(h.Credited)), page.Text(note)})
	}
	return page.Document{
		Title: "Treasury", Lead: "Every unit there is: who holds it, and by which rule.",
		Facts: []page.Fact{
			{Label: "In the treasury, for the next rung", Value: page.Money(t.Unit, t.Balance)},
			{Label: "Given out at genesis", Value: page.Money(t.Unit, t.Supply.Genesis)},
			{Label: "Held now", Value: page.Money(t.Unit, t.Supply.Held)},
			{Label: "Burned by faults", Value: page.Money(t.Unit, t.Supply.Burned)},
			{Label: "Supply error", Value: page.Count(t.Supply.Error), Class: map[bool]string{true: "good", false: "bad"}[t.Supply.Error == 0]},
		},
		Sections: []page.Section{
			{ID: "pots-title", Title: "Pots", Note: "money that no key controls: only the rules move it", Table: &pots},
			{ID: "holders-title", Title: "Holders", Note: "select one for a statement", Table: &holders},
		},
		Claim: "The hub executed every transfer since genesis to get these numbers. So can you:", Command: "crescendo audit",
	}
}

// Statement is a holder's account: in, out, share.
type Statement struct {
	Person   page.Person      `json:"person"`
	Unit     string           `json:"unit"`
	Height   crescendo.Height `json:"height"`
	Balance  crescendo.Amount `json:"balance"`
	Rungs    []Stake          `json:"rungs"`
	Payments []record.Payment `json:"payments"`
}

// Stake is what a holder has in one rung.
type Stake struct {
	Rung     crescendo.RungID `json:"rung"`
	Name     string           `json:"name"`
	Shares   crescendo.Amount `json:"shares"`
	Of       crescendo.Amount `json:"of"` // all shares of the rung
	Credited crescendo.Amount `json:"credited"`
	Claimed  crescendo.Amount `json:"claimed"`
	Due      crescendo.Amount `json:"due"`
	Cap      crescendo.Amount `json:"cap"` // credited at most
	Refunded bool             `json:"refunded"`
}

// maxStatement bounds the payments of one statement.
const maxStatement = 1000

func (h *Hub) statement(ctx context.Context, who crescendo.Account) (Statement, error) {
	var out Statement
	err := h.read(func(f *facts) error {
		out = Statement{Person: f.person(who), Unit: f.unit, Height: f.Height, Balance: f.Balance(who), Rungs: []Stake{}}
		for i := range f.rungs {
			r := &f.rungs[i]
			position, err := kv.Optional(funding.Positions.Get(f.State, uint32(r.id), string(who)))
			if err != nil {
				return err
			}
			if position.Shares == 0 {
				continue
			}
			claim, err := kv.Optional(revenue.Claimables.Get(f.State, uint32(r.id), string(who)))
			if err != nil {
				return err
			}
			s := Stake{Rung: r.id, Name: r.spec.Name, Shares: position.Shares, Of: r.raise.Raised, Claimed: claim.HolderPaid, Refunded: position.Refunded}
			if r.book.Shares > 0 {
				if s.Credited, err = r.book.Holders.MulDiv(uint64(s.Shares), uint64(r.book.Shares)); err != nil {
					return err
				}
				if s.Cap, err = r.book.Cap.MulDiv(uint64(s.Shares), uint64(r.book.Shares)); err != nil {
					return err
				}
			}
			s.Due = s.Credited - min(s.Credited, s.Claimed)
			out.Rungs = append(out.Rungs, s)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	if out.Payments, err = h.c.Model.Payments(ctx, who, 0, maxStatement); err == nil && len(out.Rungs) == 0 && len(out.Payments) == 0 && out.Balance == 0 {
		return out, crescendo.Errorf(crescendo.CodeNotFound, "nothing on the chain concerns %.100q", who).
			WithHint("give an account, cresc1..., as it stands in `crescendo wallet show`")
	}
	return out, err
}

func (s Statement) document() page.Document {
	stakes := page.Table{ID: "stakes", Caption: "Shares by rung", CSV: "/statement/" + string(s.Person.Account) + "/shares.csv",
		Head:  page.Columns("Rung", "Shares#", "Part#", "Credited#", "Claimed#", "Due now#", "Repaid at#"),
		Empty: "This account holds no shares."}
	var due crescendo.Amount
	for _, k := range s.Rungs {
		due += k.Due
		stakes.Rows = append(stakes.Rows, []page.Cell{page.To(fmt.Sprintf("%d, %s", k.Rung, k.Name), "/rung/"+page.Decimal(k.Rung)), page.Text(page.Plain(k.Shares)),
			page.Text(page.Percent(uint64(k.Shares), uint64(k.Of))), page.Text(page.Plain(k.Credited)), page.Text(page.Plain(k.Claimed)), page.Text(page.Plain(k.Due)), page.Text(page.Plain(k.Cap))})
	}
	payments := page.Table{ID: "payments", Caption: "Payments", CSV: "/statement/" + string(s.Person.Account) + "/payments.csv",
		Head: page.Columns("Block#", "Time", "From", "To", "Amount, "+s.Unit+"#"), Empty: "Nothing was paid."}
	for _, p := range s.Payments {
		payments.Rows = append(payments.Rows, []page.Cell{page.To(page.Count(p.Height), "/block/"+page.Decimal(p.Height)), page.Text(page.Stamp(p.Time)),
			page.Text(page.ShortAccount(p.From)), page.Text(page.ShortAccount(p.To)), page.Text(page.Plain(p.Amount))})
	}
	return page.Document{
		Crumbs: []page.Cell{page.To("Treasury", "/treasury")}, Title: "Statement of " + s.Person.Name, Lead: "What came in, what went out, and what is due, at block " + page.Count(s.Height) + ".",
		Facts: []page.Fact{{Label: "Account", Value: string(s.Person.Account), Link: "/contributor/" + string(s.Person.Account), Class: "mono"},
			{Label: "Balance", Value: page.Money(s.Unit, s.Balance)}, {Label: "Due to it now", Value: page.Money(s.Unit, due)}},
		Sections: []page.Section{{ID: "stakes-title", Title: "Shares", Note: "one unit each; not transferable", Table: &stakes},
			{ID: "payments-title", Title: "Payments", Note: "oldest first", Table: &payments}},
		Claim: "Every number behind these:", Command: "crescendo why " + string(s.Person.Account),
	}
}
