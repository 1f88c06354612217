package planner

import (
	"bytes"
	"encoding/json"
)

// MarshalJSON writes assumptions as one object, by name, in their order.
func (all Assumptions) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, a := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(a.Name)
		if err != nil {
			return nil, err
		}
		b.Write(append(name, ':'))
		value, err := json.Marshal(a)
		if err != nil {
			return nil, err
		}
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// MarshalJSON writes a choice by its name, and numbers with their bounds.
func (a Assumption) MarshalJSON() ([]byte, error) {
	if len(a.Choices) > 0 {
		return json.Marshal(struct {
			Value   string   `json:"value"`
			Default string   `json:"default"`
			Choices []string `json:"choices"`
			Meaning string   `json:"meaning"`
			Source  string   `json:"source"`
		}{a.Text(), a.Choices[int(a.Default)], a.Choices, a.Meaning, a.Source})
	}
	return json.Marshal(struct {
		Value   float64 `json:"value"`
		Default float64 `json:"default"`
		Min     float64 `json:"min"`
		Max     float64 `json:"max"`
		Unit    string  `json:"unit"`
		Meaning string  `json:"meaning"`
		Source  string  `json:"source"`
	}{a.Value, a.Default, a.Min, a.Max, a.Unit, a.Meaning, a.Source})
}
