package node

import (
	"context"
	"net/http"

	"github.com/crescendo-network/crescendo/node/telemetry"
	"github.com/crescendo-network/crescendo/role/archive"
	"github.com/crescendo-network/crescendo/role/hub"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// measures is the section of a hub that machines read: the hub's own process
// and the programme as its read model has it.
type measures struct{ handler http.Handler }

func measuresOf(m *record.Model, site *hub.Hub) measures {
	return measures{telemetry.Handler("hub", telemetry.Programme(m, site.Viewers), telemetry.Live(site.Deliveries))}
}

// Routes implements hub.Section.
func (m measures) Routes(mux *http.ServeMux) { mux.Handle("GET "+telemetry.Path, m.handler) }

// ArchiveHandler is all an archive serves, its measurements included.
func ArchiveHandler(a *archive.Archive) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", a.Handler())
	mux.Handle("GET "+telemetry.Path, telemetry.Handler("archive", telemetry.Archive(a.Last)))
	return mux
}

// measure serves the seat's measurements where it was told to, if anywhere.
func (s Seat) measure(ctx context.Context, c *Connection) error {
	if s.Metrics == "" {
		return nil
	}
	return telemetry.Serve(ctx, s.Metrics, telemetry.Handler(s.Role, telemetry.Ledger(c.Ledger)))
}
