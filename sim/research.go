package sim

import (
	"encoding/binary"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// competition is what every other rung has: short phases, a few entries.
func competition(w *world) research.Terms {
	return research.Terms{EntryBlocks: uint64(w.between(4, 12)), RevealBlocks: uint64(w.between(6, 14)), TrialBlocks: uint64(w.between(20, 60)),
		Bond: 1_000_003, RunnerBond: 500_009, Steps: 2, Growth: 2, Stages: uint32(w.between(1, 3)), KeepBP: 5_000, Seeds: 1, Documents: 6,
		Replicas: uint32(w.between(2, 3)), MaxEntries: 8, KeepRecipes: 1, TrialsBP: 300, PrizeBP: 200}
}

// season is a competition of newcomers that is over soon, or late.
func season(w *world) research.Terms {
	t := competition(w)
	t.Stages, t.TrialBlocks = 1, uint64(w.between(10, 40))
	return t
}

// contests are the two competitions that a rung may have.
func contests(v *rung) []research.Contest {
	return []research.Contest{research.Contest(v.id), research.SeasonOf(v.id)}
}

// compete enters a recipe into a contest and shows it in time. A copier waits for
// the commitment of whom it copies and enters the same.
func (r *researcher) compete(w *world, at research.Contest) {
	c, err := research.Competitions.Get(w.chain.store, uint32(at))
	if err != nil {
		return // it opens with the raise
	}
	if known, _ := research.Veterans.Has(w.chain.store, uint32(at), string(r.self.name)); known {
		return
	}
	entry := r.entry(at)
	salt := digest.Sum("sim/salt", []byte(r.self.name), place(at))
	name := research.EntryCommitment(chainID, at, r.self.name, entry.ID(), salt)
	mine, err := optional(research.Commitments.Get(w.chain.store, uint32(at), name[:], string(r.self.name)))
	switch {
	case err != nil:
		w.fail("read the commitment of %s: %v", r.self.name, err)
	case c.Phase == research.Entering && mine.Order == 0 && (r.copies == "" || !at.IsSeason() && c.Committed > 0 || at.IsSeason() && w.entered(at, r.copies)):
		w.send(r.self, purpose{kind: "enter", rung: at.Rung(), about: about(at)}, &research.MsgEnter{Sender: r.self.name, Rung: at.Rung(), Season: at.IsSeason(), Commitment: name})
	case c.Phase == research.Revealing && mine.Order != 0 && mine.Revealed.IsZero():
		w.send(r.self, purpose{kind: "show", rung: at.Rung(), about: about(at)}, &research.MsgRevealEntry{Sender: r.self.name, Rung: at.Rung(), Season: at.IsSeason(), Recipe: entry, Salt: salt})
	}
}

// entered reports whether an account has entered a contest.
func (w *world) entered(at research.Contest, who crescendo.Account) bool {
	all, err := research.Commitments.List(w.chain.store, nil, kv.MaxPage, uint32(at))
	if err != nil {
		w.fail("list commitments of %s: %v", at, err)
	}
	return slices.ContainsFunc(all, func(c kv.Entry[research.Commitment]) bool { return string(c.Rest[32:]) == string(who)+"\x00" })
}

// place tells contests apart where names and salts are made.
func place(at research.Contest) []byte {
	if at.IsSeason() {
		return []byte{byte(at.Rung()), 1}
	}
	return []byte{byte(at.Rung())}
}

func about(at research.Contest) crescendo.Account {
	if at.IsSeason() {
		return "season"
	}
	return ""
}

// entry is a researcher's recipe for a contest; a copier's does what that of the
// one it copies does.
func (r *researcher) entry(at research.Contest) research.Recipe {
	source := r.self.name
	if r.copies != "" {
		source = r.copies
	}
	h := digest.Sum("sim/rate", []byte(source), place(at))
	rate := 1_000 + binary.BigEndian.Uint32(h[:4])%50_000
	return research.Recipe{Version: research.RecipeVersion, Author: r.self.name, Name: "by " + string(r.self.name),
		Optimizer: research.Optimizer{Kind: "adamw", LRMillionths: rate, MatrixLRMillionths: rate}, Sequences: []uint32{1, 2, 4}[h[4]%3]}
}

// runs reports whether a trainer's machine runs trials as well.
func (t *trainer) runs() bool { return t.pace%2 == 0 }

// try joins a competition as a runner, and does what it is designated to.
func (t *trainer) try(w *world, at research.Contest) {
	c, err := research.Competitions.Get(w.chain.store, uint32(at))
	if err != nil || c.Phase >= research.Decided || !t.runs() {
		return
	}
	me, err := optional(research.Runners.Get(w.chain.store, uint32(at), string(t.self.name)))
	known, _ := research.Runners.Has(w.chain.store, uint32(at), string(t.self.name))
	if err != nil || me.Fault != "" {
		return
	}
	if !known || me.Away {
		w.send(t.self, purpose{kind: "run trials", rung: at.Rung(), attempt: uint64(c.Stage), about: about(at)}, &research.MsgRun{Sender: t.self.name, Rung: at.Rung(), Season: at.IsSeason()})
		return
	}
	duties, err := research.Duties.List(w.chain.store, nil, kv.MaxPage, uint32(at), string(t.self.name))
	if err != nil {
		w.fail("read the duties of %s: %v", t.self.name, err)
	}
	for _, d := range duties {
		m := t.result(at, d.Rest)
		trial, _ := research.Trials.Get(w.chain.store, uint32(at), m.Stage, m.Recipe[:], m.Seed)
		said, err := optional(research.Results.Get(w.chain.store, uint32(at), m.Stage, m.Recipe[:], m.Seed, string(t.self.name)))
		p := purpose{rung: at.Rung(), round: crescendo.Round(m.Stage), attempt: uint64(m.Seed), about: about(at) + crescendo.Account(m.Recipe.String())}
		switch {
		case err != nil:
			w.fail("read a result of %s: %v", t.self.name, err)
		case said.Commitment.IsZero() && trial.Committed < trial.Wanted:
			p.kind = "commit trial"
			w.send(t.self, p, &research.MsgCommitTrial{Sender: t.self.name, Rung: at.Rung(), Season: at.IsSeason(), Stage: m.Stage, Recipe: m.Recipe, Seed: m.Seed,
				Commitment: research.TrialCommitment(chainID, *m)})
		case !said.Commitment.IsZero() && said.Digest.IsZero() && trial.Shown:
			p.kind = "show trial"
			w.send(t.self, p, m)
		}
	}
}

// result is what a trial comes to: a function of public data. Free riders make
// something up, each its own.
func (t *trainer) result(at research.Contest, key []byte) *research.MsgRevealTrial {
	m := &research.MsgRevealTrial{Sender: t.self.name, Rung: at.Rung(), Season: at.IsSeason(), Stage: binary.BigEndian.Uint32(key), Recipe: crescendo.Hash(key[4:36]),
		Seed: binary.BigEndian.Uint32(key[36:]), Salt: digest.Sum("sim/trial salt", []byte(t.self.name), key)}
	by := ""
	if t.cheat != "" {
		by = string(t.self.name)
	}
	m.Weights = digest.Sum("sim/trial weights", key, []byte(by))
	for d := range byte(6) {
		document := digest.Sum("sim/document", key[:4], key[36:], []byte{d})
		own := digest.Sum("sim/loss", m.Recipe[:], []byte(by))
		m.Losses = append(m.Losses, 8*(2_000_000+uint64(document[0])*1_000+uint64(own[0])*300+uint64(own[1+d])*10))
	}
	return m
}

// research checks the events of competitions: whoever is honest loses nothing
// to them, and copies are found.
func (h *history) research(w *world, e crescendo.Event) {
	switch e.Kind {
	case "research.adopted":
		h.moved = w.height()
		h.first(w, "rung %d adopts a recipe", e.Rung)
		switch e.Get("baseline") {
		case "true":
			w.report.Adopted++
		case "false":
			w.report.Adopted++
			w.report.Challengers++
		}
	case "season.decided":
		h.first(w, "the season of rung %d ends with %s of %s qualified", e.Rung, e.Get("qualified"), e.Get("entries"))
		w.report.Seasons++
	case "research.stage-opened":
		h.moved = w.height()
		h.first(w, "stage %s of rung %d opens", e.Get("stage"), e.Rung)
	case "research.runner-burned", "season.runner-burned":
		if w.cast.honest(crescendo.Account(e.Get("runner"))) {
			w.fail("an honest runner loses its bond: %s", e)
		}
		w.report.Refuted++
	case "research.copy", "season.copy":
		w.report.Copies++
		if w.cast.honest(crescendo.Account(e.Get("author"))) {
			w.fail("an honest recipe is taken for a copy: %s", e)
		}
	}
}

// checkAdopted looks at a rung that is trained: what it adopted is nobody's
// copy.
func (w *world) checkAdopted(v *rung) {
	if w.chain.spec.Rungs[v.id-1].Competition.None() {
		return
	}
	_, entry, err := research.Adopted(w.chain.store, v.id)
	if err != nil || !entry.CopyOf.IsZero() || entry.Out != "" {
		w.fail("rung %d adopted %+v: %v", v.id, entry, err)
	}
}

// contested reports whether a rung's recipe is for a competition to choose.
func (w *world) contested(id crescendo.RungID) bool {
	return id > 0 && !w.chain.spec.Rungs[id-1].Competition.None()
}

// eligible reports whether a rung takes recipes.
func (v *rung) eligible() bool {
	return v.state.Stage == program.StageRaising || v.state.Stage == program.StageCompeting
}

// planned is a rung as it is trained.
func (w *world) planned(id crescendo.RungID) program.Rung {
	spec, err := w.chain.spec.Planned(w.chain.store, id)
	if err != nil {
		w.fail("apply the recipe of rung %d: %v", id, err)
		return w.chain.spec.Rungs[id-1]
	}
	return spec.Rungs[id-1]
}
