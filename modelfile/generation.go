package modelfile

import (
	"encoding/json"
	"fmt"
)

// Generation names the special tokens of a model, by id. A nil pointer is none.
type Generation struct {
	BOS, Pad *int32
	EOS      []int32 // each ends an answer; the first ends a document
}

type generationFile struct {
	FromConfig bool            `json:"_from_model_config"`
	BOS        *int32          `json:"bos_token_id"`
	EOS        json.RawMessage `json:"eos_token_id"`
	Pad        *int32          `json:"pad_token_id"`
}

// eosJSON writes no id as null, one as a number and more as a list, as Hugging
// Face's library does.
func (g Generation) eosJSON() (json.RawMessage, error) {
	switch len(g.EOS) {
	case 0:
		return json.RawMessage("null"), nil
	case 1:
		return json.Marshal(g.EOS[0])
	}
	return json.Marshal(g.EOS)
}

func (g Generation) encode() ([]byte, error) {
	eos, err := g.eosJSON()
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(generationFile{false, g.BOS, eos, g.Pad}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", GenerationName, err)
	}
	return append(b, '\n'), nil
}

const maxEOS = 64

func decodeGeneration(b []byte) (Generation, error) {
	var f generationFile
	if err := json.Unmarshal(b, &f); err != nil {
		return Generation{}, fmt.Errorf("decode %s: %w", GenerationName, err)
	}
	g := Generation{BOS: f.BOS, Pad: f.Pad}
	if len(f.EOS) == 0 || string(f.EOS) == "null" {
		return g, nil
	}
	var one int32
	if json.Unmarshal(f.EOS, &one) == nil {
		g.EOS = []int32{one}
	} else if err := json.Unmarshal(f.EOS, &g.EOS); err != nil || len(g.EOS) > maxEOS {
		return Generation{}, fmt.Errorf("decode %s: eos_token_id is %.100s, want an id or a list of them", GenerationName, f.EOS)
	}
	return g, nil
}
