package auditor

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/training"
)

// Explain tells why an account was paid what it was paid: in one rung, or in
// all if rung is zero. Who is an account, or a name that one account alone has
// given itself. It executes the blocks again and believes no other source, but
// replays no training: that is the audit's part.
func Explain(ctx context.Context, c Config, who string, id crescendo.RungID) (Why, error) {
	c.Ledger = nil
	a, err := open(ctx, c)
	if err != nil {
		return Why{}, err
	}
	if err := a.history(ctx); err != nil {
		return Why{}, err
	}
	if r := a.findings.report(); r.Failed > 0 {
		return Why{}, crescendo.Errorf(crescendo.CodeInvalid, "the chain does not hold: %s: %s", r.Failures[0].Claim, r.Failures[0].Error).
			WithHint("`crescendo audit` lists everything that is wrong")
	}
	e := explainer{a.exec, ""}
	if e.who, err = e.find(who); err != nil {
		return Why{}, err
	}
	w, err := e.explain(id)
	w.ChainID, w.Height, w.Genesis = a.genesis.ChainID, a.chain.height, a.genesis.Balances[e.who]
	w.Trust = hex.EncodeToString(a.chain.hash)
	return w, err
}

type explainer struct {
	*execution
	who crescendo.Account
}

// find resolves a name.
func (e explainer) find(who string) (crescendo.Account, error) {
	var found []crescendo.Account
	for _, x := range e.entries {
		for _, key := range identities {
			if account := x.Event.Get(key); account == who || (x.Event.Get("name") == who && account != "") {
				found = append(found, crescendo.Account(account))
			}
		}
	}
	for _, p := range e.payments {
		if string(p.From) == who || string(p.To) == who {
			found = append(found, crescendo.Account(who))
		}
	}
	if _, ok := e.book.balances[crescendo.Account(who)]; ok {
		found = append(found, crescendo.Account(who))
	}
	slices.Sort(found)
	found = slices.Compact(found)
	switch len(found) {
	case 0:
		return "", crescendo.Errorf(crescendo.CodeNotFound, "nothing on the chain concerns %.100q", who).
			WithHint("give an account (cresc1...), a pot (@funding/1), or the name of a trainer or evaluator")
	case 1:
		return found[0], nil
	}
	return "", crescendo.Errorf(crescendo.CodeInvalid, "%d accounts call themselves %.100q", len(found), who).WithHint(fmt.Sprintf("give one of them: %v", found))
}

// identities are the attributes in which events name accounts.
var identities = []string{"account", "trainer", "evaluator", "client", "operator", "keeper", "author", "to", "buyer", "sender"}

func (e explainer) concerns(event crescendo.Event) bool {
	for _, key := range identities {
		if event.Get(key) == string(e.who) {
			return true
		}
	}
	return false
}

func (e explainer) explain(only crescendo.RungID) (Why, error) {
	w := Why{Account: e.who, Names: []string{}, Balance: e.book.balances[e.who], Payments: []PaymentLine{}, Rungs: []WhyRung{}}
	for _, x := range e.entries {
		if name := x.Event.Get("name"); name != "" && e.concerns(x.Event) && !slices.Contains(w.Names, name) {
			w.Names = append(w.Names, name)
		}
	}
	for _, p := range e.payments {
		if p.From == e.who || p.To == e.who {
			w.Payments = append(w.Payments, PaymentLine{Place{p.Height, p.Tx}, p.From, p.To, p.Amount, e.reason(p)})
		}
	}
	var err error
	if w.Evaluator, err = e.evaluator(); err != nil {
		return w, err
	}
	for i := range e.spec.Rungs {
		id := crescendo.RungID(i + 1)
		if only != 0 && id != only {
			continue
		}
		line, ok, err := e.rung(id)
		if err != nil {
			return w, fmt.Errorf("rung %d: %w", id, err)
		}
		if ok {
			w.Rungs = append(w.Rungs, line)
		}
	}
	return w, nil
}

// reason tells what a payment is for: by the pot at its other end, and by the
// event recorded with it.
func (e explainer) reason(p Payment) string {
	pot := p.From
	if !pot.IsPot() || pot == e.who {
		pot = p.To
	}
	rule, _, _ := strings.Cut(string(pot), "/")
	in := func(kind string) string {
		for _, x := range e.entries {
			if x.Height == p.Height && x.Tx == p.Tx && x.Event.Kind == kind {
				return x.Event.Get("round")
			}
		}
		return ""
	}
	switch paid := p.To == e.who; {
	case rule == "@training" && paid:
		return "escrowed pay and bond, released when the rung's audits were through"
	case rule == "@training":
		return "trainer's bond"
	case rule == "@evaluation" && !paid:
		return "evaluator's bond"
	case rule == "@funding" && paid && in("training.round-closed") != "":
		return "evaluator's pay for round " + in("training.round-closed")
	}
	for _, x := range e.entries {
		if x.Height == p.Height && x.Tx == p.Tx && (e.concerns(x.Event) || x.Event.Get("amount") == p.Amount.String()) {
			return x.Event.String()
		}
	}
	switch {
	case p.From.IsPot() || p.To.IsPot():
		return "by the rules of " + strings.TrimPrefix(rule, "@")
	}
	return "sent"
}

func (e explainer) evaluator() (*EvaluatorLine, error) {
	v, err := evaluation.Evaluators.Get(e.store, string(e.who))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	line := &EvaluatorLine{v.Bond, v.Earned, v.Burned, []EventLine{}}
	line.Slashes = e.events(0, func(x crescendo.Event) bool { return x.Kind == "evaluation.slashed" })
	return line, nil
}

// events lists events that concern the account: of one rung, or of any.
func (e explainer) events(id crescendo.RungID, want func(crescendo.Event) bool) []EventLine {
	out := []EventLine{}
	for _, x := range e.entries {
		if (id == 0 || x.Event.Rung == id) && e.concerns(x.Event) && want(x.Event) {
			out = append(out, EventLine{Place{x.Height, x.Tx}, x.Event.String()})
		}
	}
	return out
}

// rung tells what the account has to do with a rung, if anything.
func (e explainer) rung(id crescendo.RungID) (WhyRung, bool, error) {
	out := WhyRung{Rung: id, Name: e.spec.Rungs[id-1].Name, Judged: []JudgedLine{}}
	at, err := program.StateOf(e.store, id)
	if err != nil {
		return out, false, err
	}
	out.Stage = at.Stage.String()
	isContribution := func(x crescendo.Event) bool { return x.Kind == "funding.contributed" || x.Kind == "funding.refunded" }
	isClaim := func(x crescendo.Event) bool { return x.Kind == "revenue.claimed" }
	out.Contributions = e.events(id, isContribution)
	r, err := readRung(e.store, e.chain, e.spec, id)
	if err != nil {
		return out, false, err
	}
	if r != nil {
		if out.Trainer, err = e.trainer(r); err != nil {
			return out, false, err
		}
		out.Judged = e.judged(r)
	}
	if out.Revenue, err = e.revenue(id); err != nil {
		return out, false, err
	}
	if out.Revenue != nil {
		out.Revenue.Claims = e.events(id, isClaim)
	}
	out.Events = e.events(id, func(x crescendo.Event) bool {
		return !isContribution(x) && !isClaim(x) && !slices.Contains(told, x.Kind)
	})
	some := len(out.Contributions) > 0 || out.Trainer != nil || len(out.Judged) > 0 || out.Revenue != nil || len(out.Events) > 0
	return out, some, nil
}

// told are the events whose content stands in the lines of rounds.
var told = []string{"training.committed", "training.revealed", "training.available", "training.audited",
	"evaluation.committed", "evaluation.voted", "evaluation.replayed", "evaluation.ranked"}

// place finds where an event of a round is recorded.
func (e explainer) place(kind string, id crescendo.RungID, number crescendo.Round, more ...string) Place {
	var found Place
	for _, x := range e.entries {
		ok := x.Event.Kind == kind && x.Event.Rung == id && x.Event.Get("round") == fmt.Sprint(number)
		for i := 0; i+1 < len(more); i += 2 {
			ok = ok && x.Event.Get(more[i]) == more[i+1]
		}
		if ok {
			found = Place{x.Height, x.Tx} // the last: earlier attempts were void
		}
	}
	return found
}

func (e explainer) trainer(r *rung) (*TrainerLine, error) {
	i := slices.IndexFunc(r.members, func(m member) bool { return m.account == e.who })
	if i < 0 {
		return nil, nil
	}
	m := r.members[i]
	out := &TrainerLine{Name: m.Name, Bond: m.Bond, Escrow: m.Escrow, Released: m.Paid, Burned: m.Burned, Fault: m.Fault, Rounds: []RoundLine{}}
	for k, x := range r.rounds {
		w, ok := r.workOf(k, e.who)
		if !ok {
			continue
		}
		line, err := e.round(r, x, w)
		if err != nil {
			return nil, err
		}
		out.Earned += line.Pay
		out.Rounds = append(out.Rounds, line)
	}
	standings, err := evaluation.Standings.All(e.store, uint32(r.id))
	if err != nil {
		return nil, err
	}
	for k, s := range standings {
		if v := s.Value; v.Trainer == e.who {
			out.Ranking = &RankingLine{k + 1, v.Mean, v.Lower, v.Upper, v.Rounds, v.Tokens, v.Kept, v.Reason}
		}
	}
	return out, nil
}

func (e explainer) round(r *rung, x round, w work) (RoundLine, error) {
	line := RoundLine{
		Round: x.number, Base: w.Base, Payload: w.Payload, Start: w.Start, End: w.End, Tokens: w.Tokens,
		Before: x.Before, After: w.After, Targets: x.Targets, Gain: training.Gain(x.Before, w.After, x.Targets),
		Included: w.Included, Fault: w.Fault, PerRound: r.run.PerRound, RoundTokens: x.Tokens, Pay: w.Pay,
		Commit: e.place("training.committed", r.id, x.number, "trainer", string(e.who)),
		Reveal: e.place("training.revealed", r.id, x.number, "trainer", string(e.who)),
		Closed: e.place("training.round-closed", r.id, x.number), Drawn: w.Drawn, Settled: w.Settled, Replays: []ReplayLine{},
	}
	switch {
	case w.Included:
		line.Formula = fmt.Sprintf("%s per round * %d tokens / %d tokens of all included = %s", r.run.PerRound, w.Tokens, x.Tokens, w.Pay)
		if w.After >= x.Before {
			line.Formula += " (no payload lowered the loss, so all sound ones count)"
		}
	case w.Fault != "":
		line.Formula = "nothing: " + w.Fault
	default:
		line.Formula = "nothing: it did not lower the loss on held-out text, or its trainer had been expelled"
	}
	replays, err := evaluation.Replays.All(e.store, uint32(r.id), uint32(x.number), string(e.who))
	if err != nil {
		return line, err
	}
	for _, p := range replays {
		judge := training.Account(p.Rest)
		at := e.place("evaluation.replayed", r.id, x.number, "trainer", string(e.who), "evaluator", string(judge))
		line.Replays = append(line.Replays, ReplayLine{at, judge, p.Value.Match})
	}
	return line, nil
}

// judged lists the rounds the account was paid for as an evaluator: those
// whose carried vote it opened.
func (e explainer) judged(r *rung) []JudgedLine {
	out := []JudgedLine{}
	for _, x := range r.rounds {
		agreed := 0
		mine := false
		ballots, err := evaluation.Ballots.All(e.store, uint32(r.id), uint32(x.number))
		if err != nil {
			continue
		}
		for _, b := range ballots {
			if !b.Value.Opened || b.Value.Digest != evaluation.VoteDigest(x.vote) {
				continue
			}
			agreed++
			mine = mine || training.Account(b.Rest) == e.who
		}
		if !mine {
			continue
		}
		pay := r.run.EvalPerRound / crescendo.Amount(agreed)
		out = append(out, JudgedLine{e.place("training.round-closed", r.id, x.number), x.number, pay,
			fmt.Sprintf("%s per round / %d equal votes that carried = %s", r.run.EvalPerRound, agreed, pay)})
	}
	return out
}

func (e explainer) revenue(id crescendo.RungID) (*RevenueLine, error) {
	book, err := revenue.Books.Get(e.store, uint32(id))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d, err := readDues(e.store, book, id, e.who)
	if err != nil {
		return nil, err
	}
	if d.shares == 0 && d.claim == (revenue.Claimable{}) {
		return nil, nil
	}
	out := &RevenueLine{Book: book, Shares: d.shares, Points: d.claim.Points}
	out.Holder = RoleLine{d.holder, d.claim.HolderPaid, d.due.Holder,
		fmt.Sprintf("%s credited to holders * %s shares / %s shares = %s", book.Holders, d.shares, book.Shares, d.holder)}
	out.Contributor = RoleLine{d.contributor, d.claim.ContribPaid, d.due.Contributor,
		fmt.Sprintf("%s credited to contributors * %d points / %d points = %s", book.Contributors, d.claim.Points, book.Points, d.contributor)}
	out.Operator = RoleLine{d.claim.Operator, d.claim.OperatorPaid, d.due.Operator,
		fmt.Sprintf("%s credited for the sessions its vaults served", d.claim.Operator)}
	return out, nil
}
