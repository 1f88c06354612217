package main

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/crescendo-network/crescendo/node/plan"
	"github.com/crescendo-network/crescendo/node/report"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/training/outer"
	"github.com/spf13/cobra"
)

func (c *cli) program() *cobra.Command {
	return stage("program", "Check and plan programmes, open raises, see where rungs stand",
		c.checkProgramme(), c.planProgramme(), c.openRaise(), c.showProgramme())
}

type checkedRung struct {
	Rung               int              `json:"rung"`
	Name               string           `json:"name"`
	Parameters         uint64           `json:"parameters"`
	Tokens             uint64           `json:"tokens"`
	TokensPerParameter float64          `json:"tokens_per_parameter"`
	Raise              crescendo.Amount `json:"raise"`
	Weights            string           `json:"weights"`
	Start              string           `json:"start"`                       // seed, previous or checkpoint
	ActiveParameters   uint64           `json:"active_parameters,omitempty"` // that a token uses, of a mixture of experts only
}

// startNames are the starts of rungs in words.
var startNames = map[string]string{program.FromSeed: "its seed", program.FromPrevious: "the rung before, grown", program.FromCheckpoint: "a named checkpoint"}

// expertsText is what a line says of a mixture of experts.
func expertsText(active uint64) string {
	if active == 0 {
		return ""
	}
	return fmt.Sprintf("  a mixture of experts: a token uses %d parameters", active)
}

func (c *cli) checkProgramme() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Check a programme file and list its rungs", Args: arguments("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			spec, _, err := programfile.Load(args[0])
			if err != nil {
				return err
			}
			rungs := []checkedRung{}
			for i, r := range spec.Rungs {
				tokens := r.Tokens(r.Training.Seats)
				n := spec.Parameters(i)
				c := checkedRung{i + 1, r.Name, n, tokens, float64(tokens) / float64(n), r.Raise.HardCap, r.Sealing.Policy, r.Start.Kind(), 0}
				if r.Model.Mixture() {
					c.ActiveParameters = spec.ActiveParameters(i)
				}
				rungs = append(rungs, c)
			}
			return c.print(map[string]any{"programme": spec.Name, "rungs": rungs}, func(w writer) {
				for _, r := range rungs {
					fmt.Fprintf(w, "rung %d  %-8s %16d parameters  %18d tokens with every seat taken  raise up to %s  %s  starts from %s%s\n",
						r.Rung, r.Name, r.Parameters, r.Tokens, r.Raise, r.Weights, startNames[r.Start], expertsText(r.ActiveParameters))
				}
			})
		},
	}
}

// thisMachine measures the machine on the programme's first model, or on a
// small one where that is too large to try.
func thisMachine(spec program.Spec) (plan.Machine, error) {
	m := plan.Machine{Cores: machine.Cores(), Memory: machine.Memory()}
	shape := outer.ShapeOf(spec.Rungs[0].Model, spec.Corpus.Vocabulary)
	if shape.Parameters() > 4_000_000 {
		shape = outer.ShapeOf(program.Model{Dim: 128, Layers: 4, Heads: 4, KVHeads: 4, FFN: 352, Context: 128, Tied: true}, 4096)
	}
	var err error
	m.FLOPS, err = plan.Measure(native.New(1), shape)
	return m, err
}

func (c *cli) openRaise() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "open --rung N", Short: "Open the raise of an announced rung (organiser)", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.submit(cmd.Context(), &r, func(_ context.Context, _ *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				return one(&program.MsgOpenRaise{Sender: me, Rung: r.id()})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	return cmd
}

func (c *cli) showProgramme() *cobra.Command {
	var r remote
	var losses bool
	cmd := &cobra.Command{
		Use: "show", Short: "Show where every rung stands", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			spec, err := program.Specs.Get(state)
			if err != nil {
				return err
			}
			var measure report.Losses
			if losses {
				measure = report.HeldOut{Blobs: conn.Blobs, Engine: native.New(machine.Cores())}
			}
			rungs := []report.Rung{}
			for i := range spec.Rungs {
				one, err := report.RungOf(cmd.Context(), state, spec, crescendo.RungID(i+1), measure)
				if err != nil {
					return err
				}
				rungs = append(rungs, one)
			}
			out := map[string]any{"chain_id": conn.Programme.ChainID, "programme": spec.Name, "height": state.Height(), "rungs": rungs}
			return c.print(out, func(w writer) {
				fmt.Fprintf(w, "%s on %s, block %d\n", spec.Name, conn.Programme.ChainID, state.Height())
				for _, r := range rungs {
					fmt.Fprintf(w, "rung %d  %-8s %-10s %12d parameters, %s raised, %d rounds, %d tokens, %d requests, %s earned\n",
						r.Rung, r.Name, r.Stage, r.Parameters, r.Raised, r.Rounds, r.Tokens, r.Requests, r.Revenue)
				}
			})
		},
	}
	r.flags(cmd)
	cmd.Flags().BoolVar(&losses, "losses", false, "measure the first and the newest checkpoint on held-out text")
	return cmd
}
