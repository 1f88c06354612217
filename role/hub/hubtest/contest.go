package hubtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// Contest is what rung 1 of Contested is decided by.
var Contest = research.Terms{EntryBlocks: 3, RevealBlocks: 3, TrialBlocks: 10, Bond: 500, RunnerBond: 300, Steps: 4, Growth: 2, Stages: 1,
	KeepBP: 5_000, Seeds: 1, Documents: 8, Replicas: 2, MaxEntries: 4, KeepRecipes: 1, TrialsBP: 300, PrizeBP: 200}

// Contested is a story in which a competition chooses the recipe of rung 1:
// carl enters one, ada and bob run its trials, and the purse pays all three.
func Contested() (*Story, error) {
	spec := Spec()
	spec.Rungs[0].Competition, spec.Rungs[0].Training.Steps = Contest, 8
	s, err := newStory(spec)
	if err != nil {
		return nil, err
	}
	author := Account("carl")
	r := research.Recipe{Version: research.RecipeVersion, Author: author, Name: "more at once", Sequences: 4}
	salt := made("salt", "entry")
	if err := errors.Join(s.Close(), s.Say(&program.MsgOpenRaise{Sender: Account("olga"), Rung: 1})); err != nil {
		return nil, err
	}
	enter := &research.MsgEnter{Sender: author, Rung: 1, Commitment: research.EntryCommitment(s.ID, research.Contest(1), author, r.ID(), salt)}
	if err := s.Say(enter, &research.MsgRun{Sender: Account("ada"), Rung: 1}, &research.MsgRun{Sender: Account("bob"), Rung: 1}); err != nil {
		return nil, err
	}
	if err := s.fill(1); err != nil {
		return nil, err
	}
	return s, s.compete(research.MsgRevealEntry{Sender: author, Rung: 1, Recipe: r, Salt: salt})
}

// fill has the funders buy what is left of a raise.
func (s *Story) fill(rung crescendo.RungID) error {
	for i, name := range Funders {
		room, err := funding.Room(s.Store, rung)
		if err != nil {
			return err
		}
		if err := s.Say(&funding.MsgContribute{Sender: Account(name), Rung: rung, Amount: room / crescendo.Amount(len(Funders)-i)}); err != nil {
			return err
		}
	}
	return nil
}

// compete takes a competition to its decision.
func (s *Story) compete(show research.MsgRevealEntry) error {
	shown := false
	for range 60 {
		c, err := research.Competitions.Get(s.Store, uint32(1))
		if err != nil {
			return err
		}
		switch {
		case c.Phase == research.Decided:
			return s.Close()
		case c.Phase == research.Revealing && !shown:
			shown = true
			err = s.Say(&show)
		case c.Phase == research.Trialling:
			err = s.try()
		default:
			err = s.Close()
		}
		if err != nil {
			return err
		}
	}
	return errors.New("the competition is not decided after 60 blocks")
}

// try has runners do the trials they are designated to. The larger a recipe's
// batch, the lower its losses.
func (s *Story) try() error {
	duties, err := research.Duties.List(s.Store, nil, kv.MaxPage, uint32(1))
	if err != nil {
		return err
	}
	var commits, reveals []crescendo.Message
	for _, e := range duties {
		end := slices.Index(e.Rest, 0)
		who, rest := crescendo.Account(e.Rest[:end]), e.Rest[end+1:]
		m := research.MsgRevealTrial{Sender: who, Rung: 1, Stage: binary.BigEndian.Uint32(rest), Recipe: crescendo.Hash(rest[4:36]),
			Seed: binary.BigEndian.Uint32(rest[36:]), Salt: made("trial", who)}
		content, err := research.Contents.Get(s.Store, m.Recipe[:])
		if err != nil {
			return fmt.Errorf("trial of %s: %w", m.Recipe.Short(), err)
		}
		m.Weights = made("weights", m.Recipe)
		for d := range uint64(Contest.Documents) {
			m.Losses = append(m.Losses, 2_000_000+100*d-10_000*uint64(content.Sequences))
		}
		commits = append(commits, &research.MsgCommitTrial{Sender: who, Rung: 1, Stage: m.Stage, Recipe: m.Recipe, Seed: m.Seed, Commitment: research.TrialCommitment(s.ID, m)})
		reveals = append(reveals, &m)
	}
	if len(commits) == 0 {
		return s.Close()
	}
	return errors.Join(s.Say(commits...), s.Say(reveals...))
}
