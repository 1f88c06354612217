package main

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/training"
	"github.com/spf13/cobra"
)

func (c *cli) training() *cobra.Command {
	return stage("training", "Train in a rung, start it, follow its rounds", c.join(), c.startTraining(), c.runs(), c.rounds())
}

type runJSON struct {
	Rung       uint32           `json:"rung"`
	Phase      string           `json:"phase"`
	Round      crescendo.Round  `json:"round"`
	Attempt    uint32           `json:"attempt"`
	Void       uint32           `json:"void_rounds"`
	Base       crescendo.Hash   `json:"base"`
	Final      crescendo.Hash   `json:"final"`
	Corpus     crescendo.Hash   `json:"corpus"`
	Purse      crescendo.Amount `json:"purse"`
	PerRound   crescendo.Amount `json:"per_round"`
	Members    []memberJSON     `json:"members"`
	OpenAudits uint32           `json:"open_windows"`
}

type memberJSON struct {
	Account  crescendo.Account `json:"account"`
	Name     string            `json:"name"`
	Joined   crescendo.Round   `json:"joined"`
	Rounds   uint32            `json:"rounds"`
	Missed   uint32            `json:"missed"`
	Tokens   uint64            `json:"tokens"`
	Verified uint64            `json:"verified_tokens"`
	Bond     crescendo.Amount  `json:"bond"`
	Escrow   crescendo.Amount  `json:"escrow"`
	Paid     crescendo.Amount  `json:"paid"`
	Burned   crescendo.Amount  `json:"burned"`
	Left     bool              `json:"left"`
	Fault    string            `json:"fault"`
}

func (c *cli) runs() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "show --rung N", Short: "Show a rung's training and its members", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			run, err := training.Runs.Get(state, r.rung)
			if err != nil {
				return missing(err, "rung %d does not train yet", r.rung)
			}
			out := runJSON{r.rung, run.Phase.String(), run.Round, run.Attempt, run.Voids, run.Base, run.Final, run.Corpus,
				run.Purse, run.PerRound, []memberJSON{}, run.Open}
			err = each(state, training.Members, func(rest []byte, m training.Member) {
				out.Members = append(out.Members, memberJSON{accountPart(rest), m.Name, m.Joined, m.Rounds, m.Missed, m.Tokens, m.Verified,
					m.Bond, m.Escrow, m.Paid, m.Burned, m.Left, m.Fault})
			}, r.rung)
			if err != nil {
				return err
			}
			return c.print(out, func(w writer) {
				fmt.Fprintf(w, "rung %d: %s, round %d, base %s\n", out.Rung, out.Phase, out.Round, out.Base.Short())
				for _, m := range out.Members {
					fmt.Fprintf(w, "  %-12s %s  %d rounds, %d tokens, escrow %s, paid %s", m.Name, m.Account, m.Rounds, m.Tokens, m.Escrow, m.Paid)
					if m.Fault != "" {
						fmt.Fprintf(w, ", expelled: %s", m.Fault)
					}
					fmt.Fprintln(w)
				}
			})
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	return cmd
}

type roundJSON struct {
	Round      crescendo.Round  `json:"round"`
	Attempt    uint32           `json:"attempt"`
	Base       crescendo.Hash   `json:"base"`
	Update     crescendo.Hash   `json:"update"`
	Checkpoint crescendo.Hash   `json:"checkpoint"`
	Included   uint32           `json:"included"`
	Tokens     uint64           `json:"tokens"`
	Loss       float64          `json:"loss"` // of the base, nats per held-out token
	Height     crescendo.Height `json:"height"`
}

func (c *cli) rounds() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "rounds --rung N", Short: "List the closed rounds of a rung", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			all := []roundJSON{}
			err = each(state, training.Rounds, func(_ []byte, v training.Closed) {
				all = append(all, roundJSON{crescendo.Round(len(all) + 1), v.Attempt, v.Base, v.Update, v.Checkpoint, v.Included, v.Tokens,
					float64(v.Before) / 1e6 / float64(max(1, v.Targets)), v.Height})
			}, r.rung)
			if err != nil {
				return err
			}
			return c.print(map[string]any{"rounds": all}, func(w writer) {
				for _, v := range all {
					fmt.Fprintf(w, "round %3d  loss %.3f  %d payloads, %d tokens  -> %s\n", v.Round, v.Loss, v.Included, v.Tokens, v.Checkpoint.Short())
				}
			})
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	return cmd
}
