package desk_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/desk"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// bare is a frame around nothing.
type bare struct{}

func (bare) View(*http.Request, string) page.View { return page.View{} }

func (bare) Render(w http.ResponseWriter, r *http.Request, status int, v page.View, body templ.Component) {
	w.WriteHeader(status)
	body.Render(r.Context(), w)
}

// oneTx knows one transaction.
type oneTx struct{ hash string }

func (o oneTx) Transaction(_ context.Context, hash string) (desk.Transaction, error) {
	if hash != o.hash {
		return desk.Transaction{}, crescendo.Errorf(crescendo.CodeNotFound, "no transaction %s", hash)
	}
	return desk.Transaction{Hash: hash, Height: 7, Signer: "cresc1somebody"}, nil
}

// TestWithoutALedger looks transactions up, and is told politely about the
// rest, at a hub that reaches no ledger.
func TestWithoutALedger(t *testing.T) {
	hash := strings.Repeat("AB", 32)
	mux := http.NewServeMux()
	desk.NewReading(bare{}, oneTx{hash}, nil).Routes(mux)
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/tx/" + hash, http.StatusOK, "cresc1somebody"},
		{"GET", "/tx/" + strings.ToLower(hash), http.StatusOK, "cresc1somebody"},
		{"GET", "/tx/" + strings.Repeat("CD", 32), http.StatusNotFound, "no transaction"},
		{"GET", "/tx", http.StatusOK, "Find a transaction"},
		{"GET", "/login", http.StatusOK, "reaches no ledger"},
		{"GET", "/playground", http.StatusOK, "reaches no ledger"},
		{"GET", "/desk/fund", http.StatusOK, "reaches no ledger"},
		{"POST", "/desk/fund", http.StatusMethodNotAllowed, ""},
		{"POST", "/login/demo", http.StatusNotFound, ""},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: status %d, want %d and %q:\n%s", c.method, c.path, w.Code, c.status, c.says, w.Body)
		}
	}
}
