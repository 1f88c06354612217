package actor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/start"
)

// Corpus is a packed corpus as the ledger names it.
type Corpus struct {
	Manifest crescendo.Hash
	Root     crescendo.Hash
}

// Organiser carries a programme through its stages: allows the vault's
// measurement, opens raises, enters and adopts the default recipe, publishes
// what training starts from, and starts it.
type Organiser struct {
	Ledger ledger.Ledger
	Signer ledger.Signer
	Blobs  blob.Store
	Spec   program.Spec
	Rungs  int // rungs it opens; the others stay announced
	// Corpus returns the packed corpus; it is called when the first rung has
	// been funded, and may take its time.
	Corpus func(context.Context) (Corpus, error)
	// Measurement is the vault program's; empty when no vault is to be allowed.
	Measurement []byte
	// Keepers are the accounts to appoint as keepers of keys.
	Keepers []crescendo.Account
	// Served is how many requests a rung answers before the next raise opens,
	// so that holders have something to reinvest.
	Served func(crescendo.RungID) uint64
}

// Name implements Actor.
func (o *Organiser) Name() string { return "organiser" }

// Kinds implements Actor.
func (o *Organiser) Kinds() []string {
	return []string{"program.", "funding.", "research.", "revenue.", "inference.closed", "inference.settled", "sealing."}
}

// Act implements Actor.
func (o *Organiser) Act(ctx context.Context, state ledger.State) error {
	if err := o.appoint(ctx, state); err != nil {
		return err
	}
	for r := 1; r <= min(o.Rungs, len(o.Spec.Rungs)); r++ {
		rung := crescendo.RungID(r)
		at, err := program.Rungs.Get(state, uint32(rung))
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		switch at.Stage {
		case program.StageAnnounced:
			return o.open(ctx, state, rung) // later rungs cannot be further
		case program.StageRaising:
			err = o.nameCorpus(ctx, state, rung)
		case program.StageCompeting:
			if err = o.nameCorpus(ctx, state, rung); err == nil {
				err = o.start(ctx, state, rung)
			}
		}
		if err != nil {
			return fmt.Errorf("rung %d: %w", rung, err)
		}
	}
	return nil
}

// appoint puts the vault's measurement on the policy and appoints keepers.
func (o *Organiser) appoint(ctx context.Context, state ledger.State) error {
	var msgs []crescendo.Message
	if len(o.Measurement) > 0 {
		has, err := sealing.Measurements.Has(state, o.Measurement)
		if err != nil {
			return err
		}
		if !has {
			msgs = append(msgs, &sealing.MsgAllow{Sender: o.Signer.Account(), Measurement: o.Measurement})
		}
	}
	for _, k := range o.Keepers {
		has, err := sealing.Keepers.Has(state, string(k))
		if err != nil {
			return err
		}
		if !has {
			msgs = append(msgs, &sealing.MsgRegisterKeeper{Sender: o.Signer.Account(), Keeper: k})
		}
	}
	if len(msgs) == 0 {
		return nil
	}
	_, err := o.Ledger.Submit(ctx, o.Signer, msgs...)
	return err
}

// open opens a raise: the first at once, a later one when the rung before has
// earned something.
func (o *Organiser) open(ctx context.Context, state ledger.State, rung crescendo.RungID) error {
	if rung > 1 {
		served, err := Served(state, rung-1, o.Served(rung-1))
		if err != nil || !served {
			return err
		}
		if o.Served(rung-1) > 0 {
			book, err := revenue.Books.Get(state, uint32(rung-1))
			if errors.Is(err, kv.ErrNotFound) || (err == nil && book.Received == 0) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	_, err := o.Ledger.Submit(ctx, o.Signer, &program.MsgOpenRaise{Sender: o.Signer.Account(), Rung: rung})
	return err
}

// start adopts a recipe, unless a competition or people have chosen one, and
// starts training.
func (o *Organiser) start(ctx context.Context, state ledger.State, rung crescendo.RungID) error {
	if deciding, err := o.deciding(state, rung); err != nil || deciding {
		return err
	}
	raise, err := funding.Raises.Get(state, uint32(rung))
	if err != nil || raise.Status != funding.Succeeded {
		return err
	}
	if run, err := training.Runs.Get(state, uint32(rung)); err == nil && !run.Base.IsZero() {
		return nil // started; it waits for members
	} else if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	var msgs []crescendo.Message
	_, _, err = research.Adopted(state, rung)
	if err != nil && !absent(err) {
		return err
	}
	if err != nil {
		adopt, err := o.adopt(ctx, state, rung)
		if err != nil {
			return err
		}
		msgs = append(msgs, adopt...)
	}
	first, err := o.Prepare(ctx, rung)
	if err != nil {
		return err
	}
	_, err = o.Ledger.Submit(ctx, o.Signer, append(msgs, first)...)
	return err
}

// absent reports whether an error says that something does not exist.
func absent(err error) bool {
	var rule *crescendo.Error
	return errors.Is(err, kv.ErrNotFound) || (errors.As(err, &rule) && rule.Code == crescendo.CodeNotFound)
}

// adopt returns the messages that make the default recipe the rung's.
func (o *Organiser) adopt(ctx context.Context, state ledger.State, rung crescendo.RungID) ([]crescendo.Message, error) {
	recipe, err := Recipe(o.Spec, rung)
	if err != nil {
		return nil, err
	}
	name, err := o.Blobs.Put(ctx, recipe)
	if err != nil {
		return nil, fmt.Errorf("store recipe: %w", err)
	}
	var msgs []crescendo.Message
	has, err := research.Entries.Has(state, uint32(rung), name[:])
	if err != nil {
		return nil, err
	}
	if !has {
		msgs = append(msgs, &research.MsgRegister{Sender: o.Signer.Account(), Rung: rung, Recipe: name})
	}
	return append(msgs, &research.MsgAdopt{Sender: o.Signer.Account(), Rung: rung, Recipe: name}), nil
}

// Recipe is the default recipe of a rung as a file: its model and training,
// as the programme states them.
func Recipe(spec program.Spec, rung crescendo.RungID) ([]byte, error) {
	if rung < 1 || int(rung) > len(spec.Rungs) {
		return nil, fmt.Errorf("recipe of rung %d: the programme has %d rungs", rung, len(spec.Rungs))
	}
	r := spec.Rungs[rung-1]
	data, err := json.MarshalIndent(struct {
		Version  int              `json:"version"`
		Rung     crescendo.RungID `json:"rung"`
		Model    program.Model    `json:"model"`
		Training program.Training `json:"training"`
	}{1, rung, r.Model, r.Training}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("recipe of rung %d: %w", rung, err)
	}
	return append(data, '\n'), nil
}

// Prepare publishes what a rung's training starts from and returns the
// message that starts it.
func (o *Organiser) Prepare(ctx context.Context, rung crescendo.RungID) (*training.MsgStart, error) {
	corpus, err := o.Corpus(ctx)
	if err != nil {
		return nil, err
	}
	state, err := o.Ledger.State(ctx)
	if err != nil {
		return nil, err
	}
	spec, err := o.planned(state, rung)
	if err != nil {
		return nil, err
	}
	if corpus, err = o.retokenize(ctx, spec.Rungs[rung-1].Training.Tokenizer, corpus); err != nil {
		return nil, err
	}
	origin, err := start.Of(state, o.Ledger.ChainID(), spec, rung, corpus.Manifest)
	if err != nil {
		return nil, err
	}
	checkpoint, aggregatorError, err := origin.Make(ctx, o.Blobs)
	if err != nil {
		return nil, err
	}
	m := &training.MsgStart{Sender: o.Signer.Account(), Rung: rung, Corpus: corpus.Manifest, Root: corpus.Root}
	if m.Base, err = o.Blobs.Put(ctx, checkpoint); err != nil {
		return nil, fmt.Errorf("store initial checkpoint: %w", err)
	}
	if m.Error, err = o.Blobs.Put(ctx, aggregatorError); err != nil {
		return nil, fmt.Errorf("store initial error: %w", err)
	}
	return m, nil
}
