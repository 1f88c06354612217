package evaluator

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/training"
)

// hearsay is what events say about the open round. State proves the same a
// block later; until then it serves to do work that does no harm if it turns
// out to be in vain: to fetch payloads, to say that one holds them, to judge,
// and to commit to a vote without showing it.
type hearsay struct {
	round      crescendo.Round
	attempt    uint32
	base, seed crescendo.Hash
	works      []trainerWork
}

func (h *hearsay) forget(trainer crescendo.Account) {
	h.works = slices.DeleteFunc(h.works, func(t trainerWork) bool { return t.trainer == trainer })
}

func (h *hearsay) available() (n int) {
	for _, t := range h.works {
		if t.work.Available {
			n++
		}
	}
	return n
}

// hear takes in a block's events and gets ahead of the proof.
func (p *panel) hear(ctx context.Context, b ledger.Block) {
	var draw crescendo.Hash
	revealed := false
	for _, e := range b.Events {
		if e.Rung != p.rung {
			continue
		}
		if e.Kind == "training.expelled" {
			p.heard.forget(crescendo.Account(e.Get("trainer")))
			continue
		}
		round, err := strconv.ParseUint(e.Get("round"), 10, 32)
		if err != nil {
			continue
		}
		switch e.Kind {
		case "training.round-opened":
			attempt, _ := strconv.ParseUint(e.Get("attempt"), 10, 32) // zero, if it is no number, is refused
			p.heard, draw = hearsay{round: crescendo.Round(round), attempt: uint32(attempt), base: hashOf(e, "base"), seed: hashOf(e, "seed")}, crescendo.Hash{}
		case "training.round-void":
			p.heard, draw = hearsay{}, crescendo.Hash{}
		}
		if p.heard.round == 0 || p.heard.round != crescendo.Round(round) {
			continue
		}
		switch e.Kind {
		case "training.revealed":
			p.heardOf(ctx, e)
			revealed = true
		case "training.available":
			trainer := crescendo.Account(e.Get("trainer"))
			if i := slices.IndexFunc(p.heard.works, func(t trainerWork) bool { return t.trainer == trainer }); i >= 0 {
				p.heard.works[i].work.Available = true
			}
		case "training.drawn":
			if draw = hashOf(e, "draw"); e.Get("payloads") != strconv.Itoa(p.heard.available()) {
				draw = crescendo.Hash{} // something was missed
			}
		}
	}
	if draw.IsZero() {
		if revealed {
			p.attestAhead(ctx)
		}
		return
	}
	if err := p.commitAhead(ctx, draw); err != nil && ctx.Err() == nil {
		p.Log.Debug("vote ahead of the proof", "rung", p.rung, "round", p.heard.round, "reason", err)
	}
}

// heardOf notes a reveal and fetches its payload.
func (p *panel) heardOf(ctx context.Context, e crescendo.Event) {
	size, err := strconv.ParseUint(e.Get("bytes"), 10, 32)
	if err != nil || len(p.heard.works) >= training.MaxMembers {
		return
	}
	t := trainerWork{crescendo.Account(e.Get("trainer")), training.Work{Payload: hashOf(e, "payload"), Size: size, Start: hashOf(e, "start"), Revealed: true}}
	p.turnTo(p.heard.round)
	if _, err := p.payload(ctx, t.work); err != nil {
		p.Log.Debug("fetch payload ahead of the proof", "trainer", t.trainer, "reason", err)
	}
	p.heard.works = append(p.heard.works, t)
}

// attestAhead says which of the payloads heard of it holds. What it cannot say
// now it says once the reveals are proved.
func (p *panel) attestAhead(ctx context.Context) {
	if err := p.attest(ctx, training.Run{Round: p.heard.round, Attempt: p.heard.attempt}, p.heard.works); err != nil && ctx.Err() == nil {
		p.Log.Debug("attest ahead of the proof", "rung", p.rung, "round", p.heard.round, "reason", err)
	}
	for i := range p.heard.works {
		p.heard.works[i].work.Holders = []crescendo.Account{p.Signer.Account()}
	}
}

// commitAhead commits to the vote that follows from what was heard, if the
// round's base is the outcome of the vote before: then it has all it takes.
func (p *panel) commitAhead(ctx context.Context, draw crescendo.Hash) error {
	if v := p.verdict.Vote; p.heard.base.IsZero() || v.Checkpoint != p.heard.base {
		return nil
	}
	slices.SortFunc(p.heard.works, func(a, b trainerWork) int { return cmp.Compare(a.trainer, b.trainer) })
	run := training.Run{Round: p.heard.round, Attempt: p.heard.attempt, Base: p.heard.base, Error: p.verdict.Vote.Error, Seed: p.heard.seed, Draw: draw}
	return p.commit(ctx, questionOf(run, p.heard.works))
}

// hashOf reads an attribute; one that is no hash reads as zero.
func hashOf(e crescendo.Event, key string) crescendo.Hash {
	h, err := crescendo.ParseHash(e.Get(key))
	if err != nil {
		return crescendo.Hash{}
	}
	return h
}
