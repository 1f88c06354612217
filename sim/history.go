package sim

import (
	"errors"
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/training"
)

// history checks what no single state shows: that things happen once, that
// only the guilty are punished, that what is due does happen.
type history struct {
	once     map[string]bool
	moved    crescendo.Height          // when something last went forward
	accused  map[deed]bool             // an honest evaluator found a mismatch
	spent    map[roundKey]spending     // paid for a round
	quiet    crescendo.Height          // faults were over from here on, with time to recover
	expelled map[crescendo.Account]int // for the report
}

// deed is a trainer's work in a round of a rung.
type deed struct {
	rung    crescendo.RungID
	round   crescendo.Round
	trainer crescendo.Account
}

type roundKey struct {
	rung  crescendo.RungID
	round crescendo.Round
}

type spending struct{ trainers, evaluators crescendo.Amount }

// patience is within how many blocks without faults something must go forward:
// more than the longest deadline of the programmes that are played, and the
// time after which a window is anybody's.
const patience = 160

func newHistory() history {
	return history{once: map[string]bool{}, accused: map[deed]bool{}, spent: map[roundKey]spending{}, expelled: map[crescendo.Account]int{}}
}

// first fails if the named thing has happened before.
func (h *history) first(w *world, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if h.once[what] {
		w.fail("it happened twice: %s", what)
	}
	h.once[what] = true
}

// event checks one event.
func (h *history) event(w *world, e crescendo.Event) {
	switch rule, _, _ := strings.Cut(e.Kind, "."); rule {
	case "training":
		h.training(w, e)
	case "evaluation":
		h.evaluation(w, e)
	case "program":
		h.moved = w.height()
		h.first(w, "rung %d enters %s", e.Rung, e.Get("to"))
	case "research", "season":
		h.research(w, e)
	case "funding":
		if e.Kind == "funding.refunded" {
			h.first(w, "refund of rung %d to %s", e.Rung, e.Get("account"))
		}
	case "sealing":
		if e.Kind == "sealing.opened" || e.Kind == "sealing.sealed" || e.Kind == "sealing.may-open" {
			h.moved = w.height()
			h.first(w, "%s of rung %d", e.Kind, e.Rung)
		}
	case "inference":
		switch e.Kind {
		case "inference.settled":
			w.report.Settled++
			h.first(w, "receipt %s of session %s", e.Get("sequence"), e.Get("session"))
		case "inference.closed":
			h.first(w, "session %s closed", e.Get("session"))
		}
	}
}

func (h *history) training(w *world, e crescendo.Event) {
	round := roundOf(e)
	switch e.Kind {
	case "training.round-closed":
		h.moved = w.height()
		w.report.Rounds++
		h.first(w, "round %d of rung %d closes", round, e.Rung)
		h.closed(w, e.Rung, round)
		s := h.spent[roundKey{e.Rung, round}]
		s.trainers = amountOf(w, e, "paid")
		h.spent[roundKey{e.Rung, round}] = s
	case "training.round-void":
		w.report.Voids++
		for d := range h.accused { // the attempt is forgotten, and what was found about it
			if d.rung == e.Rung && d.round == round {
				delete(h.accused, d)
			}
		}
		if h.recovered(w) && w.Exodus == 0 {
			w.fail("round %d of rung %d is void long after the last fault: %s", round, e.Rung, e.Get("reason"))
		}
	case "training.audited":
		h.moved = w.height()
	case "training.revealed":
		payload, _ := crescendo.ParseHash(e.Get("payload"))
		old := append(w.cast.shown[e.Rung], payload)
		w.cast.shown[e.Rung] = old[max(0, len(old)-64):]
	case "training.expelled":
		w.report.Expelled++
		who := crescendo.Account(e.Get("trainer"))
		var fault crescendo.Round
		fmt.Sscanf(e.Get("fault"), "replay mismatch in round %d", &fault)
		if !w.cast.cheated[deed{e.Rung, fault, who}] {
			w.fail("%s is expelled from rung %d and did not cheat: %s", who, e.Rung, e.Get("fault"))
		}
	case "training.left":
		if e.Get("reason") == "missed rounds" {
			h.blameless(w, crescendo.Account(e.Get("trainer")), e)
		}
	case "training.finished":
		h.convicted(w, e.Rung)
	case "training.abandoned":
		if e.Rung != w.Exodus {
			w.fail("the training of rung %d is abandoned", e.Rung)
		}
	}
}

// closed checks the record of a round against the one before it.
func (h *history) closed(w *world, rung crescendo.RungID, round crescendo.Round) {
	now, err := training.Rounds.Get(w.chain.store, uint32(rung), uint32(round))
	if err != nil {
		w.fail("closed round %d of rung %d cannot be read: %v", round, rung, err)
		return
	}
	if now.Checkpoint.IsZero() {
		w.fail("closed round %d of rung %d has no checkpoint", round, rung)
	}
	if round == 1 {
		return
	}
	before, err := training.Rounds.Get(w.chain.store, uint32(rung), uint32(round)-1)
	if err != nil || before.Checkpoint != now.Base {
		w.fail("round %d of rung %d does not continue the round before it: %v", round, rung, err)
	}
}

// convicted checks that whoever an honest evaluator found guilty was expelled.
func (h *history) convicted(w *world, rung crescendo.RungID) {
	for d := range h.accused {
		if d.rung != rung {
			continue
		}
		m, err := training.Members.Get(w.chain.store, uint32(rung), string(d.trainer))
		if err != nil || m.Fault == "" {
			w.fail("%s cheated in round %d of rung %d, an honest evaluator said so, and it was paid (%v)", d.trainer, d.round, rung, err)
		}
	}
}

func (h *history) evaluation(w *world, e crescendo.Event) {
	who := crescendo.Account(e.Get("evaluator"))
	honest := w.cast.honest(who)
	switch e.Kind {
	case "evaluation.slashed":
		w.report.Slashed++
		switch reason := e.Get("reason"); {
		case !honest:
		case reason != "absent":
			w.fail("honest evaluator %s is slashed: %s", who, e)
		default:
			h.blameless(w, who, e)
		}
	case "evaluation.replayed":
		d := deed{e.Rung, roundOf(e), crescendo.Account(e.Get("trainer"))}
		h.first(w, "replay of %v at %d by %s", d, h.attempt(w, e.Rung, d.round), who)
		match := e.Get("match") == "true"
		if honest && match == w.cast.cheated[d] {
			w.fail("honest evaluator %s reports match=%t: %s", who, match, e)
		}
		if honest && !match {
			h.accused[d] = true
		}
	case "evaluation.paid":
		h.first(w, "pay of %s for round %d of rung %d", who, roundOf(e), e.Rung)
		key := roundKey{e.Rung, roundOf(e)}
		s := h.spent[key]
		s.evaluators += amountOf(w, e, "amount")
		h.spent[key] = s
		run := w.chain.rungs[e.Rung-1].run
		if s.evaluators > run.EvalPerRound || s.trainers > run.PerRound {
			w.fail("round %d of rung %d pays %+v, its budgets are %d and %d", key.round, key.rung, s, run.PerRound, run.EvalPerRound)
		}
	}
}

// attempt tells attempts at a round apart: a void one may be replayed again.
func (h *history) attempt(w *world, rung crescendo.RungID, round crescendo.Round) uint32 {
	run, err := training.Runs.Get(w.chain.store, uint32(rung))
	if err != nil || run.Round != round {
		return 0
	}
	return run.Attempt
}

// blameless fails if an honest actor loses something for being away when it
// was not.
func (h *history) blameless(w *world, who crescendo.Account, e crescendo.Event) {
	a := w.cast.actor(who)
	if a == nil || !a.honest {
		return
	}
	if h.recovered(w) && !a.gone && w.height() > a.hurt+2*patience {
		w.fail("honest %s is punished for absence long after the last fault: %s", who, e)
	}
}

// recovered reports whether faults are over and there was time to recover.
func (h *history) recovered(w *world) bool {
	return w.sky.settle && w.height() > w.sky.fault+2*patience
}

// transfer checks one payment.
func (h *history) transfer(w *world, t crescendo.Transfer) {
	if t.Amount == 0 {
		w.fail("a transfer of nothing from %s to %s", t.From, t.To)
	}
	if t.From == t.To {
		w.fail("%s pays itself %d", t.From, t.Amount)
	}
}

// refused checks that the rules refuse for a reason: never because something
// inside is broken, and never as wrong what an honest actor says.
func (h *history) refused(w *world, tx *transaction, err error) {
	var refusal *crescendo.Error
	switch {
	case !errors.As(err, &refusal):
		w.fail("%T is refused without a code: %v", tx.message, err)
	case refusal.Code == crescendo.CodeInternal:
		w.fail("%T breaks an invariant: %v", tx.message, err)
	case tx.from.honest && (refusal.Code == crescendo.CodeInvalid || refusal.Code == crescendo.CodeForbidden) && !overtaken(tx):
		w.fail("honest %s is refused %T: %v", tx.from.name, tx.message, err)
	}
}

// overtaken lists what an honest actor may ask for in vain, because the world
// went on while the message was on its way: a new attempt has another panel and
// other commitments, a seat was lost, the vault has asked for its key again.
func overtaken(tx *transaction) bool {
	switch tx.purpose.kind {
	case "attest", "vote", "join", "commit", "reveal", "open", "hand":
		return true
	}
	return false
}

// checkProgress fails if nothing has gone forward for long though nothing is
// broken.
func (h *history) checkProgress(w *world) {
	since := max(h.moved, w.sky.fault)
	if !w.sky.storm && w.Exodus == 0 && w.height() > since+3*patience && !w.cast.idle(w) {
		w.fail("nothing goes forward since block %d: %s", since, w.chain.situation())
	}
}

// checkEnd looks at the whole once nothing more will happen.
func (w *world) checkEnd() {
	for i := range w.chain.rungs {
		v := &w.chain.rungs[i]
		switch v.state.Stage {
		case program.StageServing, program.StageOpened:
			w.checkAdopted(v)
			w.checkServed(v)
		case program.StageRefunding:
			w.checkRefunded(v)
		}
	}
	for _, t := range w.cast.trainers {
		share := &w.report.Honest
		if !t.self.honest {
			share = &w.report.Cheating
		}
		share.People++
		for i := range w.chain.rungs {
			m, err := optional(training.Members.Get(w.chain.store, uint32(i+1), string(t.self.name)))
			if err != nil {
				w.fail("read member %s: %v", t.self.name, err)
			}
			share.Paid += m.Paid
			share.Burned += m.Burned
		}
	}
	w.report.Trainers = len(w.cast.trainers)
}

// checkRefunded checks a rung that failed: everybody who asked has its money
// back. After a missed soft cap that is all of it; after an abandoned training,
// what had not been paid for work.
func (w *world) checkRefunded(v *rung) {
	left := w.chain.bank.Balance(crescendo.Pot("funding", v.id))
	var due, most crescendo.Amount
	for _, a := range w.actors {
		if p, err := optional(funding.Positions.Get(w.chain.store, uint32(v.id), string(a.name))); err != nil || !p.Refunded {
			due += p.Shares
			if p.Shares > 0 && !a.gone {
				w.fail("rung %d: %s has not been refunded (%v)", v.id, a.name, err)
			}
		} else {
			most++ // rounding leaves at most one unit of each holder
		}
	}
	if v.raise.Spent == 0 && left != due || v.raise.Spent > 0 && left > due+most+1 {
		w.fail("rung %d: %d of its raise are left, the missing holders are owed at most %d", v.id, left, due)
	}
	if pot := w.chain.bank.Balance(training.Pot(v.id)); pot != 0 {
		w.fail("rung %d: %d of bonds and escrow were not released", v.id, pot)
	}
}

// checkServed checks a rung that has been through everything.
func (w *world) checkServed(v *rung) {
	book := w.books.of(v.id)
	if pot := w.chain.bank.Balance(training.Pot(v.id)); pot != 0 {
		w.fail("rung %d: %d of bonds and escrow were not released", v.id, pot)
	}
	if purse, err := funding.Purse(w.chain.store, v.id); err != nil || purse != 0 {
		w.fail("rung %d: %d are left in the purse (%v)", v.id, purse, err)
	}
	left := w.chain.bank.Balance(crescendo.Pot("revenue", v.id)) - book.book.Remainder
	for _, a := range w.actors {
		if a.gone {
			left -= w.claimable(a, v.id)
		}
	}
	if accounts := crescendo.Amount(2*len(w.actors) + 2); left > accounts {
		w.fail("rung %d: %d of revenue are left when everybody has claimed, more than rounding explains", v.id, left)
	}
	if v.run.Final != v.seal.Base {
		w.fail("rung %d: the sealed model is not built on the last checkpoint", v.id)
	}
	ranking, err := evaluation.Standings.List(w.chain.store, nil, training.MaxMembers, uint32(v.id))
	if err != nil {
		w.fail("read ranking of rung %d: %v", v.id, err)
	}
	for _, s := range ranking {
		if s.Value.Kept {
			m, err := training.Members.Get(w.chain.store, uint32(v.id), string(s.Value.Trainer))
			if err != nil || m.Fault != "" || m.Left {
				w.fail("rung %d keeps %s: %+v %v", v.id, s.Value.Trainer, m, err)
			}
		}
	}
}

func roundOf(e crescendo.Event) crescendo.Round {
	var n crescendo.Round
	fmt.Sscan(e.Get("round"), &n)
	return n
}

func amountOf(w *world, e crescendo.Event, key string) crescendo.Amount {
	v, err := crescendo.ParseAmount(e.Get(key))
	if err != nil {
		w.fail("event %s: %v", e, err)
	}
	return v
}
