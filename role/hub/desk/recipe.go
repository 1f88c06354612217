package desk

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// asProgramme leaves a part of a recipe as the programme has it.
const asProgramme = "as in the programme"

var enter = action{
	name: "enter", title: "Enter a recipe", verb: "Enter it",
	about: "Says how a rung would be trained. It is entered sealed, so that nobody can copy it; when entries have closed this hub shows it, if it has the key, " +
		"and it is tried against the others at small, equal cost. What is left empty is as in the programme.",
	fields: slices.Concat([]field{
		{name: "rung", label: "Rung", kind: "rung", stages: []program.Stage{program.StageRaising, program.StageCompeting}},
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
	facts: competitionFacts,
}

// buildEntry makes the sealed entry of what was filled in.
func buildEntry(w wish) (intent, error) {
	rung, err := w.form.rung("rung")
	if err != nil {
		return intent{}, err
	}
	recipe, err := w.recipe(rung)
	if err != nil {
		return intent{}, err
	}
	would, err := program.Effective(w.spec, rung, recipe)
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
	e := w.seal(rung, recipe, nil)
	i := int(rung) - 1
	return intent{
		message: &research.MsgEnter{Sender: w.me, Rung: rung, Commitment: e.Commitment}, secret: e,
		facts: []fact{
			{"Recipe", recipe.ID().String()},
			{"Parameters", fmt.Sprintf("%d; the programme's own model has %d", would.Parameters(i), w.spec.Parameters(i))},
			{"Tokens of a trainer's round", decimal(would.Rungs[i].RoundTokens())},
			{"Bond", w.spec.Rungs[i].Competition.Bond.String() + ", back unless it is a copy or is never shown"},
		},
	}, nil
}

// seal makes an entry of a recipe, with what opens it.
func (w wish) seal(rung crescendo.RungID, recipe research.Recipe, task *research.EvaluationTask) *entry {
	e := &entry{Chain: w.chain, Rung: rung, Author: w.me, Recipe: recipe, Task: task}
	rand.Read(e.Salt[:])
	e.Commitment = research.EntryCommitment(w.chain, research.Contest(rung), w.me, recipe.ID(), e.Salt)
	return e
}

// mine reports whether a known recipe is of the one who fills in the form: to
// enter it again is no copy.
func (w wish) mine(recipe crescendo.Hash) bool {
	origin, err := research.Origins.Get(w.state, recipe[:])
	return err == nil && origin.Author == w.me
}

// recipe reads the form. A part that is touched begins as the programme has
// it, so that one number can be changed alone.
func (w wish) recipe(rung crescendo.RungID) (research.Recipe, error) {
	r := research.Recipe{Version: research.RecipeVersion, Author: w.me, Name: w.form["name"]}
	if int(rung) > len(w.spec.Rungs) {
		return r, crescendo.Errorf(crescendo.CodeNotFound, "rung %d: the programme has rungs 1 to %d", rung, len(w.spec.Rungs))
	}
	terms := w.spec.Rungs[rung-1]
	o, m := research.Optimizer(terms.Training.Optimizer), terms.Model
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

func competitionFacts(s ledger.State, spec program.Spec, f form, _ crescendo.Account) ([]fact, error) {
	var facts []fact
	for i, rung := range spec.Rungs {
		id := crescendo.RungID(i + 1)
		if rung.Competition.None() || (f["rung"] != "" && f["rung"] != fmt.Sprint(id)) {
			continue
		}
		c, err := research.Competitions.Get(s, uint32(id))
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return nil, fmt.Errorf("read competition: %w", err)
		}
		name := fmt.Sprintf("Rung %d, %s", id, rung.Name)
		if err != nil {
			facts = append(facts, fact{name, "its competition has not opened yet"})
			continue
		}
		facts = append(facts, fact{name, c.Phase.String()}, fact{"entered so far", decimal(uint64(c.Committed))}, fact{"bond", rung.Competition.Bond.String()})
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

// entry is a recipe that has been entered sealed, and what opens it. Whoever
// sees it before entries close could enter it himself.
type entry struct {
	Chain      string            `json:"chain"`
	Rung       crescendo.RungID  `json:"rung"`
	Author     crescendo.Account `json:"author"`
	Recipe     research.Recipe   `json:"recipe"`
	Salt       crescendo.Hash    `json:"salt"`
	Commitment crescendo.Hash    `json:"commitment"`

	Task *research.EvaluationTask `json:"task,omitempty"` // what the recipe contributes
}

func (e *entry) message() *research.MsgRevealEntry {
	m := &research.MsgRevealEntry{Sender: e.Author, Rung: e.Rung, Recipe: e.Recipe, Salt: e.Salt}
	if e.Task != nil {
		m.Task = *e.Task
	}
	return m
}

// entries are the sealed recipes of this hub's visitors, one file each.
type entries struct {
	dir string

	mu   sync.Mutex
	kept map[crescendo.Hash]*entry
}

// maxEntries bounds what visitors can make the hub keep.
const maxEntries = 4096

func openEntries(home string) (*entries, error) {
	e := &entries{dir: filepath.Join(home, "entries"), kept: map[crescendo.Hash]*entry{}}
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of entries: %w", err)
	}
	files, err := os.ReadDir(e.dir)
	if err != nil {
		return nil, fmt.Errorf("list entries: %w", err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(e.dir, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read entry: %w", err)
		}
		one := new(entry)
		if err := json.Unmarshal(raw, one); err != nil {
			return nil, fmt.Errorf("read entry %s: %w", f.Name(), err)
		}
		e.kept[one.Commitment] = one
	}
	return e, nil
}

// keep writes an entry before anything is committed to: one that cannot be
// opened loses its bond.
func (e *entries) keep(one *entry) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.kept) >= maxEntries {
		return crescendo.Errorf(crescendo.CodeForbidden, "enter: this hub keeps %d entries, as many as it may", maxEntries).WithHint("use `crescendo research enter`")
	}
	raw, err := json.Marshal(one)
	if err != nil {
		return fmt.Errorf("keep entry: %w", err)
	}
	path := filepath.Join(e.dir, one.Commitment.String()+".json")
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		return fmt.Errorf("keep entry: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("keep entry: %w", err)
	}
	e.kept[one.Commitment] = one
	return nil
}

func (e *entries) forget(one *entry) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.kept, one.Commitment)
	if err := os.Remove(filepath.Join(e.dir, one.Commitment.String()+".json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget entry: %w", err)
	}
	return nil
}

// of returns an account's own entry, nil if there is none.
func (e *entries) of(commitment crescendo.Hash, who crescendo.Account) *entry {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if one := e.kept[commitment]; one != nil && one.Author == who {
		return one
	}
	return nil
}

// all lists what is kept, in a fixed order.
func (e *entries) all() []*entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*entry, 0, len(e.kept))
	for _, one := range e.kept {
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b *entry) int { return strings.Compare(a.Commitment.String(), b.Commitment.String()) })
	return out
}

// prepare puts away what an intent must not lose, and publishes what it opens.
func (d *Desk) prepare(ctx context.Context, in intent) error {
	if in.opened != nil {
		return d.publish(ctx, in.opened)
	}
	if in.secret != nil {
		return d.entries.keep(in.secret)
	}
	return nil
}

// showEntries shows the recipes whose entries have closed, for the wallets
// whose keys this hub has. An entry that was never taken, or whose competition
// is over, is forgotten.
func (d *Desk) showEntries(ctx context.Context) error {
	if d.entries == nil || len(d.entries.all()) == 0 {
		return nil
	}
	state, err := d.cfg.Ledger.State(ctx)
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	for _, e := range d.entries.all() {
		if e.Chain != d.cfg.Ledger.ChainID() {
			continue
		}
		phase, open, err := standingOf(state, e)
		if err != nil {
			return err
		}
		switch {
		case !open && phase > research.Entering:
			if err := d.entries.forget(e); err != nil {
				return err
			}
		case open && phase == research.Revealing:
			if err := d.showEntry(ctx, e); err != nil {
				d.cfg.Log.Warn("show a recipe", "commitment", e.Commitment, "error", err)
			}
		}
	}
	return nil
}

// standingOf tells a competition's phase, and whether an entry waits in it to
// be shown.
func standingOf(state kv.Reader, e *entry) (research.Phase, bool, error) {
	c, err := research.Competitions.Get(state, uint32(e.Rung))
	if errors.Is(err, kv.ErrNotFound) {
		return 0, true, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read competition: %w", err)
	}
	have, err := research.Commitments.Get(state, uint32(e.Rung), e.Commitment[:], string(e.Author))
	if errors.Is(err, kv.ErrNotFound) {
		return c.Phase, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read entry: %w", err)
	}
	return c.Phase, have.Revealed.IsZero(), nil
}

// showEntry publishes a recipe and opens its commitment. Only now may anybody
// see it.
func (d *Desk) showEntry(ctx context.Context, e *entry) error {
	signer, err := d.signerOf(e.Author)
	if err != nil {
		return err
	}
	if err := d.publish(ctx, e); err != nil {
		return err
	}
	_, err = d.submit(ctx, signer, e.message())
	return err
}

func (d *Desk) publish(ctx context.Context, e *entry) error {
	if d.cfg.Blobs == nil {
		return nil
	}
	if _, err := d.cfg.Blobs.Put(ctx, canon.Encode(e.Recipe)); err != nil {
		return fmt.Errorf("publish recipe: %w", err)
	}
	return nil
}

// signerOf finds the key of an account, if this hub has it.
func (d *Desk) signerOf(who crescendo.Account) (ledger.Signer, error) {
	if d.cfg.Demo != nil && d.cfg.Demo.Account() == who {
		return d.cfg.Demo, nil
	}
	if d.wallets == nil {
		return nil, crescendo.Errorf(crescendo.CodeNotFound, "this hub has no key of %s", who)
	}
	return d.wallets.get(who)
}
