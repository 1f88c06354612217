package main

import (
	"fmt"

	"github.com/crescendo-network/crescendo/node"
	"github.com/spf13/cobra"
)

func (c *cli) model() *cobra.Command {
	return stage("model", "Take models out of a programme, convert them, bring them in", c.export(), c.convert(), c.importModel())
}

func (c *cli) export() *cobra.Command {
	var r remote
	var dir string
	var public bool
	cmd := &cobra.Command{
		Use: "export --rung N --out DIR [--public]", Short: "Write a model as a Hugging Face folder: opened weights, or a public checkpoint", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usagef("--out is missing").hinted("name a directory to write the model to")
			}
			conn, err := r.connect(cmd.Context())
			if err != nil {
				return err
			}
			if err := node.Export(cmd.Context(), conn, r.id(), dir, public); err != nil {
				return err
			}
			return c.print(map[string]any{"rung": r.rung, "directory": dir}, func(w writer) { fmt.Fprintf(w, "wrote rung %d to %s\n", r.rung, dir) })
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	cmd.Flags().StringVar(&dir, "out", "", "directory to write to")
	cmd.Flags().BoolVar(&public, "public", false, "export the newest public checkpoint, not the sealed model")
	return cmd
}
