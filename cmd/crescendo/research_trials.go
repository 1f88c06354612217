package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
	"github.com/crescendo-network/crescendo/role/actor"
	"github.com/crescendo-network/crescendo/role/runner"
	"github.com/spf13/cobra"
)

func (c *cli) runTrials() *cobra.Command {
	cmd, f := c.seatCommand("run", "Run trials of competitions for pay (training join does so too)", func(ctx context.Context, f *seatFlags, s node.Seat) error {
		err := node.Try(ctx, s, f.readiness)
		if errors.Is(err, runner.ErrExpelled) {
			c.note("this account runs no more trials here: %v", err)
			return nil
		}
		return err
	})
	cmd.Flags().Uint32Var(&f.rung, "rung", 0, "run trials of this rung only (default: every competition)")
	return cmd
}

func (c *cli) nameCorpus() *cobra.Command {
	var r remote
	var dir string
	var models []string
	var seed uint64
	cmd := &cobra.Command{
		Use: "corpus --rung N", Short: "Pack the text that a rung's trials read, and name it (organiser)", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.submit(cmd.Context(), &r, func(ctx context.Context, conn *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				spec, err := conn.Spec(ctx)
				if err != nil {
					return nil, err
				}
				pack, err := actor.Pack(ctx, spec, dir, models, seed, conn.Blobs, nil)
				if err != nil {
					return nil, err
				}
				return one(&research.MsgNameCorpus{Sender: me, Rung: r.id(), Corpus: pack.Hash, Root: pack.Manifest.Root})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	cmd.Flags().StringVar(&dir, "corpus", "", "directory of text, source or JSONL (default: what the programme names)")
	cmd.Flags().StringArrayVar(&models, "model", nil, "folder of a model that a rung starts from")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "decides which documents are taken and held out")
	return cmd
}

// trialJSON is one trial, computed again.
type trialJSON struct {
	Stage     uint32         `json:"stage"`
	Recipe    crescendo.Hash `json:"recipe"`
	Seed      uint32         `json:"seed"`
	Weights   crescendo.Hash `json:"weights"`    // as the ledger has them
	Again     crescendo.Hash `json:"recomputed"` // as this machine finds them
	Loss      float64        `json:"loss"`
	Documents int            `json:"documents"`
	Equal     bool           `json:"equal"` // weights and every document's loss
}

func (c *cli) verify() *cobra.Command {
	var r remote
	var entry string
	var stage uint32
	var threads int
	cmd := &cobra.Command{
		Use: "verify --rung N", Short: "Run trials again on this machine and compare them bit for bit", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			names, err := settledTrials(state, r.contest(), stage, entry)
			if err != nil {
				return err
			}
			v := &verifier{cli: c, conn: conn, state: state, at: r.contest(), threads: threads}
			rows, err := v.all(cmd.Context(), names)
			if err != nil {
				return err
			}
			wrong := 0
			for _, t := range rows {
				if !t.Equal {
					wrong++
				}
			}
			if err := c.print(contestJSON(&r, map[string]any{"trials": rows, "differ": wrong}), func(w writer) {
				fmt.Fprintf(w, "%d trials run again, %d differ\n", len(rows), wrong)
			}); err != nil {
				return err
			}
			if wrong > 0 {
				return crescendo.Errorf(crescendo.CodeInvalid, "verify %s: %d of %d trials do not come out as the ledger has them", r.contest(), wrong, len(rows)).
					WithHint("two runners agreed on each; publish what you found with the trials' names")
			}
			return nil
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	r.seasonFlag(cmd)
	cmd.Flags().StringVar(&entry, "entry", "", "recipe to check, by the beginning of its hash (default: all)")
	cmd.Flags().Uint32Var(&stage, "stage", 0, "halving stage to check (default: all)")
	cmd.Flags().IntVar(&threads, "threads", machine.Cores(), "threads of arithmetic; results do not depend on it")
	return cmd
}

// settledTrials lists the trials that have a result.
func settledTrials(state kv.Reader, at research.Contest, stage uint32, entry string) ([]trial.Name, error) {
	if _, err := research.Competitions.Get(state, uint32(at)); err != nil {
		return nil, noContest(err, at)
	}
	var names []trial.Name
	err := each(state, research.Trials, func(rest []byte, t research.Trial) {
		n := trial.Name{Stage: binary.BigEndian.Uint32(rest), Recipe: hashPart(rest[4:]), Seed: binary.BigEndian.Uint32(rest[36:])}
		if t.Agreed && (stage == 0 || n.Stage == stage) && len(entry) <= 64 && n.Recipe.String()[:len(entry)] == entry {
			names = append(names, n)
		}
	}, uint32(at))
	if err != nil {
		return nil, fmt.Errorf("list trials: %w", err)
	}
	if len(names) == 0 {
		return nil, crescendo.Errorf(crescendo.CodeNotFound, "verify %s: no such trial has a result yet", at).
			WithHint("`crescendo research entries` and `leaderboard` say what there is")
	}
	return names, nil
}

// verifier runs trials again.
type verifier struct {
	cli     *cli
	conn    *node.Connection
	state   kv.Reader
	at      research.Contest
	threads int
}

func (v *verifier) all(ctx context.Context, names []trial.Name) ([]trialJSON, error) {
	spec, err := program.Specs.Get(v.state)
	if err != nil {
		return nil, fmt.Errorf("read programme: %w", err)
	}
	comp, err := research.Competitions.Get(v.state, uint32(v.at))
	if err != nil {
		return nil, err
	}
	text, err := research.Texts.Get(v.state, uint32(v.at.Rung()))
	if err != nil {
		return nil, missing(err, "the corpus of rung %d is not named yet", v.at.Rung())
	}
	reader, err := corpus.Open(ctx, v.conn.Blobs, text.Corpus)
	if err != nil {
		return nil, err
	}
	rows := []trialJSON{}
	for i, n := range names {
		row, err := v.one(ctx, spec, comp, reader, n)
		if err != nil {
			return nil, err
		}
		verdict := "equal"
		if !row.Equal {
			verdict = "DIFFERENT"
		}
		v.cli.note("trial %d of %d: %s: %s", i+1, len(names), n, verdict)
		rows = append(rows, row)
	}
	return rows, nil
}

func (v *verifier) one(ctx context.Context, spec program.Spec, comp research.Competition, reader *corpus.Reader, n trial.Name) (trialJSON, error) {
	have, err := research.Trials.Get(v.state, uint32(v.at), n.Stage, n.Recipe[:], n.Seed)
	if err != nil {
		return trialJSON{}, err
	}
	recipe, err := research.Contents.Get(v.state, n.Recipe[:])
	if err != nil {
		return trialJSON{}, fmt.Errorf("read recipe %s: %w", n.Recipe.Short(), err)
	}
	task, err := trial.TaskOf(v.conn.Ledger.ChainID(), spec, v.at, recipe, n, comp.Draw)
	if err != nil {
		return trialJSON{}, err
	}
	if task, err = task.Asking(v.state, n, comp); err != nil {
		return trialJSON{}, err
	}
	if task, err = task.Begun(ctx, v.state, v.conn.Ledger.ChainID(), v.conn.Blobs, reader.Hash()); err != nil {
		return trialJSON{}, err
	}
	got, err := trial.Run(ctx, native.New(v.threads), trial.OfCorpus(reader), task, nil)
	if err != nil {
		return trialJSON{}, err
	}
	documents := got.Losses[:len(got.Losses)-task.Answers()]
	row := trialJSON{Stage: n.Stage, Recipe: n.Recipe, Seed: n.Seed, Weights: have.Weights, Again: got.Weights, Documents: len(documents),
		Equal: got.Weights == have.Weights && slices.Equal(got.Losses, have.Losses)}
	for _, l := range documents {
		row.Loss += float64(l) / 1e6 / float64(task.Window) / float64(len(documents))
	}
	return row, nil
}
