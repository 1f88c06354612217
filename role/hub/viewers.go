package hub

import "github.com/crescendo-network/crescendo/role/hub/live"

// Viewers is how many browsers have a page open that updates itself.
func (h *Hub) Viewers() int { return h.live.Viewers() }

// Deliveries tells how late they were given updates.
func (h *Hub) Deliveries() []live.Delivered { return h.live.Deliveries() }
