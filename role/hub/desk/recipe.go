package desk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// asProgramme leaves a part of a recipe as the programme has it.
const asProgramme = "as in the programme"

// Which of a rung's two contests a recipe is entered in.
const (
	ofTheRung   = "the rung"
	ofNewcomers = "newcomers"
)

var enter = action{
	name: "enter", title: "Enter a recipe", verb: "Enter it",
	about: "Says how a rung would be trained. It is entered sealed, so that nobody can copy it; when entries have closed this hub shows it, if it has the key, " +
		"and it is tried against the others at small, equal cost. What is left empty is as in the programme.",
	fields: slices.Concat([]field{
		{name: "rung", label: "Rung", kind: "rung", stages: []program.Stage{program.StageRaising, program.StageCompeting}},
		{name: "contest", label: "Competition of", kind: "choice", choices: []string{ofTheRung, ofNewcomers}, standard: ofTheRung,
			hint: "newcomers have a season of their own, at the model and budget of rung 1; its best enter the rung's competition"},
		{name: "name", label: "Name", kind: "text", standard: "my recipe"},
		{name: "optimizer", label: "Optimizer", kind: "choice", choices: []string{asProgramme, "muon", "adamw"}, standard: asProgramme, optional: true},
		{name: "lr", label: "Learning rate", kind: "number", hint: "in millionths", optional: true},
		{name: "matrix-lr", label: "Learning rate of matrices", kind: "number", hint: "in millionths; for muon", optional: true},
		{name: "warmup", label: "Warm-up", kind: "number", hint: "in basis points of all steps", optional: true},
		{name: "schedule", label: "Schedule", kind: "choice", choices: []string{asProgramme, research.Cosine, research.WSD}, standard: asProgramme, optional: true},
		{name: "sequences", label: "Sequences in a step", kind: "number", optional: true},
		{name: "context", label: "Context", kind: "number", hint: "tokens", optional: true},
		{name: "layers", label: "Layers", kind: "number", hint: "the model must stay within the parameter budget", optional: true},
		{name: "dim", label: "Width", kind: "number", optional: true},
		{name: "ffn", label: "Width of the feed-forward part", kind: "number", optional: true},
		{name: "parents", label: "Builds on", kind: "text", hint: "names of recipes, with spaces between; royalties follow them", optional: true},
	}, dataFields),
	build: buildEntry,
	facts: contestFacts,
}

// buildEntry makes the sealed entry of what was filled in.
func buildEntry(w wish) (intent, error) {
	at, err := w.form.contest()
	if err != nil {
		return intent{}, err
	}
	terms, budget, err := w.spec.TermsOf(at)
	if err != nil {
		return intent{}, err
	}
	recipe, err := w.recipe(budget)
	if err != nil {
		return intent{}, err
	}
	would, err := program.Effective(w.spec, budget, recipe)
	if err != nil {
		return intent{}, err
	}
	substance := recipe.Substance()
	if substance == research.Baseline(w.spec.Organiser).Substance() {
		return intent{}, crescendo.Errorf(crescendo.CodeDuplicate, "enter: it does what the programme's own recipe does").
			WithHint("that one takes part in every competition: change what it trains with")
	}
	if first, err := research.Substances.Get(w.state, substance[:]); err == nil && !w.mine(first.Recipe) {
		return intent{}, crescendo.Errorf(crescendo.CodeDuplicate, "enter: it does what recipe %s does", first.Recipe.Short()).
			WithHint("a copy loses its bond and earns nothing: change what it trains with")
	} else if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return intent{}, fmt.Errorf("look for copies: %w", err)
	}
	e := w.seal(at, recipe, nil)
	i := int(budget) - 1
	return intent{
		message: e.commit(), secret: e,
		facts: []fact{
			{"Recipe", recipe.ID().String()},
			{"Competition", at.String()},
			{"Parameters", fmt.Sprintf("%d; the programme's own model has %d", would.Parameters(i), w.spec.Parameters(i))},
			{"Tokens of a trainer's round", decimal(would.Rungs[i].RoundTokens())},
			{"Bond", terms.Bond.String() + ", back unless it is a copy or is never shown"},
		},
	}, nil
}

// contest reads which of a rung's competitions a recipe is for.
func (f form) contest() (research.Contest, error) {
	rung, err := f.rung("rung")
	if err != nil {
		return 0, err
	}
	if of := f["contest"]; of != ofTheRung && of != ofNewcomers {
		return 0, crescendo.Errorf(crescendo.CodeInvalid, "competition of %.80q: want %s or %s", of, ofTheRung, ofNewcomers)
	}
	return research.ContestOf(rung, f["contest"] == ofNewcomers), nil
}

// seal makes an entry of a recipe, with what opens it.
func (w wish) seal(at research.Contest, recipe research.Recipe, task *research.EvaluationTask) *entry {
	e := &entry{Chain: w.chain, Rung: at.Rung(), Season: at.IsSeason(), Author: w.me, Recipe: recipe, Task: task}
	rand.Read(e.Salt[:])
	e.Commitment = research.EntryCommitment(w.chain, at, w.me, recipe.ID(), e.Salt)
	return e
}

// mine reports whether a known recipe is of the one who fills in the form: to
// enter it again is no copy.
func (w wish) mine(recipe crescendo.Hash) bool {
	origin, err := research.Origins.Get(w.state, recipe[:])
	return err == nil && origin.Author == w.me
}

// recipe reads the form. A part that is touched begins as the programme has
// it in the rung whose budget counts, so that one number can be changed alone.
func (w wish) recipe(budget crescendo.RungID) (research.Recipe, error) {
	r := research.Recipe{Version: research.RecipeVersion, Author: w.me, Name: w.form["name"]}
	own := w.spec.Rungs[budget-1]
	o, m := research.Optimizer(own.Training.Optimizer), own.Model
	model := research.Model{Dim: m.Dim, Layers: m.Layers, Heads: m.Heads, KVHeads: m.KVHeads, FFN: m.FFN, Tied: m.Tied}
	n := numbers{form: w.form}
	touched := n.into("lr", &o.LRMillionths)
	touched = n.into("matrix-lr", &o.MatrixLRMillionths) || touched
	touched = n.into("warmup", &o.WarmupBP) || touched
	touched = choice(w.form["optimizer"], &o.Kind) || touched
	touched = choice(w.form["schedule"], &o.Schedule) || touched
	if touched {
		r.Optimizer = o
	}
	n.into("sequences", &r.Sequences)
	n.into("context", &r.Context)
	shaped := n.into("layers", &model.Layers)
	shaped = n.into("dim", &model.Dim) || shaped
	shaped = n.into("ffn", &model.FFN) || shaped
	if shaped {
		r.Model = model
	}
	if err := w.data(&r, &n); err != nil {
		return r, err
	}
	if n.err != nil {
		return r, n.err
	}
	for _, name := range strings.Fields(w.form["parents"]) {
		h, err := crescendo.ParseHash(name)
		if err != nil {
			return r, crescendo.Errorf(crescendo.CodeInvalid, "builds on %.80q: want the name of a recipe, 64 hexadecimal digits", name)
		}
		r.Parents = append(r.Parents, h)
	}
	return r, r.Check()
}

// numbers reads fields that may be empty, and keeps the first error.
type numbers struct {
	form form
	err  error
}

func (n *numbers) into(name string, to *uint32) bool {
	s := n.form[name]
	if s == "" || n.err != nil {
		return false
	}
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		n.err = crescendo.Errorf(crescendo.CodeInvalid, "%s %q: want a whole number", name, s)
		return false
	}
	*to = uint32(v)
	return true
}

func choice(s string, to *string) bool {
	if s == "" || s == asProgramme {
		return false
	}
	*to = s
	return true
}

// contestFacts tells where the competitions that a recipe may be entered in
// stand: seasons, too.
func contestFacts(s ledger.State, spec program.Spec, f form, _ crescendo.Account) ([]fact, error) {
	return factsOf(s, spec, f, func(research.Contest) bool { return true })
}

// competitionFacts does so without seasons.
func competitionFacts(s ledger.State, spec program.Spec, f form, _ crescendo.Account) ([]fact, error) {
	return factsOf(s, spec, f, func(at research.Contest) bool { return !at.IsSeason() })
}

func factsOf(s ledger.State, spec program.Spec, f form, shown func(research.Contest) bool) ([]fact, error) {
	var facts []fact
	for _, at := range spec.Contests() {
		if !shown(at) || f["rung"] != "" && f["rung"] != fmt.Sprint(at.Rung()) {
			continue
		}
		c, err := research.Competitions.Get(s, uint32(at))
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return nil, fmt.Errorf("read competition: %w", err)
		}
		name := fmt.Sprintf("Rung %d, %s", at.Rung(), spec.Rungs[at.Rung()-1].Name)
		if at.IsSeason() {
			name = fmt.Sprintf("Season of rung %d, for newcomers", at.Rung())
		}
		if err != nil {
			facts = append(facts, fact{name, "it has not opened yet"})
			continue
		}
		terms, _, err := spec.TermsOf(at)
		if err != nil {
			return nil, err
		}
		facts = append(facts, fact{name, c.Phase.String()}, fact{"entered so far", decimal(uint64(c.Committed))}, fact{"bond", terms.Bond.String()})
		if c.Deadline > 0 {
			facts = append(facts, fact{"this phase ends by", fmt.Sprintf("block %d", c.Deadline)})
		}
	}
	if len(facts) == 0 {
		facts = []fact{{"Competitions", "this rung has none: its organiser names the recipe"}}
	}
	return facts, nil
}

var show = action{
	name: "show", title: "Show a recipe", verb: "Show it",
	about:  "Shows a recipe that was entered here, once entries have closed. This hub does it by itself where it has the key.",
	fields: []field{{name: "entry", label: "Entry", kind: "text", hint: "its commitment, as the transaction that entered it says"}},
	build: func(w wish) (intent, error) {
		h, err := crescendo.ParseHash(strings.ToLower(w.form["entry"]))
		if err != nil {
			return intent{}, crescendo.Errorf(crescendo.CodeInvalid, "entry %q: want its commitment, 64 hexadecimal digits", w.form["entry"])
		}
		e := w.entries.of(h, w.me)
		if e == nil {
			return intent{}, crescendo.Errorf(crescendo.CodeNotFound, "show: %s has entered no such recipe from here", short(w.me)).
				WithHint("show it from where it was entered: only there is what opens it")
		}
		return intent{message: e.message(), opened: e}, nil
	},
}
