package main

import (
	"encoding/binary"
	"fmt"
	"text/tabwriter"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
	"github.com/spf13/cobra"
)

type entryJSON struct {
	Recipe  crescendo.Hash    `json:"recipe"`
	Name    string            `json:"name"`
	Author  crescendo.Account `json:"author"`
	Order   uint32            `json:"order"`
	Parents []crescendo.Hash  `json:"parents"`
	Bond    crescendo.Amount  `json:"bond"`
	Stage   uint32            `json:"stage"`
	Out     string            `json:"out"`
	CopyOf  *crescendo.Hash   `json:"copy_of"`
	Adopted bool              `json:"adopted"`
	Kept    bool              `json:"kept"`
}

type competitionJSON struct {
	Rung      uint32           `json:"rung"`
	Season    bool             `json:"season,omitempty"`
	Phase     string           `json:"phase"`
	Stage     uint32           `json:"stage"`
	Deadline  crescendo.Height `json:"deadline"`
	Committed uint32           `json:"committed"`
	Revealed  uint32           `json:"revealed"`
	Runners   uint32           `json:"runners"`
	Trials    uint32           `json:"trials"`
	Open      uint32           `json:"open_trials"`
	Entries   []entryJSON      `json:"entries"`
}

func (c *cli) entries() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "entries --rung N", Short: "Show a rung's competition and what takes part in it", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			comp, err := research.Competitions.Get(state, r.contestKey())
			if err != nil {
				return noContest(err, r.contest())
			}
			out := competitionJSON{r.rung, r.season, comp.Phase.String(), comp.Stage, comp.Deadline, comp.Committed, comp.Revealed, comp.Runners,
				comp.Trials, comp.Open, []entryJSON{}}
			var failed error
			err = each(state, research.Entries, func(rest []byte, e research.Entry) {
				j, err := entryOf(state, hashPart(rest), e)
				if err != nil {
					failed = err
				}
				out.Entries = append(out.Entries, j)
			}, r.contestKey())
			if err != nil || failed != nil {
				return fmt.Errorf("list entries: %w", firstOf(err, failed))
			}
			return c.print(out, func(w writer) { writeEntries(w, out) })
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	r.seasonFlag(cmd)
	return cmd
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func entryOf(state kv.Reader, id crescendo.Hash, e research.Entry) (entryJSON, error) {
	recipe, err := kv.Optional(research.Contents.Get(state, id[:]))
	j := entryJSON{Recipe: id, Name: recipe.Name, Author: e.Author, Order: e.Order, Parents: e.Parents, Bond: e.Bond, Stage: e.Stage,
		Out: e.Out, Adopted: e.Adopted, Kept: e.Kept}
	if j.Parents == nil {
		j.Parents = []crescendo.Hash{}
	}
	if !e.CopyOf.IsZero() {
		j.CopyOf = &e.CopyOf
	}
	return j, err
}

func writeEntries(w writer, c competitionJSON) {
	fmt.Fprintf(w, "%s: %s", research.ContestOf(crescendo.RungID(c.Rung), c.Season), c.Phase)
	if c.Phase == research.Trialling.String() {
		fmt.Fprintf(w, ", halving stage %d: %d of %d trials open, %d runners", c.Stage, c.Open, c.Trials, c.Runners)
	}
	fmt.Fprintf(w, "; %d entered, %d shown\n", c.Committed, c.Revealed)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "recipe\tname\tauthor\tstage\t")
	for _, e := range c.Entries {
		state := e.Out
		switch {
		case e.Adopted:
			state = "adopted"
		case e.Kept && e.Out == "":
			state = "kept"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\n", e.Recipe.Short(), e.Name, e.Author, e.Stage, state)
	}
	tw.Flush()
}

type boardJSON struct {
	Stage    uint32            `json:"stage"`
	Rank     uint32            `json:"rank"`
	Recipe   crescendo.Hash    `json:"recipe"`
	Name     string            `json:"name"`
	Author   crescendo.Account `json:"author"`
	Baseline bool              `json:"baseline"`
	Loss     float64           `json:"loss"` // nats per held-out token
	N        uint32            `json:"n"`
	Mean     float64           `json:"gain"` // over the baseline, paired
	Sigma    float64           `json:"sigma"`
	Low      float64           `json:"low"`
	High     float64           `json:"high"`
	Gap      float64           `json:"gap"` // behind the best, paired
	GapLow   float64           `json:"gap_low"`
	GapHigh  float64           `json:"gap_high"`
	Survives bool              `json:"survives"`
}

func (c *cli) leaderboard() *cobra.Command {
	var r remote
	var stage uint32
	cmd := &cobra.Command{
		Use: "leaderboard --rung N", Short: "Rank the recipes of a rung's competition", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			if _, err := research.Competitions.Get(state, r.contestKey()); err != nil {
				return noContest(err, r.contest())
			}
			rows, err := standingsOf(state, r.contestKey(), stage)
			if err != nil {
				return err
			}
			tasks, err := taskResultsOf(state, r.contest())
			if err != nil {
				return err
			}
			return c.print(contestJSON(&r, map[string]any{"standings": rows, "tasks": tasks}), func(w writer) {
				writeBoard(w, rows)
				writeTaskResults(w, tasks)
			})
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	r.seasonFlag(cmd)
	cmd.Flags().Uint32Var(&stage, "stage", 0, "halving stage, counted from 1 (default: all that are ranked, the last first)")
	return cmd
}

// standingsOf lists the ranked halving stages of a contest, the last one first.
func standingsOf(state kv.Reader, at, stage uint32) ([]boardJSON, error) {
	rows := []boardJSON{}
	for s := uint32(research.MaxStages); s >= 1; s-- {
		if stage != 0 && s != stage {
			continue
		}
		var failed error
		err := each(state, research.Standings, func(rest []byte, v research.Standing) {
			recipe, err := kv.Optional(research.Contents.Get(state, v.Recipe[:]))
			failed = firstOf(failed, err)
			rows = append(rows, boardJSON{s, binary.BigEndian.Uint32(rest), v.Recipe, recipe.Name, v.Author, v.Baseline, nats(int64(v.Loss)), v.N,
				nats(v.Mean), nats(int64(v.Sigma)), nats(v.Low), nats(v.High), nats(v.Gap), nats(v.GapLow), nats(v.GapHigh), v.Survives})
		}, at, s)
		if err := firstOf(err, failed); err != nil {
			return nil, fmt.Errorf("list standings: %w", err)
		}
	}
	return rows, nil
}

func nats(micro int64) float64 { return float64(micro) / 1e6 }

func writeBoard(w writer, rows []boardJSON) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "no halving stage has been ranked yet")
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "stage\trank\trecipe\tname\tloss\tgain\t95 % bounds\tsigma\tn\t")
	for _, v := range rows {
		mark := ""
		switch {
		case v.Baseline:
			mark = "baseline"
		case v.Survives:
			mark = "goes on"
		}
		fmt.Fprintf(tw, "%d\t%d\t%s\t%s\t%.4f\t%+.4f\t%+.4f to %+.4f\t%.4f\t%d\t%s\n", v.Stage, v.Rank, v.Recipe.Short(), v.Name, v.Loss,
			v.Mean, v.Low, v.High, v.Sigma, v.N, mark)
	}
	tw.Flush()
	fmt.Fprintln(w, "loss in nats per held-out token; gain over the baseline on the same seeds and documents")
}
