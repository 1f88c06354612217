package hub

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/hub/record"
	"github.com/crescendo-network/crescendo/training"
)

// newsOnFront is how many events the front page lists.
const newsOnFront = 12

// front builds the first page.
func (h *Hub) front(ctx context.Context) (page.Front, error) {
	var out page.Front
	err := h.c.Model.Read(func(n record.Now) error {
		f, err := h.look(n)
		if err != nil {
			return err
		}
		out, err = f.front()
		return err
	})
	if err != nil {
		return out, err
	}
	out.News, err = h.news(ctx, record.Filter{Kinds: headlines, Limit: newsOnFront})
	return out, err
}

// headlines are the events that the front page tells; what fills every round
// stands on the round's own page.
var headlines = []string{
	"program.", "funding.opened", "funding.contributed", "funding.succeeded", "funding.failed", "funding.refunded", "research.", "season.", "governance.",
	"training.started", "training.joined", "training.left", "training.round-closed", "training.round-void", "training.expelled",
	"training.finished", "training.abandoned", "evaluation.registered", "evaluation.disputed", "evaluation.dismissed",
	"evaluation.suspended", "evaluation.slashed", "evaluation.ranked", "sealing.", "inference.opened", "inference.settled", "revenue.",
}

func (f *facts) front() (page.Front, error) {
	out := page.Front{Programme: f.Spec.Name, ChainID: f.ChainID, Unit: f.unit, Height: f.Height, Target: f.Target, Time: f.Time}
	for i := range f.rungs {
		out.Rungs = append(out.Rungs, f.rungs[i].step(f.unit))
	}
	var err error
	if out.Flow, err = f.flow(); err != nil {
		return out, err
	}
	if out.Supply, err = f.supply(); err != nil {
		return out, err
	}
	for i := range f.rungs {
		r := &f.rungs[i]
		out.Moved.Bytes += r.tally.Uploaded
		out.Moved.Dense += r.dense()
		out.Audits.Verified += r.tally.Verified
		out.Audits.Undecided += r.tally.Undecided
		out.Audits.Caught += r.tally.Expelled
	}
	if r := f.trained(); r != nil {
		if out.Loss, err = f.loss(r, page.Range{}); err != nil {
			return out, err
		}
		if out.Speed, err = f.speed(r); err != nil {
			return out, err
		}
		if out.Crew, err = f.crew(r); err != nil {
			return out, err
		}
	}
	out.Headline, out.Detail = f.headline()
	return out, nil
}

// step is a rung's place on the ladder.
func (r *rungFacts) step(unit string) page.Step {
	s := page.Step{
		Rung: r.id, Name: r.spec.Name, Stage: r.at.Stage.String(), Parameters: r.plan.Parameters(int(r.id - 1)),
		SoftCap: r.spec.Raise.SoftCap, HardCap: r.spec.Raise.HardCap, Raised: r.raise.Raised, Earned: r.book.Received,
		Rounds: r.closed(), Of: r.spec.Training.Rounds,
	}
	if r.raise.Status == funding.Succeeded {
		s.Purse = r.raise.Raised - r.raise.Spent
	}
	switch r.at.Stage {
	case program.StageAnnounced:
		s.Note = page.Short(s.Parameters) + " parameters"
	case program.StageRaising:
		s.PerMille = perMille(uint64(s.Raised), uint64(s.HardCap))
		s.Note = page.Percent(uint64(s.Raised), uint64(s.HardCap)) + " of the hard cap"
	case program.StageTraining:
		s.PerMille = perMille(uint64(s.Rounds), uint64(s.Of))
		s.Note = fmt.Sprintf("round %d of %d", min(s.Rounds+1, s.Of), s.Of)
	case program.StageServing:
		s.PerMille = 1000
		s.Note = "earned " + page.Money(unit, s.Earned)
	case program.StageRefunding:
		s.Note = "holders take their money back"
	default:
		s.PerMille = 1000
		s.Note = page.Short(s.Parameters) + " parameters"
	}
	return s
}

func perMille(part, whole uint64) int {
	if whole == 0 {
		return 0
	}
	return int(min(1000, float64(part)/float64(whole)*1000))
}

// dense is what data-parallel training with float32 gradients would have
// uploaded for the same work: every parameter in every step.
func (r *rungFacts) dense() uint64 {
	return uint64(r.tally.Reveals) * uint64(r.plan.Rungs[r.id-1].Training.Steps) * r.plan.Parameters(int(r.id-1)) * 4
}

// supply compares all balances with the genesis.
func (f *facts) supply() (page.Supply, error) {
	s := page.Supply{Burned: f.Burned()}
	for _, a := range f.Genesis.Balances {
		s.Genesis += a
	}
	for _, a := range f.Balances() {
		s.Held += a
	}
	var err error
	s.Error, err = f.SupplyError()
	return s, err
}

// loss is a rung's held-out loss, round by round.
func (f *facts) loss(r *rungFacts, shown page.Range) (page.Loss, error) {
	text := f.hub.texts.of(r.run.Corpus)
	l := page.Loss{Rung: r.id, Name: r.spec.Name, Of: r.spec.Training.Rounds, Bigram: text.Bigram, Gzip: text.Gzip, Closed: r.closed(), Range: shown}
	for n := crescendo.Round(1); n <= crescendo.Round(r.closed()); n++ {
		if !shown.Has(n, l.Closed) {
			continue
		}
		x, err := kv.Optional(training.Rounds.Get(f.State, uint32(r.id), uint32(n)))
		if err != nil {
			return l, err
		}
		if x.Targets == 0 {
			continue
		}
		nats := x.Before / crescendo.MicroNats(x.Targets)
		l.Points = append(l.Points, page.LossPoint{Round: n, Nats: nats, Bits: page.BitsPerByte(nats, text.BytesPerToken), Time: f.TimeOf(x.Height)})
	}
	return l, nil
}

// speedOver is over how many rounds the speed is averaged.
const speedOver = 10

// speed is how many tokens the rung's trainers did together, per second of
// the last closed rounds.
func (f *facts) speed(r *rungFacts) (page.Speed, error) {
	var s page.Speed
	closed := crescendo.Round(r.closed())
	var recent uint64
	for n := crescendo.Round(1); n <= closed; n++ {
		x, err := kv.Optional(training.Rounds.Get(f.State, uint32(r.id), uint32(n)))
		if err != nil {
			return s, err
		}
		s.Tokens += x.Tokens
		if n+speedOver > closed {
			recent += x.Tokens
			s.Rounds++
		}
	}
	if s.Rounds == 0 || len(r.tally.Rounds) < int(closed) {
		return s, nil
	}
	from := f.TimeOf(r.tally.Rounds[int(closed)-s.Rounds].Opened)
	to := f.TimeOf(r.tally.Rounds[closed-1].Closed)
	if to > from {
		s.PerSecond = float64(recent) * 1000 / float64(to-from)
	}
	return s, nil
}

// headline says in two sentences where the programme stands.
func (f *facts) headline() (string, string) {
	r := f.active()
	if r == nil {
		return "The ladder is announced.", fmt.Sprintf("%d models, each larger than the one before. The first raise has not opened yet.", len(f.rungs))
	}
	name := fmt.Sprintf("Rung %d, %s,", r.id, r.spec.Name)
	switch r.at.Stage {
	case program.StageRaising:
		return name + " is raising money.", fmt.Sprintf("%s of at least %s is in; the raise closes at block %s.",
			page.Money(f.unit, r.raise.Raised), page.Money(f.unit, r.raise.SoftCap), page.Count(r.raise.Deadline))
	case program.StageCompeting:
		return name + " chooses its recipe.", "Researchers compete; what is adopted earns its author a royalty on everything the model earns."
	case program.StageTraining:
		return name + " is being trained by strangers.", fmt.Sprintf("Round %d of %d: %d of %d trainers have committed their work. %s",
			min(r.closed()+1, r.spec.Training.Rounds), r.spec.Training.Rounds, r.run.Committed, r.run.Active, phaseSentence(r.run.Phase))
	case program.StageSelecting:
		return name + " is trained.", "The ranking decides who goes on to the next rung."
	case program.StageSealing:
		return name + " is being sealed.", "A vault does the last steps of training and encrypts the result: from here on only enclaves see the weights."
	case program.StageServing:
		usage, _ := kv.Optional(inference.Usages.Get(f.State, uint32(r.id)))
		return name + " serves.", fmt.Sprintf("%s requests answered, %s earned; holders have had %s of the %s at which the weights open.",
			page.Count(usage.Requests), page.Money(f.unit, r.book.Received), page.Plain(r.book.Holders), page.Plain(r.book.Cap))
	case program.StageOpened:
		return name + " belongs to everybody.", "Its holders are repaid or its date has come: the weights are public."
	case program.StageRefunding:
		return name + " did not come to be.", "Its holders take their money back."
	}
	return name + " is " + r.at.Stage.String() + ".", ""
}

func phaseSentence(p training.Phase) string {
	switch p {
	case training.Waiting:
		return "The next round waits for trainers."
	case training.Working:
		return "They train on their own, from the same base."
	case training.Revealing:
		return "They show what they did."
	case training.Voting, training.Unveiling:
		return "Evaluators score it and vote."
	case training.Auditing:
		return "All rounds are done; the last windows are being replayed."
	}
	return ""
}

// crew lists the trainers of a rung and what they are doing.
func (f *facts) crew(r *rungFacts) ([]page.Seat, error) {
	members, err := training.Members.All(f.State, uint32(r.id))
	if err != nil {
		return nil, err
	}
	var out []page.Seat
	for _, m := range members {
		who, v := training.Account(m.Rest), m.Value
		p := f.person(who)
		s := page.Seat{Account: who, Name: p.Name, Demo: p.Demo, Rounds: v.Rounds, Tokens: v.Tokens, Earned: v.Escrow + v.Paid, Good: true}
		switch {
		case v.Fault != "":
			s.State, s.Good = "expelled: "+v.Fault, false
		case v.Left:
			s.State, s.Good = "left", false
		case r.run.Phase == training.Finished, r.run.Phase == training.Auditing:
			s.State = "done"
		case v.Joined > r.run.Round:
			s.State = fmt.Sprintf("begins in round %d", v.Joined)
		default:
			w, err := kv.Optional(training.Works.Get(f.State, uint32(r.id), uint32(r.run.Round), string(who)))
			if err != nil {
				return nil, err
			}
			s.State = doing(w, r.run.Attempt)
		}
		out = append(out, s)
	}
	return out, nil
}

func doing(w training.Work, attempt uint32) string {
	switch {
	case w.Attempt != attempt || w.Commitment.IsZero():
		return "training"
	case w.Available:
		return "work available"
	case w.Revealed:
		return "revealed"
	}
	return "committed"
}
