package modelfile

import "github.com/crescendo-network/crescendo/engine"

// ropeScaling is how Hugging Face's configs stretch the rotary embedding. Old ones
// say type, newer ones rope_type.
type ropeScaling struct {
	Type     string   `json:"rope_type,omitempty"`
	OldType  string   `json:"type,omitempty"`
	Factor   *decimal `json:"factor,omitempty"`
	Low      *decimal `json:"low_freq_factor,omitempty"`
	High     *decimal `json:"high_freq_factor,omitempty"`
	Original int      `json:"original_max_position_embeddings,omitempty"`
}

func (r *ropeScaling) kind() string {
	switch {
	case r == nil:
		return ""
	case r.Type != "":
		return r.Type
	}
	return r.OldType
}

// known reports whether the engine has this kind of scaling.
func (r *ropeScaling) known() bool {
	switch r.kind() {
	case "", "default", engine.RopeLinear, engine.RopeLlama3:
		return true
	}
	return false
}

// engineScaling translates; Shape.Validate checks the numbers.
func (r *ropeScaling) engineScaling() engine.RopeScaling {
	kind := r.kind()
	if kind == "" || kind == "default" {
		return engine.RopeScaling{}
	}
	number := func(d *decimal) float32 {
		if d == nil {
			return 0
		}
		return float32(*d)
	}
	s := engine.RopeScaling{Kind: kind, Factor: number(r.Factor)}
	if kind == engine.RopeLlama3 {
		s.LowFactor, s.HighFactor, s.Original = number(r.Low), number(r.High), r.Original
	}
	return s
}

// scaling is that of a config, in whichever place it says it.
func (c config) scaling() engine.RopeScaling {
	if c.RopeScaling != nil {
		return c.RopeScaling.engineScaling()
	}
	if c.RopeParams != nil {
		return c.RopeParams.engineScaling()
	}
	return engine.RopeScaling{}
}

// scalingOf says a shape's scaling, nil for none.
func scalingOf(s engine.Shape) *ropeScaling {
	e := s.RopeScaling
	if e == (engine.RopeScaling{}) {
		return nil
	}
	r := &ropeScaling{Type: e.Kind}
	factor, low, high := decimal(e.Factor), decimal(e.LowFactor), decimal(e.HighFactor)
	r.Factor = &factor
	if e.Kind == engine.RopeLlama3 {
		r.Low, r.High, r.Original = &low, &high, e.Original
	}
	return r
}
