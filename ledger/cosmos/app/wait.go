package app

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/crescendo-network/crescendo/ledger/wire"
)

// maxWait bounds one answer; the RPC server gives a handler ten seconds.
const maxWait = 5 * time.Second

// commits tells waiting clients when a block has been committed, so that they
// need not ask again and again.
type commits struct {
	mu   sync.Mutex
	next chan struct{} // closed at the next commit
	any  bool          // there has been one since the node started
}

func (c *commits) started() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.any
}

func (c *commits) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = make(chan struct{})
	}
	return c.next
}

func (c *commits) happened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.any = true
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}

// CheckTx implements abci.Application. Until the node has made a block, the
// SDK checks signatures as if at genesis, with account number zero, and would
// refuse good transactions for a reason that misleads; the answer then is the
// one of a full mempool: try again.
func (a application) CheckTx(ctx context.Context, req *abci.RequestCheckTx) (*abci.ResponseCheckTx, error) {
	if !a.app.commits.started() {
		return &abci.ResponseCheckTx{
			Codespace: wire.SDKCodespace, Code: wire.SDKMempoolFull, Log: "the node has just started and made no block yet: try again",
		}, nil
	}
	return a.Application.CheckTx(ctx, req)
}

// serveWait answers once the height in the query has been committed.
func (a *App) serveWait(w http.ResponseWriter, r *http.Request) {
	want, err := strconv.ParseInt(r.URL.Query().Get("height"), 10, 64)
	if err != nil {
		http.Error(w, "height: want a number", http.StatusBadRequest)
		return
	}
	deadline := time.NewTimer(maxWait)
	defer deadline.Stop()
	for done := false; !done; {
		next := a.commits.wait()
		if a.LastBlockHeight() >= want {
			break
		}
		select {
		case <-next:
		case <-deadline.C:
			done = true
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	raw, err := json.Marshal(wire.WaitAnswer{Height: a.LastBlockHeight()})
	if err == nil {
		_, err = w.Write(raw)
	}
	if err != nil {
		return // the client has gone
	}
}
