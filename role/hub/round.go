package hub

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/hub/record"
	"github.com/crescendo-network/crescendo/training"
)

// roundPage builds the page of one round.
func (h *Hub) roundPage(ctx context.Context, id crescendo.RungID, n crescendo.Round) (page.Round, error) {
	var out page.Round
	err := h.read(func(f *facts) error {
		r, err := f.rung(id)
		if err != nil {
			return err
		}
		out, err = f.roundOf(r, n)
		return err
	})
	if err != nil {
		return out, err
	}
	out.Events, err = h.news(ctx, record.Filter{Rung: id, Round: n, Limit: 500, Oldest: true})
	return out, err
}

func (f *facts) roundOf(r *rungFacts, n crescendo.Round) (page.Round, error) {
	last := crescendo.Round(r.closed())
	open := r.run.Phase != training.Finished && r.run.Phase != training.Auditing && !r.run.Start.IsZero()
	if open {
		last++
	}
	out := page.Round{Rung: r.id, Name: r.spec.Name, Unit: f.unit, Round: n, Last: last, Open: open && n == last, PerRound: r.run.PerRound}
	if n < 1 || n > last {
		return out, crescendo.Errorf(crescendo.CodeNotFound, "rung %d has no round %d yet: %d have begun", r.id, n, last)
	}
	x, err := kv.Optional(training.Rounds.Get(f.State, uint32(r.id), uint32(n)))
	if err != nil {
		return out, err
	}
	out.Before, out.Checkpoint = x.Before, x.Checkpoint
	if out.Works, err = f.works(r, n, x); err != nil {
		return out, err
	}
	if out.Votes, err = f.votes(r, n); err != nil {
		return out, err
	}
	out.Phase, out.Facts = f.roundFacts(r, n, x, out.Open)
	return out, nil
}

func (f *facts) roundFacts(r *rungFacts, n crescendo.Round, x training.Closed, open bool) (string, []page.Fact) {
	var tally record.RoundTally
	if int(n) <= len(r.tally.Rounds) {
		tally = r.tally.Rounds[n-1]
	}
	facts := []page.Fact{{Label: "Opened", Value: "block " + page.Count(tally.Opened), Link: "/block/" + page.Decimal(tally.Opened)},
		{Label: "Attempts", Value: page.Decimal(tally.Attempts)}, {Label: "Uploaded", Value: page.Bytes(tally.Uploaded)}}
	if open {
		facts = append(facts,
			page.Fact{Label: "Committed", Value: fmt.Sprintf("%d of %d", r.run.Committed, r.run.Active)},
			page.Fact{Label: "Evaluators", Value: page.Count(r.run.Panel)},
			page.Fact{Label: "This phase ends", Value: f.inBlocks(r.run.Deadline)})
		return phaseSentence(r.run.Phase), facts
	}
	var nats crescendo.MicroNats
	if x.Targets > 0 {
		nats = x.Before / crescendo.MicroNats(x.Targets)
	}
	facts = append(facts,
		page.Fact{Label: "Closed", Value: "block " + page.Count(x.Height), Link: "/block/" + page.Decimal(x.Height)},
		page.Fact{Label: "Took", Value: page.Fixed(float64(f.TimeOf(tally.Closed)-f.TimeOf(tally.Opened))/1000, 1) + " s"},
		page.Fact{Label: "Loss of its base", Value: page.Nats(nats) + " nats per token"},
		page.Fact{Label: "Scored on", Value: page.Count(x.Targets) + " tokens, drawn afterwards"},
		page.Fact{Label: "Tokens trained", Value: page.Count(x.Tokens)},
		page.Fact{Label: "Checkpoint", Value: x.Checkpoint.Short(), Link: "/blob/" + x.Checkpoint.String(), Class: "mono"},
		page.Fact{Label: "Seed of batches", Value: x.Seed.Short(), Class: "mono"},
		page.Fact{Label: "Draw", Value: x.Draw.Short(), Class: "mono"})
	return fmt.Sprintf("Closed: %d payloads became part of the next checkpoint.", x.Included), facts
}

func (f *facts) works(r *rungFacts, n crescendo.Round, x training.Closed) ([]page.WorkLine, error) {
	works, err := training.Works.All(f.State, uint32(r.id), uint32(n))
	if err != nil {
		return nil, err
	}
	out := []page.WorkLine{}
	for _, entry := range works {
		w := entry.Value
		line := page.WorkLine{Person: f.person(training.Account(entry.Rest)), State: doing(w, w.Attempt), Payload: w.Payload, Bytes: w.Size,
			Holders: len(w.Holders), Included: w.Included, Pay: w.Pay, Fault: w.Fault, Audit: audit(w)}
		if w.Included {
			line.State = "included"
		}
		if x.Targets > 0 && w.Revealed && w.After != 0 {
			line.Scored, line.Gain = true, training.Gain(x.Before, w.After, x.Targets)
		}
		out = append(out, line)
	}
	return out, nil
}

func audit(w training.Work) string {
	switch {
	case w.Verified:
		return "replayed: the same bits"
	case w.Drawn && w.Settled:
		return "settled without a replay"
	case w.Drawn:
		return "drawn, being replayed"
	}
	return "not drawn"
}

func (f *facts) votes(r *rungFacts, n crescendo.Round) ([]page.VoteLine, error) {
	ballots, err := evaluation.Ballots.All(f.State, uint32(r.id), uint32(n))
	if err != nil {
		return nil, err
	}
	carried, err := kv.Optional(evaluation.Votes.Get(f.State, uint32(r.id), uint32(n)))
	if err != nil {
		return nil, err
	}
	digest, agreed := evaluation.VoteDigest(carried), 0
	for _, b := range ballots {
		if b.Value.Opened && b.Value.Digest == digest {
			agreed++
		}
	}
	reports, err := f.reports(r, n)
	if err != nil {
		return nil, err
	}
	out := []page.VoteLine{}
	for _, b := range ballots {
		who := training.Account(b.Rest)
		line := page.VoteLine{Person: f.person(who), Vote: "committed", Replays: reports[who]}
		if b.Value.Opened {
			line.Vote = b.Value.Digest.Short()
			if line.Carried = b.Value.Digest == digest; line.Carried {
				line.Pay = r.run.EvalPerRound / crescendo.Amount(agreed)
			}
		}
		out = append(out, line)
	}
	return out, nil
}

// reports lists what each evaluator found when it replayed windows of a
// round.
func (f *facts) reports(r *rungFacts, n crescendo.Round) (map[crescendo.Account][]string, error) {
	works, err := training.Works.All(f.State, uint32(r.id), uint32(n))
	if err != nil {
		return nil, err
	}
	out := map[crescendo.Account][]string{}
	for _, w := range works {
		trainer := training.Account(w.Rest)
		replays, err := evaluation.Replays.All(f.State, uint32(r.id), uint32(n), string(trainer))
		if err != nil {
			return nil, err
		}
		name, _ := f.nameOf(trainer)
		for _, p := range replays {
			verdict := name + ": the same bits"
			if !p.Value.Match {
				verdict = name + ": different"
			}
			judge := training.Account(p.Rest)
			out[judge] = append(out[judge], verdict)
		}
	}
	return out, nil
}
