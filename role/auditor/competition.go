package auditor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
	"github.com/crescendo-network/crescendo/training/outer"
)

// tried is a trial with the result that the ledger holds.
type tried struct {
	trial.Name
	weights crescendo.Hash
	losses  []uint64
}

// competitions runs the trials of all competitions again, seasons included, or a
// sample of them. That the rankings and the adoption follow from the results has been
// checked by executing the chain.
func (a *audit) competitions(ctx context.Context) error {
	for _, at := range a.exec.spec.Contests() {
		c, err := kv.Optional(research.Competitions.Get(a.exec.store, uint32(at)))
		if err != nil {
			return fmt.Errorf("read the competition of %s: %w", at, err)
		}
		trials, err := a.trials(at, c)
		if err != nil {
			return fmt.Errorf("read the trials of %s: %w", at, err)
		}
		if len(trials) == 0 {
			continue
		}
		text, err := a.trialText(ctx, at.Rung())
		if err != nil {
			a.findings.settle(Recomputed, err, "corpus of the trials of %s", at)
			continue
		}
		if err := a.tryAgain(ctx, at, c, text, trials); err != nil {
			return err
		}
	}
	return nil
}

// trials lists the trials with a result that the audit runs: all, or a sample
// in which the adopted recipe and the baseline's last trials always are.
func (a *audit) trials(at research.Contest, c research.Competition) ([]tried, error) {
	all, err := research.Trials.All(a.exec.store, uint32(at))
	if err != nil {
		return nil, err
	}
	baseline := research.Baseline(a.exec.spec.Organiser).ID()
	var out []tried
	for _, e := range all {
		t := tried{trial.Name{Stage: binary.BigEndian.Uint32(e.Rest), Recipe: crescendo.Hash(e.Rest[4:36]), Seed: binary.BigEndian.Uint32(e.Rest[36:])},
			e.Value.Weights, e.Value.Losses}
		decisive := t.Stage == c.Stage && (t.Recipe == c.Winner || t.Recipe == baseline || at.IsSeason() && slices.Contains(c.Kept, t.Recipe))
		h := digest.Sum("crescendo/audit/trial/v1", a.chain.hash, e.Rest)
		if e.Value.Agreed && (decisive || a.Sample >= 1000 || binary.BigEndian.Uint64(h[:8])%1000 < uint64(a.Sample)) {
			out = append(out, t)
		}
	}
	return out, nil
}

func (a *audit) trialText(ctx context.Context, id crescendo.RungID) (trial.Text, error) {
	named, err := research.Texts.Get(a.exec.store, uint32(id))
	if err != nil {
		return nil, err
	}
	reader, err := corpus.Open(ctx, a.Blobs, named.Corpus)
	if err != nil {
		return nil, err
	}
	if root := reader.Manifest().Root; root != named.Root {
		return nil, fmt.Errorf("the manifest has root %s, the ledger %s", root, named.Root)
	}
	return trial.OfCorpus(reader), nil
}

func (a *audit) tryAgain(ctx context.Context, at research.Contest, c research.Competition, text trial.Text, trials []tried) error {
	results := make([]error, len(trials))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(a.Threads)
	for i, t := range trials {
		g.Go(func() error {
			results[i] = a.try(ctx, a.exec.spec, at, c, text, t)
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, t := range trials {
		a.findings.settle(Recomputed, results[i], "trial of %s, %s", at, t.Name)
	}
	a.Progress("trials", len(trials), len(trials))
	return a.reach.failed()
}

// try runs one trial and compares bits.
func (a *audit) try(ctx context.Context, spec program.Spec, at research.Contest, c research.Competition, text trial.Text, t tried) error {
	recipe, err := research.Contents.Get(a.exec.store, t.Recipe[:])
	if err != nil {
		return err
	}
	task, err := trial.TaskOf(a.genesis.ChainID, spec, at, recipe, t.Name, c.Draw)
	if err != nil {
		return err
	}
	if task, err = task.Asking(a.exec.store, t.Name, c); err != nil {
		return err
	}
	named, err := research.Texts.Get(a.exec.store, uint32(at.Rung()))
	if err != nil {
		return err
	}
	if task, err = task.Begun(ctx, a.exec.store, a.genesis.ChainID, a.Blobs, named.Corpus); err != nil {
		return err
	}
	result, err := trial.Run(ctx, a.Engine, text, task, nil)
	if err != nil {
		return err
	}
	if result.Weights != t.weights {
		err = fmt.Errorf("it trains to weights %s, the ledger says %s", result.Weights, t.weights)
	}
	if !slices.Equal(result.Losses, t.losses) {
		err = errors.Join(err, fmt.Errorf("its losses are %v, the ledger says %v", result.Losses, t.losses))
	}
	return err
}

// derived checks that a rung whose recipe has its own tokenizer was trained on
// the text of its trials, packed again.
func (a *audit) derived(ctx context.Context, r *rung) error {
	spec, err := a.exec.spec.Planned(a.exec.store, r.id)
	if err != nil {
		return err
	}
	return outer.CheckCorpus(ctx, spec, r.id, a.exec.store, r.run.Corpus, func(ctx context.Context, h crescendo.Hash) (*corpus.Reader, error) {
		return corpus.Open(ctx, a.Blobs, h)
	})
}
