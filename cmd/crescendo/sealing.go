package main

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/spf13/cobra"
)

type sealJSON struct {
	Rung      uint32           `json:"rung"`
	Policy    string           `json:"policy"`
	Version   uint32           `json:"version"`
	Vault     crescendo.Hash   `json:"vault"`
	Base      crescendo.Hash   `json:"base"`
	Container crescendo.Hash   `json:"container"`
	Manifest  crescendo.Hash   `json:"manifest"`
	Steps     uint32           `json:"steps"`
	Loss      float64          `json:"loss"` // by the vault's word, nats per held-out token
	MayOpen   bool             `json:"may_open"`
	Opened    bool             `json:"opened"`
	Height    crescendo.Height `json:"height"`
}

type vaultJSON struct {
	Vault       crescendo.Hash    `json:"vault"`
	Operator    crescendo.Account `json:"operator"`
	Measurement string            `json:"measurement"`
	Kind        string            `json:"kind"`
	Assurance   string            `json:"assurance"`
	Denied      bool              `json:"denied"`
}

func (c *cli) seals() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "show --rung N", Short: "Show a sealed model, the vaults and what is on the policy", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			out := struct {
				Seal         *sealJSON   `json:"seal"`
				Vaults       []vaultJSON `json:"vaults"`
				Measurements []string    `json:"measurements"`
			}{nil, []vaultJSON{}, []string{}}
			s, err := sealing.Seals.Get(state, r.rung)
			if err == nil {
				out.Seal = &sealJSON{r.rung, s.Policy, s.Version, s.Vault, s.Base, s.Container, s.Manifest, s.Steps,
					float64(s.Loss) / 1e6, s.MayOpen, len(s.Key) > 0, s.Height}
			} else if _, err := kv.Optional(s, err); err != nil {
				return err
			}
			if err := each(state, sealing.Vaults, func(rest []byte, v sealing.Vault) {
				out.Vaults = append(out.Vaults, vaultJSON{hashPart(rest), v.Operator, hex.EncodeToString(v.Measurement), v.Kind, v.Assurance, v.Denied})
			}); err != nil {
				return err
			}
			if err := each(state, sealing.Measurements, func(rest []byte, m sealing.Measurement) {
				if !m.Denied {
					out.Measurements = append(out.Measurements, hex.EncodeToString(rest))
				}
			}); err != nil {
				return err
			}
			return c.print(out, func(w writer) {
				if s := out.Seal; s != nil {
					fmt.Fprintf(w, "rung %d: %s, version %d, container %s, loss %.3f by the vault's word\n", s.Rung, s.Policy, s.Version, s.Container, s.Loss)
				}
				for _, v := range out.Vaults {
					fmt.Fprintf(w, "vault %s of %s: %s (%s)\n", v.Vault.Short(), v.Operator, v.Kind, v.Assurance)
				}
				for _, m := range out.Measurements {
					fmt.Fprintf(w, "allowed %s\n", m)
				}
			})
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	return cmd
}

func (c *cli) allow() *cobra.Command {
	var r remote
	var vault string
	var deny bool
	cmd := &cobra.Command{
		Use: "allow --vault PROGRAM [--deny]", Short: "Put a vault program on the sealing policy, or take it off (organiser)", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if vault == "" {
				return usagef("--vault is missing").hinted("name the crescendo-vault program to measure")
			}
			m, err := node.MeasureVault(vault)
			if err != nil {
				return err
			}
			return c.submit(cmd.Context(), &r, func(_ context.Context, _ *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				return one(&sealing.MsgAllow{Sender: me, Measurement: m, Deny: deny})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	cmd.Flags().StringVar(&vault, "vault", "", "program file to measure")
	cmd.Flags().BoolVar(&deny, "deny", false, "take it off the policy at once")
	return cmd
}

func (c *cli) appoint() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "appoint ACCOUNT", Short: "Appoint a keeper of keys (organiser)", Args: arguments("ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.submit(cmd.Context(), &r, func(_ context.Context, _ *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				return one(&sealing.MsgRegisterKeeper{Sender: me, Keeper: crescendo.Account(args[0])})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	return cmd
}
