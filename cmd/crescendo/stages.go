package main

import "github.com/spf13/cobra"

// stages lists the commands in the order of the loop.
func (c *cli) stages() []*cobra.Command {
	return []*cobra.Command{
		c.up(),
		c.program(),
		c.funding(),
		c.governance(),
		c.research(),
		c.training(),
		stage("evaluation", "Score and replay training, see the ranking", c.evaluate(), c.standings()),
		stage("sealing", "Keep keys, run vaults, see sealed models", c.seals(), c.allow(), c.appoint(), c.keep(), c.relay()),
		c.inference(),
		c.revenue(),
		c.model(),
		c.engine(),
		c.audit(),
		c.why(),
		c.wallet(),
		c.archive(),
		c.hub(),
		c.doctor(),
		c.demo(),
	}
}

// stage groups the verbs of one stage.
func stage(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(verbs...)
	return cmd
}
