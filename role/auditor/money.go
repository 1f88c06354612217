package auditor

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/training"
)

// pay recomputes what each trainer earned in each round.
func (r *rung) pay(f *findings) {
	for _, x := range r.rounds {
		var tokens uint64
		for _, w := range x.works {
			if w.Included {
				tokens += w.Tokens
			}
		}
		if tokens != x.Tokens {
			f.settle(Recomputed, fmt.Errorf("the included payloads have %d tokens, the ledger says %d", tokens, x.Tokens),
				"tokens of round %d of rung %d", x.number, r.id)
		}
		for _, w := range x.works {
			if !w.Included && w.Pay == 0 {
				continue
			}
			f.settle(Recomputed, r.checkPay(x, w), "pay of %s in round %d of rung %d", w.account, x.number, r.id)
		}
	}
}

func (r *rung) checkPay(x round, w work) error {
	if !w.Included {
		return fmt.Errorf("paid %s for a payload that was not included", w.Pay)
	}
	if w.Tokens != r.plan.Tokens() {
		return fmt.Errorf("%d tokens, a round has %d", w.Tokens, r.plan.Tokens())
	}
	pay, err := r.run.PerRound.MulDiv(w.Tokens, x.Tokens)
	if err == nil && pay != w.Pay {
		err = fmt.Errorf("%s * %d / %d = %s, the ledger says %s", r.run.PerRound, w.Tokens, x.Tokens, pay, w.Pay)
	}
	return err
}

// gains sums a trainer's scored rounds up as the ranking counts them.
func (r *rung) gains(who crescendo.Account) (gain int64, square uint64, scored uint32) {
	for i, x := range r.rounds {
		w, ok := r.workOf(i, who)
		if !ok || w.Fault != "" {
			continue
		}
		g := training.Gain(x.Before, w.After, x.Targets)
		gain, square, scored = gain+g, square+uint64(g*g), scored+1
	}
	return gain, square, scored
}

// ranking recomputes who was kept, once the rung has been ranked.
func (r *rung) ranking(s kv.Reader, f *findings) error {
	standings, err := evaluation.Standings.All(s, uint32(r.id))
	if err != nil || len(standings) == 0 {
		return err
	}
	var records []evaluation.Record
	for _, m := range r.members {
		record := evaluation.Record{Trainer: m.account, Gain: m.Gain, GainSquare: m.GainSquare, Scored: m.Scored,
			Rounds: m.Rounds, Tokens: m.Verified, Fault: m.Fault, Left: m.Left}
		if m.Fault == "" { // of the others only the rounds before they were expelled count
			f.settle(Recomputed, r.checkRecord(record), "useful work of %s in rung %d", m.account, r.id)
		}
		records = append(records, record)
	}
	ranked := evaluation.Rank(records, r.spec.Training.Rounds, r.spec.Training.Keep)
	err = nil
	if len(ranked) != len(standings) {
		err = fmt.Errorf("%d trainers, the ledger ranks %d", len(ranked), len(standings))
	}
	for i := range min(len(ranked), len(standings)) {
		if ranked[i] != standings[i].Value {
			err = errors.Join(err, fmt.Errorf("place %d: the ledger says %+v, recomputed it is %+v", i+1, standings[i].Value, ranked[i]))
		}
	}
	f.settle(Recomputed, err, "ranking of rung %d", r.id)
	return nil
}

func (r *rung) checkRecord(record evaluation.Record) error {
	gain, square, scored := r.gains(record.Trainer)
	if gain != record.Gain || square != record.GainSquare || scored != record.Scored || scored != record.Rounds {
		return fmt.Errorf("its rounds sum to gain %d, square %d over %d rounds; the ledger says %d, %d, %d",
			gain, square, scored, record.Gain, record.GainSquare, record.Scored)
	}
	return nil
}

// settlement is a settled chain of receipts.
type settlement struct {
	accepted
	receipts []inference.SignedReceipt
	session  inference.Session // as it stands now; its key and prices never change
	amount   crescendo.Amount
}

func (s settlement) String() string {
	first, last := s.receipts[0].Receipt, s.receipts[len(s.receipts)-1].Receipt
	if first.Sequence == last.Sequence {
		return fmt.Sprintf("receipt %d of session %d", first.Sequence, first.Session)
	}
	return fmt.Sprintf("receipts %d to %d of session %d", first.Sequence, last.Sequence, first.Session)
}

// settlements lists what was settled, in the order of the chain.
func (x *execution) settlements() ([]settlement, error) {
	charged := map[uint64]crescendo.Amount{}
	var out []settlement
	for _, a := range x.messages {
		m, ok := a.message.(*inference.MsgSettle)
		if !ok {
			continue
		}
		id := m.Receipts[0].Receipt.Session
		session, err := inference.Sessions.Get(x.store, id)
		if err != nil {
			return nil, fmt.Errorf("read session %d: %w", id, err)
		}
		total := m.Receipts[len(m.Receipts)-1].Receipt.Charged
		out = append(out, settlement{a, m.Receipts, session, total - charged[id]})
		charged[id] = total
	}
	return out, nil
}

// receipts checks the vaults' signatures, the chaining and the prices of all
// settled receipts. The token counts in them are the vaults' word.
func (x *execution) receipts(f *findings, all []settlement) error {
	last := map[uint64]inference.Receipt{}
	for _, s := range all {
		f.settle(Recomputed, x.follow(s, last), "%s: signatures, chaining and prices", s)
		class, err := x.assurance(s.session.Vault)
		f.settle(class, err, "%s: token counts", s)
	}
	return nil
}

func (x *execution) follow(s settlement, last map[uint64]inference.Receipt) error {
	for _, signed := range s.receipts {
		r := signed.Receipt
		before, ok := last[r.Session]
		var want crescendo.Hash
		if ok {
			want = inference.Digest(before)
		}
		sum := inference.Digest(r)
		switch {
		case r.Chain != x.chain:
			return fmt.Errorf("receipt %d was made for chain %q", r.Sequence, clip(r.Chain))
		case r.Sequence != before.Sequence+1 || r.Previous != want:
			return fmt.Errorf("receipt %d does not continue receipt %d", r.Sequence, before.Sequence)
		case !ed25519.Verify(s.session.VaultKey, sum[:], signed.Signature):
			return fmt.Errorf("receipt %d: the signature is not the vault's", r.Sequence)
		}
		if err := checkPrice(s.session, before, r); err != nil {
			return err
		}
		last[r.Session] = r
	}
	return nil
}

// checkPrice bounds a charge: each request is rounded up by itself, for each
// of the two kinds of token.
func checkPrice(s inference.Session, before, r inference.Receipt) error {
	input, err1 := inference.Price(s.InputPrice, r.Input-before.Input)
	output, err2 := inference.Price(s.OutputPrice, r.Output-before.Output)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	low, charged := input+output, r.Charged-before.Charged
	if high := low + crescendo.Amount(2*(r.Requests-before.Requests)); charged < low || charged > high {
		return fmt.Errorf("receipt %d charges %s, the price is between %s and %s", r.Sequence, charged, low, high)
	}
	return nil
}

func (x *execution) hasBook(id crescendo.RungID) (bool, error) {
	return revenue.Books.Has(x.store, uint32(id))
}

// waterfall divides everything a rung has earned again.
func (x *execution) waterfall(id crescendo.RungID, all []settlement) error {
	book, err := revenue.Books.Get(x.store, uint32(id))
	if err != nil {
		return err
	}
	bp := x.spec.Rungs[id-1].Revenue
	var want revenue.Book
	for _, s := range all {
		if s.session.Rung != id {
			continue
		}
		pool := uint64(s.amount + want.Remainder)
		operators := share(pool, bp.OperatorsBP)
		rest := pool - operators
		holders, contributors := share(rest, bp.HoldersBP), share(rest, bp.ContributorsBP)
		next := share(rest, 10000-bp.HoldersBP-bp.ContributorsBP)
		want.Remainder = crescendo.Amount(rest - holders - contributors - next)
		if room := uint64(book.Cap - want.Holders); holders > room {
			next, holders = next+holders-room, room
		}
		if book.Points == 0 {
			next, contributors = next+contributors, 0
		}
		want.Received += s.amount
		want.Operators += crescendo.Amount(operators)
		want.Holders += crescendo.Amount(holders)
		want.Contributors += crescendo.Amount(contributors)
		want.NextRung += crescendo.Amount(next)
	}
	have := revenue.Book{Received: book.Received, Operators: book.Operators, Holders: book.Holders,
		Contributors: book.Contributors, NextRung: book.NextRung, Remainder: book.Remainder}
	if have != want {
		return fmt.Errorf("the ledger says %+v, the settled receipts make %+v", have, want)
	}
	return nil
}

func share(pool uint64, bp uint32) uint64 {
	v, _ := crescendo.Amount(pool).MulDiv(uint64(bp), 10000) // no fraction is above one
	return uint64(v)
}

// dues checks what each account of a rung has been paid against its share.
func (x *execution) dues(id crescendo.RungID, f *findings) error {
	book, err := revenue.Books.Get(x.store, uint32(id))
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	accounts, err := x.stakeholders(id)
	if err != nil {
		return err
	}
	var claimed crescendo.Amount
	for _, who := range accounts {
		line, err := readDues(x.store, book, id, who)
		if err != nil {
			return err
		}
		claimed += line.claim.HolderPaid + line.claim.ContribPaid + line.claim.OperatorPaid
		f.settle(Recomputed, line.check(), "dues of %s from rung %d", who, id)
	}
	if claimed != book.Claimed {
		err = fmt.Errorf("accounts have claimed %s, the ledger says %s", claimed, book.Claimed)
	}
	f.settle(Recomputed, err, "claims from rung %d", id)
	return nil
}

// stakeholders lists everybody who holds shares of a rung or has earned from it.
func (x *execution) stakeholders(id crescendo.RungID) ([]crescendo.Account, error) {
	positions, err := funding.Positions.All(x.store, uint32(id))
	if err != nil {
		return nil, err
	}
	claims, err := revenue.Claimables.All(x.store, uint32(id))
	if err != nil {
		return nil, err
	}
	var out []crescendo.Account
	for _, p := range positions {
		out = append(out, training.Account(p.Rest))
	}
	for _, c := range claims {
		out = append(out, training.Account(c.Rest))
	}
	slices.SortFunc(out, func(a, b crescendo.Account) int { return strings.Compare(string(a), string(b)) })
	return slices.Compact(out), nil
}

// duesLine is what a rung owes and has paid one account.
type duesLine struct {
	shares              crescendo.Amount
	claim               revenue.Claimable
	holder, contributor crescendo.Amount // in all, paid or not
	due                 revenue.Dues
}

func readDues(r kv.Reader, book revenue.Book, id crescendo.RungID, who crescendo.Account) (duesLine, error) {
	var d duesLine
	var err error
	if d.shares, err = funding.Holding(r, id, who); err != nil {
		return d, err
	}
	if d.claim, err = revenue.Claimables.Get(r, uint32(id), string(who)); err != nil && !errors.Is(err, kv.ErrNotFound) {
		return d, err
	}
	if d.due, err = revenue.Due(r, id, who, d.shares); err != nil {
		return d, err
	}
	if book.Shares > 0 {
		if d.holder, err = book.Holders.MulDiv(uint64(d.shares), uint64(book.Shares)); err != nil {
			return d, err
		}
	}
	if book.Points > 0 {
		if d.contributor, err = book.Contributors.MulDiv(d.claim.Points, book.Points); err != nil {
			return d, err
		}
	}
	return d, nil
}

func (d duesLine) check() error {
	paid := func(role string, paid, due, all crescendo.Amount) error {
		if paid+due != all {
			return fmt.Errorf("%s: paid %s and due %s, its part is %s", role, paid, due, all)
		}
		return nil
	}
	return errors.Join(
		paid("holder", d.claim.HolderPaid, d.due.Holder, d.holder),
		paid("contributor", d.claim.ContribPaid, d.due.Contributor, d.contributor),
		paid("operator", d.claim.OperatorPaid, d.due.Operator, d.claim.Operator))
}

// pots checks that each pot holds what the rules say it holds.
func (x *execution) pots(f *findings) error {
	want := map[crescendo.Account]crescendo.Amount{}
	treasury, err := kv.Optional(program.Treasuries.Get(x.store))
	if err != nil {
		return err
	}
	want[funding.Treasury] = treasury.Balance
	evaluators, err := evaluation.Evaluators.All(x.store)
	if err != nil {
		return err
	}
	for _, e := range evaluators {
		want[evaluation.Pot] += e.Value.Bond
	}
	for i := range x.spec.Rungs {
		if err := x.potsOf(crescendo.RungID(i+1), want); err != nil {
			return err
		}
	}
	for _, pot := range slices.Sorted(keysOf(x.book.pots)) {
		name := x.book.pots[pot]
		have := x.book.balances[name]
		expected, ok := want[name]
		if !ok && have == 0 {
			continue
		}
		var err error
		if have != expected {
			err = fmt.Errorf("it holds %s, the rules account for %s", have, expected)
		}
		f.settle(Recomputed, err, "pot %s", name)
	}
	f.settle(Recomputed, x.book.conserved(), "supply")
	return nil
}

func (x *execution) potsOf(id crescendo.RungID, want map[crescendo.Account]crescendo.Amount) error {
	raise, err := kv.Optional(funding.Raises.Get(x.store, uint32(id)))
	if err != nil {
		return err
	}
	usage, err := kv.Optional(inference.Usages.Get(x.store, uint32(id)))
	if err != nil {
		return err
	}
	book, err := kv.Optional(revenue.Books.Get(x.store, uint32(id)))
	if err != nil {
		return err
	}
	members, err := training.Members.All(x.store, uint32(id))
	if err != nil {
		return err
	}
	deposits, err := governance.Held(x.store, id)
	if err != nil {
		return err
	}
	for _, at := range []research.Contest{research.Contest(id), research.SeasonOf(id)} {
		bonds, err := research.Held(x.store, at)
		if err != nil {
			return err
		}
		want[research.Pot(at)] = bonds
	}
	want[governance.Pot(id)] = deposits
	want[crescendo.Pot("funding", id)] = raise.Raised - raise.Spent - raise.Refunded
	want[crescendo.Pot("inference", id)] = usage.Escrowed
	want[crescendo.Pot("revenue", id)] = book.Received - book.NextRung - book.Claimed
	for _, m := range members {
		want[training.Pot(id)] += m.Value.Bond + m.Value.Escrow
	}
	return nil
}
