package program_test

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/cockroachdb/datadriven"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// terms of the competitions in tests.
var contest = research.Terms{EntryBlocks: 3, RevealBlocks: 3, TrialBlocks: 10, Bond: 500, RunnerBond: 300, Steps: 4, Growth: 2, Stages: 1,
	KeepBP: 5_000, Seeds: 1, Documents: 8, Replicas: 2, MaxEntries: 4, KeepRecipes: 1, TrialsBP: 300, PrizeBP: 200}

// contested is the test programme with competitions in both rungs.
func contested() program.Spec {
	spec := testSpec()
	for i := range spec.Rungs {
		spec.Rungs[i].Competition = contest
		spec.Rungs[i].Training.Steps = 8
	}
	return spec
}

// recipe is an author's recipe in tests; its batch is what it does.
func recipe(author crescendo.Account, title string, sequences uint32, parents ...crescendo.Hash) research.Recipe {
	return research.Recipe{Version: research.RecipeVersion, Author: author, Name: title, Sequences: sequences, Parents: parents}
}

func (w *world) enter(rung crescendo.RungID, r research.Recipe) *research.MsgEnter {
	return w.enterIn(research.Contest(rung), r)
}

func (w *world) enterIn(at research.Contest, r research.Recipe) *research.MsgEnter {
	return &research.MsgEnter{Sender: r.Author, Rung: at.Rung(), Season: at.IsSeason(),
		Commitment: research.EntryCommitment(w.Env.ChainID, at, r.Author, r.ID(), name("salt"))}
}

func (w *world) unseal(rung crescendo.RungID, r research.Recipe) *research.MsgRevealEntry {
	return &research.MsgRevealEntry{Sender: r.Author, Rung: rung, Recipe: r, Salt: name("salt")}
}

// trials are the messages by which runners commit to what they are designated
// to and then show it; the larger a recipe's batch, the lower its losses.
func (w *world) trials(rung crescendo.RungID) (commits, reveals []crescendo.Message) {
	return w.trialsIn(research.Contest(rung))
}

func (w *world) trialsIn(at research.Contest) (commits, reveals []crescendo.Message) {
	all, err := research.Duties.List(w.Store, nil, kv.MaxPage, uint32(at))
	if err != nil {
		panic(err)
	}
	for _, e := range all {
		end := slices.Index(e.Rest, 0)
		who, rest := crescendo.Account(e.Rest[:end]), e.Rest[end+1:]
		m := research.MsgRevealTrial{Sender: who, Rung: at.Rung(), Season: at.IsSeason(), Stage: binary.BigEndian.Uint32(rest), Recipe: crescendo.Hash(rest[4:36]),
			Seed: binary.BigEndian.Uint32(rest[36:]), Salt: name("trial", who)}
		content, _ := research.Contents.Get(w.Store, m.Recipe[:])
		m.Weights = name("weights", m.Recipe)
		for d := range uint64(contest.Documents) {
			m.Losses = append(m.Losses, 8*(2_000_000+100*d-10_000*uint64(content.Sequences))+d%3)
		}
		m.Losses = append(m.Losses, w.answers(at, content)...)
		commits = append(commits, &research.MsgCommitTrial{Sender: who, Rung: at.Rung(), Season: at.IsSeason(), Stage: m.Stage, Recipe: m.Recipe, Seed: m.Seed,
			Commitment: research.TrialCommitment(w.Env.ChainID, m)})
		reveals = append(reveals, &m)
	}
	return commits, reveals
}

// competed carries out the commands of competitions: enter, unseal, runner,
// trials.
func (s *stageplay) competed(d *datadriven.TestData) (string, bool) {
	rung := crescendo.RungID(number(d, "rung", 1))
	at := research.ContestOf(rung, d.HasArg("season"))
	var msgs []crescendo.Message
	for _, who := range s.by(d) {
		r := recipe(who, text(d, "title", "a recipe"), uint32(number(d, "sequences", 0)))
		r.Context = uint32(number(d, "context", 0))
		r.Model.Dim = uint32(number(d, "dim", 0))
		if r.Model.Dim > 0 {
			r.Model = research.Model{Dim: r.Model.Dim, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Tied: true}
		}
		withText(d, &r)
		task := withContribution(d, &r)
		if d.HasArg("on-baseline") {
			r.Parents = append(r.Parents, research.Baseline(organiser).ID())
		}
		switch d.Cmd {
		case "enter":
			msgs = append(msgs, s.enterIn(at, r))
		case "unseal":
			m := s.unseal(rung, r)
			m.Task = task
			m.Season = at.IsSeason()
			msgs = append(msgs, m)
		case "runner":
			msgs = append(msgs, &research.MsgRun{Sender: who, Rung: rung, Season: at.IsSeason()})
		case "name-corpus":
			msgs = append(msgs, &research.MsgNameCorpus{Sender: who, Rung: rung, Corpus: name(text(d, "corpus", "corpus")), Root: name("root")})
		}
	}
	if d.Cmd == "trials" {
		commits, reveals := s.trialsIn(at)
		msgs = append(commits, reveals...)
		if only := accounts(d, "only"); len(only) > 0 {
			msgs = slices.DeleteFunc(msgs, func(m crescendo.Message) bool { return !slices.Contains(only, m.From()) })
		}
		if d.HasArg("without-baseline") {
			baseline := research.Baseline(organiser).ID()
			msgs = slices.DeleteFunc(msgs, func(m crescendo.Message) bool {
				c, ok := m.(*research.MsgCommitTrial)
				r, _ := m.(*research.MsgRevealTrial)
				return ok && c.Recipe == baseline || !ok && r.Recipe == baseline
			})
		}
	}
	var out strings.Builder
	for _, m := range msgs {
		o, err := s.send(m)
		o.Events = slices.DeleteFunc(o.Events, func(e crescendo.Event) bool { return strings.HasSuffix(e.Kind, ".trial-committed") })
		if said := transcript.Format(o, err); said != "ok\n" || d.Cmd != "trials" {
			out.WriteString(said)
		}
	}
	return out.String(), len(msgs) > 0 || d.Cmd == "trials"
}
