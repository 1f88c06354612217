package main

import (
	"github.com/crescendo-network/crescendo/research"
	"github.com/spf13/cobra"
)

// seasonFlag adds --season to a command about competitions.
func (r *remote) seasonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.season, "season", false, "the season of newcomers that opens with the rung's raise, not the rung's own competition")
}

// contest is the competition that the flags name.
func (r *remote) contest() research.Contest { return research.ContestOf(r.id(), r.season) }

// contestKey is the first part of the keys of what is stored about it.
func (r *remote) contestKey() uint32 { return uint32(r.contest()) }

// noContest explains that a competition has not been opened.
func noContest(err error, at research.Contest) error {
	if at.IsSeason() {
		return missing(err, "rung %d has no season yet: seasons open with the raises of later rungs", at.Rung())
	}
	return missing(err, "rung %d has no competition yet", at.Rung())
}

// contestJSON says which competition an object is about.
func contestJSON(r *remote, object map[string]any) map[string]any {
	object["rung"] = r.rung
	if r.season {
		object["season"] = true
	}
	return object
}
