package page

import (
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/auditor"
)

// Contributor is why an account was paid what it was paid.
type Contributor struct {
	Person Person                       `json:"person"`
	Unit   string                       `json:"unit"`
	Why    auditor.Why                  `json:"why"`
	Names  map[crescendo.Account]string `json:"-"`
}

func (y Contributor) nameOf(a crescendo.Account) string {
	if n := y.Names[a]; n != "" {
		return n
	}
	return ShortAccount(a)
}

func (y Contributor) facts() []Fact {
	var in, out crescendo.Amount
	for _, p := range y.Why.Payments {
		if p.To == y.Why.Account {
			in += p.Amount
		} else {
			out += p.Amount
		}
	}
	facts := []Fact{
		{Label: "Balance", Value: Money(y.Unit, y.Why.Balance)}, {Label: "At genesis", Value: Money(y.Unit, y.Why.Genesis)},
		{Label: "Received", Value: Money(y.Unit, in)}, {Label: "Paid", Value: Money(y.Unit, out)},
	}
	if len(y.Why.Names) > 0 {
		facts = append(facts, Fact{Label: "Calls itself", Value: strings.Join(y.Why.Names, ", ")})
	}
	return append(facts, Fact{Label: "Up to block", Value: Count(y.Why.Height)})
}

func (y Contributor) trainer(r auditor.WhyRung) []Fact {
	t := r.Trainer
	facts := []Fact{
		{Label: "Earned", Value: Money(y.Unit, t.Earned)}, {Label: "Released", Value: Money(y.Unit, t.Released)},
		{Label: "Held until audits are through", Value: Money(y.Unit, t.Escrow)}, {Label: "Bond held", Value: Money(y.Unit, t.Bond)},
		{Label: "Burned", Value: Money(y.Unit, t.Burned)},
	}
	if k := t.Ranking; k != nil {
		verdict := "kept"
		if !k.Kept {
			verdict = "not kept: " + k.Reason
		}
		facts = append(facts, Fact{Label: "Ranking", Value: fmt.Sprintf("place %d, %s", k.Place, verdict)},
			Fact{Label: "Mean gain per round", Value: fmt.Sprintf("%d micro-nats (%d to %d)", k.Mean, k.Lower, k.Upper)})
	}
	return facts
}

func (y Contributor) evaluator() []Fact {
	e := y.Why.Evaluator
	return []Fact{{Label: "Bond", Value: Money(y.Unit, e.Bond)}, {Label: "Earned", Value: Money(y.Unit, e.Earned)}, {Label: "Burned", Value: Money(y.Unit, e.Burned)}}
}

func roundFacts(r auditor.WhyRung, x auditor.RoundLine) []Fact {
	facts := []Fact{
		{Label: "Loss before and after, summed", Value: fmt.Sprintf("%d → %d micro-nats over %d tokens", x.Before, x.After, x.Targets)},
		{Label: "Gain", Value: Count(x.Gain) + " micro-nats per token"},
		{Label: "Committed", Value: placeName(x.Commit), Link: placeLink(x.Commit)},
		{Label: "Revealed", Value: placeName(x.Reveal), Link: placeLink(x.Reveal)},
		{Label: "Round closed", Value: placeName(x.Closed), Link: placeLink(x.Closed)},
		{Label: "Round", Value: "who else took part", Link: fmt.Sprintf("/rung/%d/round/%d", r.Rung, x.Round)},
	}
	for _, b := range []struct {
		name string
		hash crescendo.Hash
	}{{"Base", x.Base}, {"Payload", x.Payload}, {"State at its start", x.Start}, {"State at its end", x.End}} {
		if !b.hash.IsZero() {
			facts = append(facts, Fact{Label: b.name, Value: b.hash.Short(), Link: "/blob/" + b.hash.String(), Class: "mono"})
		}
	}
	if !x.Drawn {
		facts = append(facts, Fact{Label: "Audit", Value: "its window was not drawn"})
	}
	return facts
}

func placeName(p auditor.Place) string {
	switch {
	case p.Height == 0:
		return "not recorded"
	case p.Tx == "":
		return "block " + Count(p.Height)
	}
	return "tx " + p.Tx[:min(8, len(p.Tx))]
}

func placeLink(p auditor.Place) string {
	if p.Tx != "" {
		return "/tx/" + p.Tx
	}
	return "/block/" + Decimal(p.Height)
}

func judgedTable(y Contributor, r auditor.WhyRung) Table {
	t := Table{ID: fmt.Sprintf("judged-%d", r.Rung), Caption: "Rounds it judged", Head: Columns("Round#", "How its pay is computed", "Pay, "+y.Unit+"#", "Recorded")}
	for _, j := range r.Judged {
		t.Rows = append(t.Rows, []Cell{To(Decimal(j.Round), fmt.Sprintf("/rung/%d/round/%d", r.Rung, j.Round)), {Text: j.Formula, Class: "formula"},
			Text(Plain(j.Pay)), To(placeName(j.Place), placeLink(j.Place))})
	}
	return t
}

func revenueTable(y Contributor, r auditor.WhyRung) Table {
	t := Table{ID: fmt.Sprintf("revenue-%d", r.Rung), Caption: "Its part in what the rung earned", Head: Columns("As", "How it is computed", "In all#", "Paid#", "Due#")}
	for _, role := range []struct {
		name string
		auditor.RoleLine
	}{{"holder", r.Revenue.Holder}, {"contributor", r.Revenue.Contributor}, {"operator", r.Revenue.Operator}} {
		if role.Total > 0 || role.Paid > 0 {
			t.Rows = append(t.Rows, []Cell{Text(role.name), {Text: role.Formula, Class: "formula"}, Text(Plain(role.Total)), Text(Plain(role.Paid)), Text(Plain(role.Due))})
		}
	}
	t.Empty = "Nothing yet."
	return t
}

func paymentTable(y Contributor) Table {
	t := Table{ID: "every-payment", Caption: "Payments", Head: Columns("Recorded", "From or to", "What for", "Amount, "+y.Unit+"#"), Empty: "It has neither paid nor been paid."}
	if !y.Why.Account.IsPot() {
		t.CSV = "/statement/" + string(y.Why.Account) + "/payments.csv"
	}
	for _, p := range y.Why.Payments {
		sign, other := "+", p.From
		if p.From == y.Why.Account {
			sign, other = "−", p.To
		}
		t.Rows = append(t.Rows, []Cell{To(placeName(p.Place), placeLink(p.Place)), To(y.nameOf(other), "/contributor/"+string(other)), Text(p.Reason), Text(sign + Plain(p.Amount))})
	}
	return t
}
