package hub

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/training"
)

// Proposal is a question to the holders of a rung.
type Proposal struct {
	ID         uint64           `json:"proposal"`
	Rung       crescendo.RungID `json:"rung"`
	Kind       string           `json:"kind"`
	Text       string           `json:"text"`
	Author     page.Person      `json:"author"`
	Status     string           `json:"status"`
	Opened     crescendo.Height `json:"opened"`
	Deadline   crescendo.Height `json:"deadline"`
	Eligible   crescendo.Amount `json:"eligible"`
	Yes        crescendo.Amount `json:"yes"`
	No         crescendo.Amount `json:"no"`
	Deposit    crescendo.Amount `json:"deposit"`
	Returned   bool             `json:"deposit_returned"`
	Ballots    []Ballot         `json:"ballots"`
	deadlineIn string
}

// Ballot is one holder's vote.
type Ballot struct {
	Person page.Person      `json:"person"`
	Weight crescendo.Amount `json:"weight"`
	Yes    bool             `json:"yes"`
}

// maxProposals bounds the page; the newest come first.
const maxProposals = 200

func (f *facts) proposals() ([]Proposal, error) {
	all, err := governance.Proposals.All(f.State)
	if err != nil {
		return nil, err
	}
	slices.Reverse(all)
	out := []Proposal{}
	for _, e := range all[:min(len(all), maxProposals)] {
		if len(e.Rest) < 8 {
			continue
		}
		p := e.Value
		line := Proposal{ID: binary.BigEndian.Uint64(e.Rest), Rung: p.Rung, Kind: p.Kind, Text: p.Text, Author: f.person(p.Author), Status: p.Status.String(),
			Opened: p.Opened, Deadline: p.Deadline, Eligible: p.Eligible, Yes: p.Yes, No: p.No, Deposit: p.Deposit, Returned: p.Returned, Ballots: []Ballot{}}
		if p.Status == governance.Voting {
			line.deadlineIn = f.inBlocks(p.Deadline)
		}
		ballots, err := governance.Ballots.All(f.State, line.ID)
		if err != nil {
			return nil, err
		}
		for _, b := range ballots[:min(len(ballots), maxProposals)] {
			line.Ballots = append(line.Ballots, Ballot{f.person(training.Account(b.Rest)), b.Value.Weight, b.Value.Yes})
		}
		out = append(out, line)
	}
	return out, nil
}

func (f *facts) governance() ([]Proposal, page.Document, error) {
	proposals, err := f.proposals()
	doc := page.Document{Title: "Governance",
		Lead:  "Holders of a rung may stop it while it is not yet sealed, and get back what is unspent. The organiser's own shares do not vote.",
		Claim: "Propose, vote and list from the command line too:", Command: "crescendo governance list"}
	if err != nil {
		return nil, doc, err
	}
	if len(proposals) == 0 {
		doc.Sections = append(doc.Sections, page.Section{ID: "none", Title: "Nothing to decide", Text: []page.Paragraph{
			{Text: "No proposal has been made. A holder proposes by putting down a deposit; it comes back when enough others vote.", Link: "/desk/propose", Name: "Propose something"}}})
	}
	for _, p := range proposals {
		ballots := page.Table{ID: fmt.Sprintf("ballots-%d", p.ID), Caption: "Votes", Head: page.Columns("Holder", "Vote", "Shares#"), Empty: "Nobody has voted yet."}
		for _, b := range p.Ballots {
			word := map[bool]string{true: "yes", false: "no"}[b.Yes]
			ballots.Rows = append(ballots.Rows, []page.Cell{page.Of(b.Person), page.Text(word), page.Text(page.Plain(b.Weight))})
		}
		facts := []page.Fact{
			{Label: "Status", Value: p.Status, Class: map[string]string{"passed": "good", "rejected": "warn"}[p.Status]},
			{Label: "Yes", Value: page.Plain(p.Yes)}, {Label: "No", Value: page.Plain(p.No)},
			{Label: "Turnout", Value: page.Percent(uint64(p.Yes+p.No), uint64(p.Eligible)) + " of the shares that may vote"},
			{Label: "By", Value: p.Author.Name, Link: "/contributor/" + string(p.Author.Account)},
			{Label: "Deposit", Value: page.Money(f.unit, p.Deposit)},
		}
		if p.deadlineIn != "" {
			facts = append(facts, page.Fact{Label: "Voting ends", Value: p.deadlineIn}, page.Fact{Label: "Vote", Value: "vote here", Link: fmt.Sprintf("/desk/vote?proposal=%d", p.ID)})
		}
		doc.Sections = append(doc.Sections, page.Section{ID: fmt.Sprintf("proposal-%d", p.ID), Title: fmt.Sprintf("%d: %s rung %d", p.ID, p.Kind, p.Rung),
			Note: p.Status, Text: []page.Paragraph{{Text: p.Text}}, Facts: facts, Table: &ballots})
	}
	return proposals, doc, nil
}
