package hub

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/hub/record"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// rung finds a rung by its number.
func (f *facts) rung(id crescendo.RungID) (*rungFacts, error) {
	if id < 1 || int(id) > len(f.rungs) {
		return nil, crescendo.Errorf(crescendo.CodeNotFound, "the programme has %d rungs", len(f.rungs))
	}
	return &f.rungs[id-1], nil
}

// newsOnRung is how many events the page of a rung lists.
const newsOnRung = 30

// rungPage builds the page of a rung, with the rounds that are to be shown.
func (h *Hub) rungPage(ctx context.Context, id crescendo.RungID, shown page.Range) (page.Rung, error) {
	var out page.Rung
	err := h.read(func(f *facts) error {
		r, err := f.rung(id)
		if err != nil {
			return err
		}
		out, err = f.rungOf(r, shown)
		return err
	})
	if err != nil {
		return out, err
	}
	out.News, err = h.news(ctx, record.Filter{Rung: id, Kinds: headlines, Limit: newsOnRung})
	return out, err
}

// read shows the newest facts to a function.
func (h *Hub) read(use func(*facts) error) error {
	return h.c.Model.Read(func(n record.Now) error {
		f, err := h.look(n)
		if err != nil {
			return err
		}
		return use(f)
	})
}

func (f *facts) rungOf(r *rungFacts, shown page.Range) (page.Rung, error) {
	out := page.Rung{Step: r.step(f.unit), Unit: f.unit}
	var err error
	if out.Loss, err = f.loss(r, shown); err != nil {
		return out, err
	}
	if out.Members, err = f.crew(r); err != nil {
		return out, err
	}
	if out.Rounds, err = f.roundLines(r, shown); err != nil {
		return out, err
	}
	if out.Ranking, err = f.ranking(r); err != nil {
		return out, err
	}
	out.Moved = page.Moved{Bytes: r.tally.Uploaded, Dense: r.dense()}
	out.Audits = page.Audits{Verified: r.tally.Verified, Undecided: r.tally.Undecided, Caught: r.tally.Expelled}
	out.Use = f.use(r)
	b := r.book
	out.Book = []page.Part{{Name: "operators", Amount: b.Operators}, {Name: "holders", Amount: b.Holders}, {Name: "contributors", Amount: b.Contributors},
		{Name: "next rung", Amount: b.NextRung}, {Name: "remainder", Amount: b.Remainder}}
	out.Deadline = f.deadline(r)
	out.Facts = f.rungFacts(r, out)
	return out, nil
}

// inBlocks says when a height will be reached.
func (f *facts) inBlocks(h crescendo.Height) string {
	if h <= f.Height {
		return "at block " + page.Count(h)
	}
	return fmt.Sprintf("at block %s, in about %s", page.Count(h), page.Span(int64(h-f.Height)*f.BlockMillis()))
}

// deadline says what must happen by when.
func (f *facts) deadline(r *rungFacts) string {
	switch r.at.Stage {
	case program.StageAnnounced:
		return "Its raise has not opened yet."
	case program.StageRaising:
		return "The raise closes " + f.inBlocks(r.raise.Deadline) + ", or when the hard cap is reached."
	case program.StageTraining:
		s := phaseSentence(r.run.Phase)
		if r.run.Deadline > f.Height {
			s += " This phase ends " + f.inBlocks(r.run.Deadline) + " at the latest."
		}
		return s
	}
	return ""
}

func shapeText(m program.Model) string {
	text := fmt.Sprintf("%d layers, width %d, %d heads, context %d", m.Layers, m.Dim, m.Heads, m.Context)
	if m.Mixture() {
		text += fmt.Sprintf(", %d experts of which a token uses %d", m.Experts, m.ExpertsPerToken)
	}
	return text
}

func (f *facts) rungFacts(r *rungFacts, p page.Rung) []page.Fact {
	m := r.plan.Rungs[r.id-1].Model
	out := []page.Fact{
		{Label: "Parameters", Value: page.Count(p.Parameters)},
		{Label: "Shape", Value: shapeText(m)},
		{Label: "Raised", Value: fmt.Sprintf("%s of %s", page.Plain(p.Raised), page.Money(f.unit, p.HardCap))},
		{Label: "Soft cap", Value: page.Money(f.unit, p.SoftCap)},
		{Label: "In the purse", Value: page.Money(f.unit, p.Purse)},
		{Label: "Reinvested", Value: page.Money(f.unit, r.raise.Reinvested)},
	}
	if r.run.Start.IsZero() {
		return out
	}
	out = append(out,
		page.Fact{Label: "Rounds", Value: fmt.Sprintf("%d of %d, %d void", p.Step.Rounds, p.Of, r.run.Voids)},
		page.Fact{Label: "Uploaded", Value: fmt.Sprintf("%s of %s if dense", page.Bytes(p.Moved.Bytes), page.Bytes(p.Moved.Dense))},
		page.Fact{Label: "Time spent working", Value: page.Percent(p.Use.Working, p.Use.Total)},
		page.Fact{Label: "A round takes", Value: page.Fixed(float64(p.Use.RoundMean)/1000, 1) + " s"},
		page.Fact{Label: "Audits", Value: fmt.Sprintf("%d passed, %d undecided, %d caught", p.Audits.Verified, p.Audits.Undecided, p.Audits.Caught)},
		page.Fact{Label: "Pay per round", Value: page.Money(f.unit, r.run.PerRound)},
		page.Fact{Label: "Newest checkpoint", Value: r.run.Base.Short(), Link: "/blob/" + r.run.Base.String(), Class: "mono"},
		page.Fact{Label: "Corpus root", Value: r.run.Root.Short(), Link: "/model/" + page.Decimal(r.id), Class: "mono"},
	)
	if r.book.Received > 0 {
		out = append(out, page.Fact{Label: "Earned", Value: page.Money(f.unit, r.book.Received)})
	}
	if seal, err := kv.Optional(sealing.Seals.Get(f.State, uint32(r.id))); err == nil && seal.Height > 0 {
		out = append(out, page.Fact{Label: "Sealed", Value: "at block " + page.Count(seal.Height), Link: "/block/" + page.Decimal(seal.Height)})
	}
	return out
}

func (f *facts) roundLines(r *rungFacts, shown page.Range) ([]page.RoundLine, error) {
	out := []page.RoundLine{}
	closed := r.closed()
	for n := crescendo.Round(1); n <= crescendo.Round(closed); n++ {
		if !shown.Has(n, closed) {
			continue
		}
		x, err := kv.Optional(training.Rounds.Get(f.State, uint32(r.id), uint32(n)))
		if err != nil {
			return nil, err
		}
		line := page.RoundLine{Round: n, Included: x.Included, Tokens: x.Tokens, Height: x.Height, Checkpoint: x.Checkpoint}
		if x.Targets > 0 {
			line.Loss = x.Before / crescendo.MicroNats(x.Targets)
		}
		if int(n) <= len(r.tally.Rounds) {
			t := r.tally.Rounds[n-1]
			line.Uploaded, line.Attempts, line.Millis = t.Uploaded, t.Attempts, f.TimeOf(t.Closed)-f.TimeOf(t.Opened)
		}
		out = append(out, line)
	}
	return out, nil
}

// use is how much of the rounds' time trainers could work: from a round's
// opening to the end of commitments. What overlaps with the votes of the round
// before is not counted, so it is a lower bound.
func (f *facts) use(r *rungFacts) page.Use {
	var u page.Use
	closed := int64(0)
	for _, t := range r.tally.Rounds {
		if t.Closed == 0 || t.Opened == 0 {
			continue
		}
		closed++
		u.Total += f.TimeOf(t.Closed) - f.TimeOf(t.Opened)
		if t.Revealing > 0 {
			u.Working += f.TimeOf(t.Revealing) - f.TimeOf(t.Opened)
		}
	}
	if closed > 0 {
		u.RoundMean = u.Total / closed
	}
	u.PerMille = perMille(uint64(max(0, u.Working)), uint64(max(0, u.Total)))
	return u
}

func (f *facts) ranking(r *rungFacts) ([]page.Rank, error) {
	standings, err := evaluation.Standings.All(f.State, uint32(r.id))
	if err != nil {
		return nil, err
	}
	out := []page.Rank{}
	for i, s := range standings {
		v := s.Value
		out = append(out, page.Rank{Place: i + 1, Person: f.person(v.Trainer), Mean: v.Mean, Lower: v.Lower, Upper: v.Upper, Rounds: v.Rounds, Kept: v.Kept, Reason: v.Reason})
	}
	return out, nil
}
