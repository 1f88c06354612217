package hub

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// flow sums up where money came from and went. Every number is the ledger's;
// each list adds up to the total it belongs to, to the last unit.
func (f *facts) flow() (page.Flow, error) {
	var out page.Flow
	var fresh, purse, trainers, evaluators, vaults, researchers, next, refunded crescendo.Amount
	var operators, holders, contributors, nextRung, remainder crescendo.Amount
	for i := range f.rungs {
		r := &f.rungs[i]
		out.Raised += r.raise.Raised
		out.Reinvested += r.raise.Reinvested
		fresh += r.raise.Raised - r.raise.Reinvested
		refunded += r.raise.Refunded
		purse += r.raise.Raised - r.raise.Spent - r.raise.Refunded
		d := r.tally.Drawn
		trainers, evaluators, vaults = trainers+d.Trainers, evaluators+d.Evaluators, vaults+d.Vaults
		researchers, next = researchers+d.Researchers, next+d.Next
		b := r.book
		out.Earned += b.Received
		operators, holders, contributors = operators+b.Operators, holders+b.Holders, contributors+b.Contributors
		nextRung, remainder = nextRung+b.NextRung, remainder+b.Remainder
		out.Due += b.Cap
		out.Repaid += b.Holders
	}
	out.Treasury = f.Balance(funding.Treasury)
	out.Sources = []page.Part{{Name: "funders", Amount: fresh, Class: "funders"}, {Name: "reinvested", Amount: out.Reinvested, Class: "next"}}
	out.Uses = []page.Part{
		{Name: "trainers", Amount: trainers, Class: "people"}, {Name: "evaluators", Amount: evaluators, Class: "judges"},
		{Name: "research", Amount: researchers, Class: "research"}, {Name: "sealing vaults", Amount: vaults, Class: "operators"}, {Name: "next rung", Amount: next, Class: "next"},
		{Name: "still in purses", Amount: purse, Class: "purse"}, {Name: "refunded", Amount: refunded, Class: "refund"},
	}
	out.Shares = []page.Part{
		{Name: "holders", Amount: holders, Class: "funders"}, {Name: "contributors", Amount: contributors, Class: "people"},
		{Name: "vault operators", Amount: operators, Class: "operators"}, {Name: "next rung", Amount: nextRung, Class: "next"},
		{Name: "remainder of rounding", Amount: remainder, Class: "purse"},
	}
	return out, nil
}
