package auditor

import (
	"context"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/tokenizer"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
	"github.com/crescendo-network/crescendo/training/start"
)

// rung is everything the ledger says about the training of one rung, and what
// it was trained on.
type rung struct {
	id      crescendo.RungID
	chain   string
	spec    program.Rung
	plan    outer.Plan
	origin  start.Origin
	run     training.Run
	members []member // in account order
	rounds  []round  // closed ones, from round 1
	train   outer.Windows
	heldOut outer.Windows
}

type member struct {
	account crescendo.Account
	training.Member
}

// round is a closed round.
type round struct {
	training.Closed
	number crescendo.Round
	vote   evaluation.Vote
	works  []work // in account order
}

// work is a trainer's part in a closed round.
type work struct {
	account crescendo.Account
	training.Work
}

// previous is the seed that eager steps of a round draw from.
func (r *rung) previous(i int) crescendo.Hash {
	if i == 0 {
		return crescendo.Hash{}
	}
	return r.rounds[i-1].Seed
}

// readRung collects what the rules' state says about a rung's training; nil if
// it has not been started.
func readRung(r kv.Reader, chain string, spec program.Spec, id crescendo.RungID) (*rung, error) {
	run, err := training.Runs.Get(r, uint32(id))
	if errors.Is(err, kv.ErrNotFound) || (err == nil && run.Start.IsZero()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if spec, err = spec.Planned(r, id); err != nil {
		return nil, err
	}
	out := &rung{id: id, chain: chain, spec: spec.Rungs[id-1], run: run}
	if out.plan, err = outer.PlanOf(spec, id); err != nil {
		return nil, err
	}
	if out.origin, err = start.Of(r, chain, spec, id, run.Corpus); err != nil {
		return nil, err
	}
	members, err := training.Members.All(r, uint32(id))
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		out.members = append(out.members, member{training.Account(m.Rest), m.Value})
	}
	for n := crescendo.Round(1); ; n++ {
		closed, err := training.Rounds.Get(r, uint32(id), uint32(n))
		if errors.Is(err, kv.ErrNotFound) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		next := round{Closed: closed, number: n}
		if next.vote, err = evaluation.Votes.Get(r, uint32(id), uint32(n)); err != nil {
			return nil, fmt.Errorf("vote of round %d: %w", n, err)
		}
		works, err := training.Works.All(r, uint32(id), uint32(n))
		if err != nil {
			return nil, err
		}
		for _, w := range works {
			next.works = append(next.works, work{training.Account(w.Rest), w.Value})
		}
		out.rounds = append(out.rounds, next)
	}
}

// openCorpus reads and checks all of the corpus a rung was trained on: its
// manifest, the root over its shards, every shard, the documents' hashes,
// tokenizer and licence.
func (r *rung) openCorpus(ctx context.Context, store blob.Store) error {
	reader, err := corpus.Open(ctx, store, r.run.Corpus)
	if err != nil {
		return err
	}
	m := reader.Manifest()
	if m.Root != r.run.Root {
		return fmt.Errorf("the manifest has root %s, the ledger %s", m.Root, r.run.Root)
	}
	if m.Vocab > r.plan.Shape.Vocab {
		return fmt.Errorf("the corpus has %d tokens, the model %d", m.Vocab, r.plan.Shape.Vocab)
	}
	train, err := r.plan.Text(ctx, reader)
	if err != nil {
		return err
	}
	heldOut, err := reader.HeldOut().WithContext(r.plan.Shape.Context)
	if err != nil {
		return err
	}
	if _, err := store.Get(ctx, m.Licence.Blob, tokenizer.MaxFileBytes); err != nil {
		return fmt.Errorf("licence: %w", err)
	}
	for _, split := range []corpus.Split{corpus.Train, corpus.HeldOut} {
		if err := readShards(ctx, store, m, split); err != nil {
			return err
		}
		if err := reader.VerifyTexts(ctx, split); err != nil {
			return err
		}
	}
	r.train, r.heldOut = train, heldOut
	return nil
}

// readShards checks every shard of a split against the manifest.
func readShards(ctx context.Context, store blob.Store, m *corpus.Manifest, split corpus.Split) error {
	for i, name := range m.Part(split).Shards {
		data, err := store.Get(ctx, name.Blob, 0)
		if err != nil {
			return fmt.Errorf("%s shard %d: %w", split, i, err)
		}
		s, err := corpus.DecodeShard(data)
		if err != nil {
			return fmt.Errorf("%s shard %d: %w", split, i, err)
		}
		if s.Split != split || s.Index != i || s.Vocab != m.Vocab || s.Tokenizer != m.Tokenizer || len(s.Tokens) != name.Tokens {
			return fmt.Errorf("%s shard %d: blob %s is another shard", split, i, name.Blob)
		}
	}
	return nil
}
