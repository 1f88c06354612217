package main

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/spf13/cobra"
)

type evaluatorJSON struct {
	Account crescendo.Account `json:"account"`
	Name    string            `json:"name"`
	Bond    crescendo.Amount  `json:"bond"`
	Earned  crescendo.Amount  `json:"earned"`
	Burned  crescendo.Amount  `json:"burned"`
}

type standingJSON struct {
	Rank    int               `json:"rank"`
	Trainer crescendo.Account `json:"trainer"`
	Mean    float64           `json:"mean_gain"` // nats per target and round
	Lower   float64           `json:"lower"`
	Upper   float64           `json:"upper"`
	Tokens  uint64            `json:"tokens"`
	Rounds  uint32            `json:"rounds"`
	Kept    bool              `json:"kept"`
	Reason  string            `json:"reason"`
}

func (c *cli) standings() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "show --rung N", Short: "Show evaluators and the ranking of a finished rung", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			evaluators, standings := []evaluatorJSON{}, []standingJSON{}
			err = each(state, evaluation.Evaluators, func(rest []byte, e evaluation.Evaluator) {
				evaluators = append(evaluators, evaluatorJSON{accountPart(rest), e.Name, e.Bond, e.Earned, e.Burned})
			})
			if err != nil {
				return err
			}
			err = each(state, evaluation.Standings, func(_ []byte, s evaluation.Standing) {
				standings = append(standings, standingJSON{len(standings) + 1, s.Trainer, float64(s.Mean) / 1e6, float64(s.Lower) / 1e6,
					float64(s.Upper) / 1e6, s.Tokens, s.Rounds, s.Kept, s.Reason})
			}, r.rung)
			if err != nil {
				return err
			}
			return c.print(map[string]any{"evaluators": evaluators, "standings": standings}, func(w writer) {
				for _, e := range evaluators {
					fmt.Fprintf(w, "evaluator %-12s %s  bond %s, earned %s\n", e.Name, e.Account, e.Bond, e.Earned)
				}
				for _, s := range standings {
					verdict := "kept"
					if !s.Kept {
						verdict = "dropped: " + s.Reason
					}
					fmt.Fprintf(w, "%3d  %s  %.4f nats a round (%.4f to %.4f), %d tokens, %s\n", s.Rank, s.Trainer, s.Mean, s.Lower, s.Upper, s.Tokens, verdict)
				}
			})
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	return cmd
}
