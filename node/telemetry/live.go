package telemetry

import (
	"context"
	"strconv"

	"github.com/crescendo-network/crescendo/role/hub/live"
)

var liveFamilies = []family{
	{"crescendo_hub_deliveries_total", counter, "Updates of live pages handed to the network for one viewer, that took longer than so many milliseconds after they were made.", []string{"over_ms"}},
}

// Live measures how late a hub's live pages are.
func Live(deliveries func() []live.Delivered) Source {
	return sourceOf(liveFamilies, func(context.Context) []sample {
		var out []sample
		for _, d := range deliveries() {
			out = append(out, sample{"crescendo_hub_deliveries_total", []string{strconv.FormatInt(d.Over.Milliseconds(), 10)}, float64(d.Count)})
		}
		return out
	})
}
