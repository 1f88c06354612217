package program_test

import (
	"github.com/cockroachdb/datadriven"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/governance"
)

// governed makes the messages of holders.
func governed(d *datadriven.TestData, who crescendo.Account, rung crescendo.RungID) crescendo.Message {
	switch d.Cmd {
	case "propose":
		deposit := testSpec().Governance.Deposit
		return &governance.MsgPropose{Sender: who, Rung: rung, Kind: text(d, "kind", governance.Halt), Text: text(d, "text", ""),
			Deposit: crescendo.Amount(number(d, "deposit", uint64(deposit)))}
	case "yes", "no":
		return &governance.MsgVote{Sender: who, Proposal: number(d, "proposal", 1), Yes: d.Cmd == "yes"}
	}
	return nil
}
