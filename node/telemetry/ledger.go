package telemetry

import (
	"context"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
)

var ledgerFamilies = []family{
	{"crescendo_ledger_up", gauge, "1 if the ledger answered this process just now, with proofs.", nil},
	{"crescendo_ledger_height", gauge, "Newest block this process can verify.", nil},
}

// head is what is needed of a ledger here.
type head interface {
	Head(ctx context.Context) (ledger.Head, error)
}

// Ledger measures whether a process reaches its ledger, and how far that is.
func Ledger(l head) Source {
	return sourceOf(ledgerFamilies, func(ctx context.Context) []sample {
		h, err := l.Head(ctx)
		if err != nil {
			return []sample{{name: "crescendo_ledger_up"}}
		}
		return []sample{{name: "crescendo_ledger_up", value: 1}, {name: "crescendo_ledger_height", value: float64(h.Height)}}
	})
}

var archiveFamilies = []family{
	{"crescendo_archive_height", gauge, "Newest block that the archive has copied.", nil},
}

// Archive measures how far an archive has come.
func Archive(last func() crescendo.Height) Source {
	return sourceOf(archiveFamilies, func(context.Context) []sample {
		return []sample{{name: "crescendo_archive_height", value: float64(last())}}
	})
}
