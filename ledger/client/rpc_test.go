package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/crescendo-network/crescendo/ledger"
)

// A node closes a connection that was idle while the next question is on its
// way: reads are asked again on a new one, and transactions are not sent twice
// without anybody knowing.
func TestConnectionClosedUnderAQuestion(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 1 { // the next one finds this connection idle
			fmt.Fprint(w, `{"result": {"height": "5"}}`)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	}))
	defer server.Close()
	for method, again := range map[string]bool{"abci_query": true, "status": true, broadcast: false} {
		asked.Store(0)
		r := newRPC(server.URL)
		var answer struct{ Height string }
		if err := r.call(t.Context(), method, nil, &answer); err != nil || answer.Height != "5" {
			t.Fatalf("%s: %+v, %v", method, answer, err)
		}
		err := r.call(t.Context(), method, nil, &answer)
		if again && (err != nil || asked.Load() != 3) {
			t.Errorf("%s on a connection that was closed: %v after %d requests, want another that is answered", method, err, asked.Load())
		}
		if !again && (!errors.Is(err, ledger.ErrUnavailable) || asked.Load() != 2) {
			t.Errorf("%s on a connection that was closed: %v after %d requests", method, err, asked.Load())
		}
	}
}
