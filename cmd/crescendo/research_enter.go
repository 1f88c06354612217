package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
	"github.com/spf13/cobra"
)

func (c *cli) recipe() *cobra.Command {
	var r remote
	var file string
	cmd := &cobra.Command{
		Use: "recipe --rung N", Short: "Print the programme's own recipe as a file to start from", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var spec program.Spec
			var err error
			if file != "" {
				spec, _, err = programfile.Load(file)
			} else {
				spec, err = r.spec(cmd.Context())
			}
			if err != nil {
				return err
			}
			recipe, err := programfile.RecipeOf(spec, r.id(), "")
			if err != nil {
				return err
			}
			data, err := programfile.WriteRecipe(recipe)
			if err != nil {
				return err
			}
			// The author is filled in when the file is entered.
			text := strings.Replace(string(data), "author: \"\"\n", "", 1)
			return c.print(map[string]any{"rung": r.id(), "recipe": text}, func(w writer) { fmt.Fprint(w, text) })
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	cmd.Flags().StringVar(&file, "program", "", "programme file to read instead of asking a running programme")
	return cmd
}

func (r *remote) spec(ctx context.Context) (program.Spec, error) {
	conn, err := r.connect(ctx)
	if err != nil {
		return program.Spec{}, err
	}
	return conn.Spec(ctx)
}

func (c *cli) enter() *cobra.Command {
	var r remote
	var dry, wait bool
	var file string
	cmd := &cobra.Command{
		Use: "enter FILE --rung N", Short: "Enter a recipe into a rung's competition", Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readFileArg(args[0])
			if err != nil {
				return err
			}
			if file != "" && !dry {
				return usagef("--program is for --dry-run: an entry goes to a running programme")
			}
			if file != "" {
				spec, _, err := programfile.Load(file)
				if err != nil {
					return err
				}
				return c.preview(cmd.Context(), r.home, args[0], data, nobody, spec, r.contest(), nil, nil)
			}
			return c.enterRecipe(cmd.Context(), &r, args[0], data, dry, wait)
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	r.seasonFlag(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what the recipe would do and cost, and enter nothing")
	cmd.Flags().BoolVar(&wait, "wait", false, "stay, and show the recipe when entries have closed (otherwise: research reveal)")
	cmd.Flags().StringVar(&file, "program", "", "with --dry-run: programme file to read instead of asking a running programme")
	return cmd
}

// nobody stands for the author of a recipe that is only looked at.
const nobody crescendo.Account = "cresc1w508d6qejxtdg4y5r3zarvary0c5xw7kynwnd2"

func (c *cli) enterRecipe(ctx context.Context, r *remote, name string, data []byte, dry, wait bool) error {
	author := nobody
	signer, err := r.signer()
	if err == nil {
		author = signer.Account()
	} else if !dry {
		return err
	}
	conn, state, err := r.state(ctx)
	if err != nil {
		return err
	}
	spec, err := program.Specs.Get(state)
	if err != nil {
		return fmt.Errorf("read programme: %w", err)
	}
	if dry {
		return c.preview(ctx, r.home, name, data, author, spec, r.contest(), conn.Blobs, state)
	}
	recipe, err := programfile.ParseRecipe(name, data, author)
	if err != nil {
		return err
	}
	task, err := r.checkEntry(ctx, conn.Blobs, state, spec, r.contest(), recipe)
	if err != nil {
		return err
	}
	if _, of, known, err := copyOf(state, recipe); err != nil || known {
		return errors.Join(err, crescendo.Errorf(crescendo.CodeInvalid, "enter %s: it does what recipe %s does", name, of.Short()).
			WithHint("a copy loses its bond and earns nothing; change what it trains with"))
	}
	terms, _, err := spec.TermsOf(r.contest())
	if err != nil {
		return err
	}
	e := sealedEntry{Chain: conn.Ledger.ChainID(), Rung: r.id(), Season: r.season, Author: author, Recipe: recipe, Task: task}
	if _, err := rand.Read(e.Salt[:]); err != nil {
		return fmt.Errorf("draw salt: %w", err)
	}
	e.Commitment = research.EntryCommitment(e.Chain, r.contest(), author, recipe.ID(), e.Salt)
	if err := e.keep(r.home); err != nil {
		return err
	}
	err = c.submit(ctx, r, func(context.Context, *node.Connection, crescendo.Account) ([]crescendo.Message, error) {
		return one(&research.MsgEnter{Sender: author, Rung: r.id(), Season: r.season, Commitment: e.Commitment})
	})
	if err != nil {
		var refusal *crescendo.Error
		if errors.As(err, &refusal) {
			return errors.Join(err, e.forget(r.home))
		}
		return err // it may be on the ledger all the same
	}
	c.note("recipe %s is entered; nobody can see it. Its bond of %s returns unless it is a copy or is never shown.", recipe.ID().Short(), terms.Bond)
	if !wait {
		flags := fmt.Sprintf("--rung %d", r.rung)
		if r.season {
			flags += " --season"
		}
		c.note("show it when entries have closed: crescendo research reveal %s", flags)
		return nil
	}
	return c.show(ctx, r, signer, true)
}

func (c *cli) reveal() *cobra.Command {
	var r remote
	var wait bool
	cmd := &cobra.Command{
		Use: "reveal --rung N", Short: "Show the recipes that this home has entered", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signer, err := r.signer()
			if err != nil {
				return err
			}
			return c.show(cmd.Context(), &r, signer, wait)
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	r.seasonFlag(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until entries have closed")
	return cmd
}

// show reveals what this home has entered and not shown yet.
func (c *cli) show(ctx context.Context, r *remote, signer ledger.Signer, wait bool) error {
	conn, state, err := r.state(ctx)
	if err != nil {
		return err
	}
	entries, err := keptEntries(r.home, conn.Ledger.ChainID(), r.contest(), signer.Account())
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return crescendo.Errorf(crescendo.CodeNotFound, "show recipes of %s: this home has entered none with key %q", r.contest(), r.key).
			WithHint("enter one with `crescendo research enter`, or name another key or home")
	}
	for {
		comp, err := research.Competitions.Get(state, r.contestKey())
		if err != nil {
			return noContest(err, r.contest())
		}
		if comp.Phase != research.Entering || !wait {
			break
		}
		if _, err := conn.Ledger.Next(ctx, state.Height()+2); err != nil {
			return err
		}
		if state, err = conn.Ledger.State(ctx); err != nil {
			return err
		}
	}
	return c.submit(ctx, r, func(ctx context.Context, conn *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
		var msgs []crescendo.Message
		for _, e := range entries {
			have, err := research.Commitments.Get(state, r.contestKey(), e.Commitment[:], string(me))
			if errors.Is(err, kv.ErrNotFound) || err == nil && !have.Revealed.IsZero() {
				continue
			}
			if err != nil {
				return nil, err
			}
			// Only now may anybody see it.
			if _, err := conn.Blobs.Put(ctx, canon.Encode(e.Recipe)); err != nil {
				return nil, fmt.Errorf("publish recipe: %w", err)
			}
			msgs = append(msgs, e.message())
		}
		if len(msgs) == 0 {
			return nil, crescendo.Errorf(crescendo.CodeDuplicate, "show recipes of %s: nothing is left to show", r.contest())
		}
		return msgs, nil
	})
}

// copyOf looks for a recipe that is known and does the same.
func copyOf(state kv.Reader, recipe research.Recipe) (substance, of crescendo.Hash, known bool, err error) {
	substance = recipe.Substance()
	first, err := kv.Optional(research.Substances.Get(state, substance[:]))
	if err != nil || first.Recipe.IsZero() {
		return substance, of, false, err
	}
	origin, err := kv.Optional(research.Origins.Get(state, first.Recipe[:]))
	return substance, first.Recipe, origin.Author != recipe.Author, err
}

type previewJSON struct {
	Recipe        crescendo.Hash   `json:"recipe"`
	Substance     crescendo.Hash   `json:"substance"`
	CopyOf        *crescendo.Hash  `json:"copy_of"` // null: of no known recipe
	Parameters    uint64           `json:"parameters"`
	Budget        uint64           `json:"parameter_budget"`
	Model         modelJSON        `json:"model"`
	Sequences     uint32           `json:"sequences"`
	StepsPerRound uint32           `json:"steps_per_round"`
	RoundTokens   uint64           `json:"tokens_per_round"`
	Optimizer     optimizerJSON    `json:"optimizer"`
	Bond          crescendo.Amount `json:"bond"`
	Trials        []trialsJSON     `json:"trials"`
	Data          *dataJSON        `json:"data"` // null: the corpus is not known
}

type modelJSON struct {
	Dim     uint32 `json:"dim"`
	Layers  uint32 `json:"layers"`
	Heads   uint32 `json:"heads"`
	KVHeads uint32 `json:"kv_heads"`
	FFN     uint32 `json:"ffn"`
	Context uint32 `json:"context"`
	Tied    bool   `json:"tied"`

	Experts         uint32 `json:"experts,omitempty"` // of a mixture of experts, which keeps the programme's
	ExpertsPerToken uint32 `json:"experts_per_token,omitempty"`
}

func modelOf(m program.Model) modelJSON {
	return modelJSON{m.Dim, m.Layers, m.Heads, m.KVHeads, m.FFN, m.Context, m.Tied, m.Experts, m.ExpertsPerToken}
}

// optimizerJSON is program.Optimizer as programs read it.
type optimizerJSON struct {
	Kind                  string `json:"kind"`
	LRMillionths          uint32 `json:"lr_millionths"`
	MatrixLRMillionths    uint32 `json:"matrix_lr_millionths"`
	Beta1Millionths       uint32 `json:"beta1_millionths"`
	Beta2Millionths       uint32 `json:"beta2_millionths"`
	WeightDecayMillionths uint32 `json:"weight_decay_millionths"`
	MomentumMillionths    uint32 `json:"momentum_millionths"`
	ClipMillionths        uint32 `json:"clip_millionths"`
	WarmupBP              uint32 `json:"warmup_bp"`
	FinalBP               uint32 `json:"final_bp"`
	Schedule              string `json:"schedule"`
}

type trialsJSON struct {
	Stage    uint32  `json:"stage"`
	Seeds    uint32  `json:"seeds"`
	Replicas uint32  `json:"replicas"`
	Steps    int     `json:"steps"`
	Tokens   uint64  `json:"tokens"`
	Seconds  float64 `json:"seconds_here"` // of one trial, on one core of this machine
}

// preview says what a recipe would do. State may be nil: then nothing is known
// about other recipes, and of the text.
func (c *cli) preview(ctx context.Context, dir, name string, data []byte, author crescendo.Account, spec program.Spec, at research.Contest, blobs blob.Store, state kv.Reader) error {
	recipe, err := programfile.ParseRecipe(name, data, author)
	if err != nil {
		return err
	}
	if !recipe.Evaluation.IsZero() {
		return c.previewTask(ctx, dir, spec, at, recipe, blobs, state)
	}
	terms, _, err := spec.TermsOf(at)
	if err != nil {
		return err
	}
	look, err := trial.OutlookOf(spec, at, recipe)
	if err != nil {
		return err
	}
	out := previewJSON{
		Recipe: recipe.ID(), Substance: recipe.Substance(), Parameters: look.Parameters, Budget: look.Budget, Model: modelOf(look.Rung.Model),
		Sequences: look.Rung.Training.Sequences, StepsPerRound: look.Rung.Training.Steps, RoundTokens: look.RoundTokens,
		Optimizer: optimizerJSON(look.Rung.Training.Optimizer), Bond: terms.Bond, Trials: []trialsJSON{},
	}
	if state != nil {
		if _, of, known, err := copyOf(state, recipe); err != nil {
			return err
		} else if known {
			out.CopyOf = &of
		}
		if out.Data, err = lookAtData(ctx, blobs, state, spec, at, recipe); err != nil {
			return err
		}
	}
	m, err := thisMachine(spec)
	if err != nil {
		return err
	}
	for _, s := range look.Stages {
		out.Trials = append(out.Trials, trialsJSON{s.Stage, s.Seeds, s.Replicas, s.Steps, s.Tokens, s.FLOPs / m.FLOPS})
	}
	return c.print(out, func(w writer) { writePreview(w, out, recipe.Name) })
}

func writePreview(w writer, p previewJSON, name string) {
	m := p.Model
	fmt.Fprintf(w, "recipe %s %q (not entered: this is a dry run)\n", p.Recipe.Short(), name)
	fmt.Fprintf(w, "  model      %d layers of %d, %d heads, ffn %d, context %d: %d parameters, the budget is %d\n",
		m.Layers, m.Dim, m.Heads, m.FFN, m.Context, p.Parameters, p.Budget)
	fmt.Fprintf(w, "  round      %d steps of %d sequences: %d tokens of each trainer\n", p.StepsPerRound, p.Sequences, p.RoundTokens)
	writeData(w, p.Data)
	for _, t := range p.Trials {
		took := time.Duration(t.Seconds * float64(time.Second)).Round(10 * time.Millisecond)
		fmt.Fprintf(w, "  stage %d    %d trials, each by %d runners: %d steps, %d tokens, about %s on a core of this machine\n",
			t.Stage, t.Seeds, t.Replicas, t.Steps, t.Tokens, took)
	}
	fmt.Fprintf(w, "  bond       %s, returned unless it is a copy or is never shown\n", p.Bond)
	if p.CopyOf != nil {
		fmt.Fprintf(w, "  COPY       it does what recipe %s does: it would lose its bond\n", p.CopyOf.Short())
	}
}
