package hub

import (
	"errors"
	"fmt"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// Health is what /healthz answers.
type Health struct {
	Status  string           `json:"status"` // "ok", "behind" or "wrong"
	ChainID string           `json:"chain_id"`
	Height  crescendo.Height `json:"height"`
	Newest  crescendo.Height `json:"newest"`
	Viewers int              `json:"viewers"`
	Problem string           `json:"problem,omitempty"`
	Remedy  string           `json:"remedy,omitempty"`
}

// Limits after which a hub says that it is behind.
const (
	behindBlocks = 20
	staleAfter   = time.Minute
)

func (h *Hub) health() Health {
	out := Health{Status: "ok", Viewers: h.live.Viewers()}
	h.c.Model.Read(func(n record.Now) error {
		out.ChainID, out.Height, out.Newest = n.ChainID, n.Height, n.Target
		age := h.c.Now().Sub(time.UnixMilli(n.Time)).Round(time.Second)
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
		case n.Target > n.Height+behindBlocks:
			out.Status, out.Problem = "behind", fmt.Sprintf("%d blocks are still to be executed", n.Target-n.Height)
			out.Remedy = "wait: it catches up by itself"
		case n.Height > 0 && age > staleAfter:
			out.Status, out.Problem = "behind", fmt.Sprintf("the newest block is %s old", age)
			out.Remedy = "does the ledger still run? see its log"
		}
		return nil
	})
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
