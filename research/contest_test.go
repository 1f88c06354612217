package research_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
	"github.com/crescendo-network/crescendo/research"
)

// contest plays a competition: who enters what, and what its trials show.
type contest struct {
	*transcript.World
	terms   research.Terms
	recipes map[string]research.Recipe
	loss    map[crescendo.Hash]uint64 // mean per target, of a recipe
	wiggle  uint64                    // documents differ by up to this
	liars   map[crescendo.Account]bool
	absent  map[crescendo.Account]bool
	said    map[duty]research.MsgRevealTrial // what runners have committed to
	verdict *research.Verdict
	tasks   map[crescendo.Hash]research.EvaluationTask // by their names
	gone    map[crescendo.Hash]uint32                  // from which stage on nobody can fetch a recipe's text
}

const window = 4 // targets of a document

func newContest() *contest {
	w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"faucet": 1 << 40})
	if err != nil {
		panic(err)
	}
	return &contest{World: w, said: map[duty]research.MsgRevealTrial{}, tasks: map[crescendo.Hash]research.EvaluationTask{}, gone: map[crescendo.Hash]uint32{}, recipes: map[string]research.Recipe{}, loss: map[crescendo.Hash]uint64{}, liars: map[crescendo.Account]bool{},
		absent: map[crescendo.Account]bool{}, wiggle: 1000, terms: research.Terms{EntryBlocks: 4, RevealBlocks: 4, TrialBlocks: 20, Bond: 100, RunnerBond: 50,
			Steps: 10, Growth: 2, Stages: 2, KeepBP: 5000, Seeds: 1, Documents: 16, Replicas: 2, MaxEntries: 8, KeepRecipes: 2, TrialsBP: 500, PrizeBP: 500}}
}

// fund gives an account its bonds out of nothing.
func (c *contest) fund(who crescendo.Account) error {
	return c.Bank.Execute([]crescendo.Transfer{{From: "faucet", To: who, Amount: 1000}})
}

// recipe is a recipe by its name in the test; what it does is in its batch.
func (c *contest) recipe(name string, by crescendo.Account, sequences uint32, parents ...string) research.Recipe {
	r := research.Recipe{Version: research.RecipeVersion, Author: by, Name: name, Sequences: sequences}
	for _, p := range parents {
		r.Parents = append(r.Parents, c.recipes[p].ID())
	}
	c.recipes[name] = r
	return r
}

func salt(name string) crescendo.Hash { return digest.Sum("test/salt", []byte(name)) }

func (c *contest) enter(by crescendo.Account, name string) func(crescendo.Env, kv.Store) (crescendo.Outcome, error) {
	return func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		m := &research.MsgEnter{Sender: by, Rung: 1, Commitment: research.EntryCommitment(env.ChainID, 1, by, c.recipes[name].ID(), salt(name))}
		if err := m.Check(); err != nil {
			return crescendo.Outcome{}, err
		}
		return research.Enter(env, s, c.terms, m)
	}
}

func (c *contest) reveal(by crescendo.Account, name string) func(crescendo.Env, kv.Store) (crescendo.Outcome, error) {
	return func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		m := &research.MsgRevealEntry{Sender: by, Rung: 1, Recipe: c.recipes[name], Salt: salt(name), Task: c.tasks[c.recipes[name].Evaluation]}
		if err := m.Check(); err != nil {
			return crescendo.Outcome{}, err
		}
		return research.RevealEntry(env, s, m)
	}
}

func (c *contest) run(by crescendo.Account) func(crescendo.Env, kv.Store) (crescendo.Outcome, error) {
	return func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		return research.Run(env, s, c.terms, &research.MsgRun{Sender: by, Rung: 1})
	}
}

// block ends a block and begins the next, whose beacon follows from its height.
func (c *contest) block(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
	out, verdict, err := research.EndBlock(env, s, c.terms, 1)
	if verdict != nil {
		c.verdict = verdict
	}
	return out, err
}

func (c *contest) next() {
	c.Env.Height++
	c.Env.Beacon = digest.Sum("test/beacon", binary.BigEndian.AppendUint64(nil, uint64(c.Env.Height)))
}

// result is what a runner's machine computes for a trial: honest ones agree.
func (c *contest) result(runner crescendo.Account, d duty) research.MsgRevealTrial {
	m := research.MsgRevealTrial{Sender: runner, Rung: 1, Stage: d.stage, Recipe: d.recipe, Seed: d.seed, Salt: salt(string(runner))}
	content, _ := research.Contents.Get(c.Store, d.recipe[:])
	m.Weights = digest.Sum("test/weights", be(d.stage, d.seed, content.Sequences))
	for i := range c.terms.Documents {
		common := binary.BigEndian.Uint64(sum("document", be(d.stage, d.seed, i))) % (5 * (c.wiggle + 1))
		own := binary.BigEndian.Uint64(sum("own", append(be(d.seed, i), d.recipe[:]...))) % (c.wiggle + 1)
		m.Losses = append(m.Losses, window*(c.loss[d.recipe]+common+own))
	}
	m.Losses = append(m.Losses, c.answers(d)...)
	if c.liars[runner] {
		m.Losses[0] += uint64(len(runner)) + uint64(runner[len(runner)-1])
	}
	return m
}

func sum(domain string, b []byte) []byte { h := digest.Sum("test/"+domain, b); return h[:8] }

func be(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// duty is a trial that a runner is designated to.
type duty struct {
	runner crescendo.Account
	stage  uint32
	recipe crescendo.Hash
	seed   uint32
}

func (c *contest) duties() []duty {
	all, err := research.Duties.List(c.Store, nil, kv.MaxPage, uint32(1))
	if err != nil {
		panic(err)
	}
	var out []duty
	for _, e := range all {
		at := slices.Index(e.Rest, 0)
		rest := e.Rest[at+1:]
		out = append(out, duty{crescendo.Account(e.Rest[:at]), binary.BigEndian.Uint32(rest), crescendo.Hash(rest[4:36]), binary.BigEndian.Uint32(rest[36:])})
	}
	return out
}

// work lets every runner that is present commit to what it is designated to,
// and then show what may be shown.
func (c *contest) work(print func(string)) error {
	for _, commit := range []bool{true, false} {
		for _, d := range c.duties() {
			if c.absent[d.runner] {
				continue
			}
			m, said := c.said[d]
			if from := c.gone[d.recipe]; commit == said || from > 0 && d.stage >= from {
				continue
			}
			if commit {
				m = c.result(d.runner, d)
			}
			out, err := c.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
				if commit {
					return research.CommitTrial(env, s, &research.MsgCommitTrial{Sender: d.runner, Rung: 1, Stage: d.stage, Recipe: d.recipe,
						Seed: d.seed, Commitment: research.TrialCommitment(env.ChainID, m)})
				}
				return research.RevealTrial(env, s, c.terms, &m)
			})
			switch code := crescendo.CodeOf(err); {
			case err == nil:
				if commit {
					c.said[d] = m
				}
				for _, e := range out.Events {
					if e.Kind != "research.trial-committed" {
						print(c.short(e.String()) + "\n")
					}
				}
				for _, t := range out.Transfers {
					print(fmt.Sprintf("%s -> %s %d\n", t.From, t.To, t.Amount))
				}
			case code == crescendo.CodeWrongTime, code == crescendo.CodeDuplicate, code == crescendo.CodeForbidden, code == crescendo.CodeNotFound:
			default:
				return err
			}
		}
	}
	return nil
}

// short writes the names of recipes for their hashes.
func (c *contest) short(text string) string {
	for name, r := range c.recipes {
		text = strings.ReplaceAll(text, r.ID().String(), name)
		text = strings.ReplaceAll(text, r.ID().Short(), name)
	}
	return text
}

// open begins the competition with the baseline and a clock.
func (c *contest) open(purse crescendo.Amount, kept ...research.Recipe) error {
	c.recipes["baseline"] = research.Baseline("organiser")
	_, err := c.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		out, err := research.Open(env, s, c.terms, 1, "organiser", kept, window)
		if err != nil {
			return out, err
		}
		began, err := research.Begin(env, s, c.terms, 1, purse)
		out.Join(began)
		return out, err
	})
	return err
}
