package desk

import (
	"log/slog"
	"net/http"

	"github.com/crescendo-network/crescendo/role/hub/page"
)

// Reading is what is left of a desk where no ledger can be reached:
// transactions can be looked up, and whoever wants to act is told why he
// cannot.
type Reading struct{ desk *Desk }

// NewReading makes one.
func NewReading(frame Frame, past Transactions, log *slog.Logger) Reading {
	return Reading{&Desk{cfg: Config{Frame: frame, Archive: past, Log: log}, sent: &sentLog{}}}
}

// Routes adds its pages.
func (s Reading) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /tx", s.desk.findTx)
	mux.HandleFunc("GET /tx/{hash}", s.desk.txPage)
	mux.HandleFunc("GET "+staticPrefix, serveStatic)
	for _, path := range []string{"/login", "/account", "/playground", "/workshop", "/desk/{action}"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			s.desk.render(w, r, http.StatusOK, "Read-only", page.Refusal("Read-only",
				"This hub reaches no ledger of the programme, so nobody can log in or act here. All pages can be read.",
				"To act, use a hub of the programme while it runs; whoever runs this one starts it again then."))
		})
	}
}
