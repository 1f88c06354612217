package desk

import (
	"fmt"
	"net/http"

	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// served is a rung that can be asked, or what to wait for.
type served struct {
	Name  string
	Rung  uint32
	Stage string
	Price program.Inference
	Serve bool
}

type playModel struct {
	CSRF     string
	Wallet   *wallet
	Rungs    []served
	Any      bool // something serves
	Question question
	Reply    *reply
	Text     string // what went wrong
	Hint     string
	Off      bool // this hub reaches no relay
	Unit     string
}

func (d *Desk) playModel(r *http.Request) (playModel, error) {
	s := d.sessions.Of(r)
	who, _ := s.Account().(*wallet)
	m := playModel{CSRF: s.Token(), Wallet: who, Question: question{Prompt: standardPrompt, Tokens: 64}, Off: d.cfg.Relay == ""}
	spec, stages, err := d.seen.ask(r.Context())
	if err != nil {
		return m, err
	}
	m.Unit = page.Unit(spec.Denom)
	for i, rung := range spec.Rungs {
		serve := stages[i] == program.StageServing || stages[i] == program.StageOpened
		m.Rungs = append(m.Rungs, served{rung.Name, uint32(i + 1), stages[i].String(), rung.Inference, serve})
		if serve {
			m.Any, m.Question.Model = true, rung.Name // the newest one
		}
	}
	return m, nil
}

func (d *Desk) playPage(w http.ResponseWriter, r *http.Request) {
	m, err := d.playModel(r)
	if err != nil {
		d.unread(w, r, err)
		return
	}
	d.render(w, r, http.StatusOK, "Playground", playView(m))
}

// playForm answers without JavaScript: the whole page once the answer is
// there.
func (d *Desk) playForm(w http.ResponseWriter, r *http.Request, v visit) {
	m, err := d.playModel(r)
	if err != nil {
		d.unread(w, r, err)
		return
	}
	status := http.StatusOK
	q, err := readQuestion(r)
	if err == nil {
		var answer reply
		if answer, err = d.ask(r.Context(), v.wallet, q); err == nil {
			m.Reply = &answer
		}
	}
	m.Question = q
	if err != nil {
		m.Text, m.Hint = d.explain(r, err)
		status = statusOf(err)
	}
	d.render(w, r, status, "Playground", playView(m))
}

// offerText is a rung as the form names it.
func offerText(unit string, r served) string {
	text := fmt.Sprintf("rung %d  %s  (%s in, %s out per 1000 tokens", r.Rung, r.Name, page.Plain(r.Price.InputPrice), page.Money(unit, r.Price.OutputPrice))
	if r.Price.Weights != inference.WeightsFloat32 {
		text += ", weights in " + r.Price.Weights
	}
	return text + ")"
}

// assuranceText says what an assurance means, in words nobody mistakes.
func assuranceText(assurance string) string {
	switch assurance {
	case "":
		return "not said"
	case "simulated", "sim":
		return "simulated: the operator can read everything"
	}
	return assurance
}

// replyFacts are the figures beside an answer, in order.
func replyFacts(r reply) []fact {
	facts := []fact{
		{"Enclave", r.Vault},
		{"Assurance", assuranceText(r.Assurance)},
		{"Tokens", fmt.Sprintf("%d in, %d out", r.Input, r.Output)},
		{"Ended by", r.Finish},
	}
	if r.Weights != "" {
		facts = append(facts, fact{"Computed with", r.Weights})
	}
	if r.PriceKnown {
		facts = append(facts, fact{"Price", r.Price.String()})
	}
	if r.ReceiptKnown {
		facts = append(facts, fact{"Receipt", fmt.Sprintf("number %d of session %d: %d charged in all, for %d requests; signed by the vault, checked here",
			r.Receipt.Sequence, r.Receipt.Session, r.Receipt.Charged, r.Receipt.Requests)},
			fact{"Signature", r.Signed})
	}
	return facts
}
