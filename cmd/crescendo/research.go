package main

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/research"
	"github.com/spf13/cobra"
)

func (c *cli) research() *cobra.Command {
	return stage("research", "Enter recipes into a rung's competition, run its trials, see who leads",
		c.recipe(), c.task(), c.enter(), c.reveal(), c.entries(), c.leaderboard(), c.runTrials(), c.verify(),
		c.nameCorpus(), c.packShard(), c.register(), c.adopt(), c.recipes())
}

func (c *cli) register() *cobra.Command {
	var r remote
	var parents []string
	cmd := &cobra.Command{
		Use: "register FILE --rung N", Short: "Publish a recipe and enter it into a rung's competition", Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readFileArg(args[0])
			if err != nil {
				return err
			}
			var built []crescendo.Hash
			for _, p := range parents {
				h, err := crescendo.ParseHash(p)
				if err != nil {
					return usagef("--builds-on: %v", err)
				}
				built = append(built, h)
			}
			return c.submit(cmd.Context(), &r, func(ctx context.Context, conn *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				name, err := conn.Blobs.Put(ctx, data)
				if err != nil {
					return nil, fmt.Errorf("publish recipe: %w", err)
				}
				return one(&research.MsgRegister{Sender: me, Rung: r.id(), Recipe: name, Parents: built})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	cmd.Flags().StringSliceVar(&parents, "builds-on", nil, "registered recipes this one builds on, by hash")
	return cmd
}

func (c *cli) adopt() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "adopt RECIPE --rung N", Short: "Choose the recipe a rung is trained with (organiser)", Args: arguments("RECIPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := crescendo.ParseHash(args[0])
			if err != nil {
				return usagef("recipe: %v", err)
			}
			return c.submit(cmd.Context(), &r, func(_ context.Context, _ *node.Connection, me crescendo.Account) ([]crescendo.Message, error) {
				return one(&research.MsgAdopt{Sender: me, Rung: r.id(), Recipe: h})
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	return cmd
}

type recipeJSON struct {
	Recipe  crescendo.Hash    `json:"recipe"`
	Author  crescendo.Account `json:"author"`
	Height  crescendo.Height  `json:"height"`
	Adopted bool              `json:"adopted"`
}

func (c *cli) recipes() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "list --rung N", Aliases: []string{"show"}, Short: "List the recipes of a rung's competition", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, state, err := r.state(cmd.Context())
			if err != nil {
				return err
			}
			all := []recipeJSON{}
			err = each(state, research.Entries, func(rest []byte, v research.Entry) {
				all = append(all, recipeJSON{hashPart(rest), v.Author, v.Height, v.Adopted})
			}, r.contestKey())
			if err != nil {
				return err
			}
			return c.print(map[string]any{"recipes": all}, func(w writer) {
				for _, v := range all {
					mark := "       "
					if v.Adopted {
						mark = "adopted"
					}
					fmt.Fprintf(w, "%s  %s  by %s\n", mark, v.Recipe, v.Author)
				}
			})
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	r.seasonFlag(cmd)
	return cmd
}
