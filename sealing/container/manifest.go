package container

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
)

// Manifest is the public description of a sealed model, a blob that the ledger
// names beside the container. It holds nothing that a guess at the weights
// could be checked against.
type Manifest struct {
	Version   uint32           `pb:"1"` // 1
	Chain     string           `pb:"2"`
	Rung      crescendo.RungID `pb:"3"`
	Seal      uint32           `pb:"4"` // version of the rung's sealed model
	Container crescendo.Hash   `pb:"5"`
	Size      uint64           `pb:"6"` // bytes of the container
	Base      crescendo.Hash   `pb:"7"`
	Corpus    crescendo.Hash   `pb:"8"`
	KeyCheck  crescendo.Hash   `pb:"9"`
	Tokenizer crescendo.Hash   `pb:"10"` // tokenizer.json blob
	Shape     string           `pb:"11"` // JSON, as engine.Shape marshals
	Licence   string           `pb:"12"` // of the corpus
	Steps     uint32           `pb:"13"` // done inside the vault
}

// Encode returns the manifest's blob.
func (m Manifest) Encode() []byte { return canon.Encode(m) }

// ParseManifest reads a manifest blob.
func ParseManifest(data []byte) (Manifest, error) {
	var m Manifest
	if len(data) > 64<<10 {
		return m, fmt.Errorf("manifest of %d bytes: %w", len(data), ErrCorrupt)
	}
	if err := canon.Decode(data, &m); err != nil {
		return m, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if m.Version != 1 {
		return m, fmt.Errorf("manifest version %d, want 1: %w", m.Version, ErrCorrupt)
	}
	return m, nil
}
