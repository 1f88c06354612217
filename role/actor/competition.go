package actor

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// nameCorpus tells runners what text a rung's trials read, as soon as it is
// packed.
func (o *Organiser) nameCorpus(ctx context.Context, state ledger.State, rung crescendo.RungID) error {
	if o.Spec.Rungs[rung-1].Competition.None() {
		return nil
	}
	named, err := research.Texts.Has(state, uint32(rung))
	if err != nil || named {
		return err
	}
	corpus, err := o.Corpus(ctx)
	if err != nil {
		return err
	}
	_, err = o.Ledger.Submit(ctx, o.Signer, &research.MsgNameCorpus{
		Sender: o.Signer.Account(), Rung: rung, Corpus: corpus.Manifest, Root: corpus.Root})
	return err
}

// deciding reports whether a rung's competition is still to choose its recipe.
func (o *Organiser) deciding(state ledger.State, rung crescendo.RungID) (bool, error) {
	if o.Spec.Rungs[rung-1].Competition.None() {
		return false, nil
	}
	c, err := research.Competitions.Get(state, uint32(rung))
	if err != nil {
		return false, fmt.Errorf("read the competition of rung %d: %w", rung, err)
	}
	return c.Phase < research.Decided, nil
}

// planned is the programme as a rung is trained.
func (o *Organiser) planned(state ledger.State, rung crescendo.RungID) (program.Spec, error) {
	if o.Spec.Rungs[rung-1].Competition.None() {
		return o.Spec, nil
	}
	return program.Planned(state, rung)
}
