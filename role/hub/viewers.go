package hub

// Viewers is how many browsers have a page open that updates itself.
func (h *Hub) Viewers() int { return h.live.Viewers() }
