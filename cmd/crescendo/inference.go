package main

import (
	"encoding/binary"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/spf13/cobra"
)

type sessionJSON struct {
	Session  uint64            `json:"session"`
	Rung     crescendo.RungID  `json:"rung"`
	Client   crescendo.Account `json:"client"`
	Operator crescendo.Account `json:"operator"`
	Vault    crescendo.Hash    `json:"vault"`
	Escrow   crescendo.Amount  `json:"escrow"`
	Settled  crescendo.Amount  `json:"settled"`
	Requests uint64            `json:"requests"`
	Input    uint64            `json:"input_tokens"`
	Output   uint64            `json:"output_tokens"`
	Closed   bool              `json:"closed"`
	Weights  string            `json:"weights"` // what answers are computed with
}

func (c *cli) sessions() *cobra.Command {
	var r remote
	var client string
	cmd := &cobra.Command{
		Use: "sessions [--account ADDRESS]", Short: "List inference sessions", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			all := []sessionJSON{}
			err = each(state, inference.Sessions, func(rest []byte, s inference.Session) {
				if client != "" && string(s.Client) != client || len(rest) < 8 {
					return
				}
				all = append(all, sessionJSON{binary.BigEndian.Uint64(rest), s.Rung, s.Client, s.Operator, s.Vault, s.Escrow, s.Settled,
					s.Requests, s.Input, s.Output, s.Closed, inference.WeightsName(s.Weights)})
			})
			if err != nil {
				return err
			}
			return c.print(map[string]any{"sessions": all}, func(w writer) {
				for _, s := range all {
					state := "open"
					if s.Closed {
						state = "closed"
					}
					fmt.Fprintf(w, "session %d  rung %d  %s  %d requests, %d + %d tokens, %s of %s settled, %s, %s\n",
						s.Session, s.Rung, s.Client, s.Requests, s.Input, s.Output, s.Settled, s.Escrow, s.Weights, state)
				}
			})
		},
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&client, "account", "", "only the sessions of this client")
	return cmd
}
