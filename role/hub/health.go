package hub

import (
	"errors"
	"fmt"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// Health is what /healthz answers.
type Health struct {
	Status  string           `json:"status"` // "ok", "idle", "behind" or "wrong"
	ChainID string           `json:"chain_id"`
	Height  crescendo.Height `json:"height"`
	Newest  crescendo.Height `json:"newest"`
	Viewers int              `json:"viewers"`
	Age     int64            `json:"age_milliseconds"` // of the newest block
	Problem string           `json:"problem,omitempty"`
	Remedy  string           `json:"remedy,omitempty"`
}

// good reports whether the hub has all there is. A chain that has ended, or
// whose ledger stands still, leaves nothing to catch up with: that is for the
// ledger's own alarms.
func (h Health) good() bool { return h.Status == "ok" || h.Status == "idle" }

// Limits after which a hub says that it is behind.
const (
	behindBlocks = 20
	staleAfter   = time.Minute
	incomplete   = 1 // the newest block has no signatures before its successor has come
)

func (h *Hub) health() Health {
	var out Health
	h.c.Model.Read(func(n record.Now) error {
		out = healthOf(n, h.c.Now())
		return nil
	})
	out.Viewers = h.live.Viewers()
	return out
}

func healthOf(n record.Now, now time.Time) Health {
	out := Health{Status: "ok", ChainID: n.ChainID, Height: n.Height, Newest: n.Target}
	age := time.Duration(0)
	if n.Height > 0 {
		age = max(0, now.Sub(time.UnixMilli(n.Time)))
	}
	out.Age = age.Milliseconds()
	old, missing := age > staleAfter, n.Target-n.Height
	switch {
	case len(n.Wrong) > 0:
		out.Status, out.Problem = "wrong", "the chain's record is not what its rules give: "+n.Wrong[0]
		out.Remedy = "run `crescendo audit`; believe nothing of this chain until it passes"
	case errors.Is(n.Stopped, record.ErrChain):
		out.Status, out.Problem = "wrong", n.Stopped.Error()
		out.Remedy = "follow another archive of the same programme"
	case n.Stopped != nil:
		out.Status, out.Problem = "behind", n.Stopped.Error()
		out.Remedy = "the hub tries again by itself; is the archive still running?"
	case missing > behindBlocks, old && missing > incomplete:
		out.Status, out.Problem = "behind", fmt.Sprintf("%d blocks are still to be executed", missing)
		out.Remedy = "wait: it catches up by itself"
	case old:
		out.Status, out.Problem = "idle", fmt.Sprintf("there is no block after the one that is %s old", page.Span(out.Age))
		out.Remedy = "none is needed if the programme has ended; if not, see the ledger's log"
	}
	return out
}

// hintOf is the remedy an error carries.
func hintOf(err error) string {
	var e *crescendo.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}
