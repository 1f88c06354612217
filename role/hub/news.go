package hub

import (
	"context"

	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// news lists events as sentences, last first.
func (h *Hub) news(ctx context.Context, f record.Filter) ([]page.News, error) {
	events, err := h.c.Model.Events(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]page.News, 0, len(events))
	for _, e := range events {
		text, _ := h.c.Say.Line(e.Event)
		out = append(out, page.News{ID: e.ID, Height: e.Height, Time: e.Time, Tx: e.Tx, Kind: e.Event.Kind, Rung: e.Event.Rung, Text: text})
	}
	return out, nil
}
