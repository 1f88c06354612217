package actor

import (
	"context"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/research"
)

// Researchers are demo researchers: each enters one recipe into the first
// rung's competition, commits to it and shows it in time. Their recipes differ
// clearly in quality. Copiers are among them: each has got hold of another
// one's recipe and enters it as its own.
type Researchers struct {
	Ledger  ledger.Ledger
	At      research.Contest
	Entries []DemoEntry
	// Secret is what salts are made of, so that a restarted process can still
	// show what it has committed to.
	Secret crescendo.Hash
}

// DemoEntry is a recipe and who enters it.
type DemoEntry struct {
	Signer ledger.Signer
	Recipe research.Recipe
	CopyOf crescendo.Hash          // the recipe it repeats; zero: honest
	Task   research.EvaluationTask // what the recipe contributes, if it is one that does
}

// DemoEntries writes the recipes of demo researchers, in their order, and of
// copiers, who repeat the best of them.
func DemoEntries(researchers, copiers []ledger.Signer) []DemoEntry {
	var all []DemoEntry
	for i, s := range researchers {
		r := demoRecipe(i)
		r.Author = s.Account()
		if (i == plainMuon || i == halfMuon) && i > 0 {
			r.Parents = []crescendo.Hash{all[i-1].Recipe.ID()}
		}
		all = append(all, DemoEntry{Signer: s, Recipe: r})
	}
	best := min(plainMuon, len(researchers)-1)
	for i, s := range copiers {
		if best < 0 {
			break
		}
		r := all[best].Recipe
		r.Author, r.Name, r.Parents = s.Account(), fmt.Sprintf("all my own work %d", i+1), nil
		all = append(all, DemoEntry{Signer: s, Recipe: r, CopyOf: all[best].Recipe.ID()})
	}
	return all
}

// MaxDemoResearchers is how many recipes demo researchers know.
const MaxDemoResearchers = 5

// Places of the recipes that build on the one before them.
const (
	plainMuon = 2
	halfMuon  = 3
)

// demoRecipe is what the i-th researcher believes in.
func demoRecipe(i int) research.Recipe {
	o := research.Optimizer{
		Kind: "adamw", Beta1Millionths: 900_000, Beta2Millionths: 999_000, WeightDecayMillionths: 100_000,
		MomentumMillionths: 950_000, ClipMillionths: 1_000_000, WarmupBP: 500, FinalBP: 1000,
	}
	r := research.Recipe{Version: research.RecipeVersion}
	switch i {
	case 0:
		r.Name, o.LRMillionths, o.MatrixLRMillionths = "AdamW, slow and steady", 1000, 1000
	case 1:
		r.Name, o.LRMillionths, o.MatrixLRMillionths = "AdamW, twice the rate", 6000, 6000
	case plainMuon:
		r.Name, o.Kind, o.LRMillionths, o.MatrixLRMillionths = "Muon on the matrices", "muon", 24_000, 20_000
	case halfMuon:
		r.Name, o.Kind, o.LRMillionths, o.MatrixLRMillionths = "Muon, half the rate", "muon", 12_000, 10_000
	default:
		r.Name, o.Kind, o.LRMillionths, o.MatrixLRMillionths = "Muon, slower, half as many tests", "muon", 6000, 5000
		r.Mix = []research.MixWeight{{Suffix: "_test.go", PerMille: 500}, {Prefix: "doc/", PerMille: 2000}}
	}
	r.Optimizer = o
	return r
}

// MaxDemoNewcomers is how many recipes demo newcomers know.
const MaxDemoNewcomers = 2

// NewcomerEntries writes the recipes of demo newcomers, for a season: that of the
// first is better than most programmes' own, that of the second worse.
func NewcomerEntries(newcomers []ledger.Signer) []DemoEntry {
	var all []DemoEntry
	for i, s := range newcomers {
		r := research.Recipe{Version: research.RecipeVersion, Author: s.Account(), Name: "smaller batches, more steps", Sequences: 2}
		if i > 0 {
			r.Name, r.Sequences = "larger batches", 8
		}
		all = append(all, DemoEntry{Signer: s, Recipe: r})
	}
	return all
}

// Name implements Actor.
func (*Researchers) Name() string { return "demo researchers" }

// Kinds implements Actor.
func (*Researchers) Kinds() []string { return []string{"research.", "season.", "program."} }

// Act implements Actor.
func (r *Researchers) Act(ctx context.Context, state ledger.State) error {
	c, err := research.Competitions.Get(state, uint32(r.At))
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	switch c.Phase {
	case research.Entering:
		return r.each(ctx, state, r.enter)
	case research.Revealing:
		return r.each(ctx, state, r.reveal)
	}
	return nil
}

// each lets all of them act at once, so that their messages share a block.
func (r *Researchers) each(ctx context.Context, state ledger.State, next func(ledger.State, DemoEntry) (crescendo.Message, error)) error {
	var signers []ledger.Signer
	var msgs []crescendo.Message
	for _, e := range r.Entries {
		m, err := next(state, e)
		if err != nil {
			return err
		}
		if m != nil {
			signers, msgs = append(signers, e.Signer), append(msgs, m)
		}
	}
	return together(ctx, r.Ledger, signers, msgs)
}

// commitment is what a researcher has on the ledger before it shows a recipe.
func (r *Researchers) commitment(e DemoEntry) (commitment, salt crescendo.Hash) {
	id := e.Recipe.ID()
	salt = digest.Sum("crescendo/actor/researcher/salt", r.Secret[:], []byte(e.Signer.Account()), id[:])
	return research.EntryCommitment(r.Ledger.ChainID(), r.At, e.Signer.Account(), id, salt), salt
}

// enter is the message that enters a recipe, unless it is entered or, if it is
// a copy, before the original.
func (r *Researchers) enter(state ledger.State, e DemoEntry) (crescendo.Message, error) {
	me := e.Signer.Account()
	if veteran, err := research.Veterans.Has(state, uint32(r.At), string(me)); err != nil || veteran {
		return nil, err // it has gone on from a contest before
	}
	commitment, _ := r.commitment(e)
	has, err := research.Commitments.Has(state, uint32(r.At), commitment[:], string(me))
	if err != nil || has {
		return nil, err
	}
	if original, ok := r.original(e); ok {
		first, _ := r.commitment(original)
		there, err := research.Commitments.Has(state, uint32(r.At), first[:], string(original.Signer.Account()))
		if err != nil || !there {
			return nil, err
		}
	}
	return &research.MsgEnter{Sender: me, Rung: r.At.Rung(), Season: r.At.IsSeason(), Commitment: commitment}, nil
}

func (r *Researchers) original(copied DemoEntry) (DemoEntry, bool) {
	for _, e := range r.Entries {
		if !copied.CopyOf.IsZero() && e.Recipe.ID() == copied.CopyOf {
			return e, true
		}
	}
	return DemoEntry{}, false
}

// reveal is the message that shows a recipe, once those it builds on are
// known.
func (r *Researchers) reveal(state ledger.State, e DemoEntry) (crescendo.Message, error) {
	me := e.Signer.Account()
	commitment, salt := r.commitment(e)
	c, err := research.Commitments.Get(state, uint32(r.At), commitment[:], string(me))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil // too late to enter
	}
	if err != nil || !c.Revealed.IsZero() {
		return nil, err
	}
	for _, p := range e.Recipe.Parents {
		known, err := research.Origins.Has(state, p[:])
		if err != nil || !known {
			return nil, err
		}
	}
	return &research.MsgRevealEntry{Sender: me, Rung: r.At.Rung(), Season: r.At.IsSeason(), Recipe: e.Recipe, Salt: salt, Task: e.Task}, nil
}
