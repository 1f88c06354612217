package corpus

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// Bounds of a manifest, for those who read one from a stranger.
const (
	MaxManifestBytes = 16 << 20
	maxShards        = 1 << 16
	maxContext       = 1 << 20
	manifestVersion  = 2 // the first to name indexes
)

// Manifest describes a packed corpus completely. Its canonical JSON is a blob,
// whose hash stands for the corpus: keys in the order below, which is
// alphabetical, integers, no white space.
type Manifest struct {
	// BigramMicroBitsPerByte is the baseline: see BigramMicroBits.
	BigramMicroBitsPerByte int64          `json:"bigram_micro_bits_per_byte"`
	Context                int            `json:"context"` // of the windows, in tokens
	HeldOut                Part           `json:"held_out"`
	Licence                Licence        `json:"licence"`
	Recipe                 Recipe         `json:"recipe"`
	Root                   crescendo.Hash `json:"root"` // over the shards of train, then of held_out
	Source                 string         `json:"source"`
	Tokenizer              crescendo.Hash `json:"tokenizer"` // blob of a tokenizer.json
	Train                  Part           `json:"train"`
	Version                int            `json:"version"`
	Vocab                  int            `json:"vocab"`
}

// Part describes one split.
type Part struct {
	Bytes     int64          `json:"bytes"` // of UTF-8 text, separators not counted
	Documents int            `json:"documents"`
	Index     crescendo.Hash `json:"index"` // blob of the Index
	Shards    []ShardName    `json:"shards"`
	Tokens    int64          `json:"tokens"`
}

// ShardName names the blob of a shard.
type ShardName struct {
	Blob   crescendo.Hash `json:"blob"`
	Tokens int            `json:"tokens"`
}

// Licence says under which terms the documents may be used.
type Licence struct {
	Blob crescendo.Hash `json:"blob"` // the text
	SPDX string         `json:"spdx"` // licence identifier, NOASSERTION when not known
}

// Recipe holds what, besides the documents, decided the packing: with the same
// documents it gives the same manifest.
type Recipe struct {
	HeldOutPerMille int    `json:"held_out_per_mille"`
	MaxBytes        int64  `json:"max_bytes"`
	SampleBytes     int64  `json:"sample_bytes"`
	Seed            string `json:"seed"` // decimal; JSON numbers hold 53 bits only
	ShardTokens     int    `json:"shard_tokens"`
}

// Encode returns the canonical JSON.
func (m *Manifest) Encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// DecodeManifest reads what Encode wrote and refuses every other spelling, and
// numbers that do not fit together.
func DecodeManifest(data []byte) (*Manifest, error) {
	if len(data) > MaxManifestBytes {
		return nil, fmt.Errorf("decode manifest: %d bytes, limit %d", len(data), MaxManifestBytes)
	}
	m := new(Manifest)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	again, err := m.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("decode manifest: not in canonical form")
	}
	return m, nil
}

func (m *Manifest) check() error {
	switch {
	case m.Version != manifestVersion:
		return fmt.Errorf("version %d, this program reads %d", m.Version, manifestVersion)
	case m.Vocab < tokenizer.MinVocab || m.Vocab > tokenizer.MaxVocab:
		return fmt.Errorf("vocabulary of %d tokens", m.Vocab)
	case m.Context < 1 || m.Context > maxContext:
		return fmt.Errorf("context of %d tokens", m.Context)
	case m.BigramMicroBitsPerByte < 0:
		return fmt.Errorf("negative baseline")
	}
	for _, s := range []Split{Train, HeldOut} {
		if s == HeldOut && m.Contribution() {
			continue
		}
		if err := m.Part(s).check(m.Context); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	if root := Root(m.leaves()); root != m.Root {
		return fmt.Errorf("root %s, but the shards have %s", m.Root, root)
	}
	return nil
}

func (p *Part) check(context int) error {
	if len(p.Shards) > maxShards {
		return fmt.Errorf("%d shards, limit %d", len(p.Shards), maxShards)
	}
	if p.Bytes < 0 || p.Documents < 0 || p.Documents > maxDocuments {
		return fmt.Errorf("%d documents of %d bytes", p.Documents, p.Bytes)
	}
	var sum int64
	for i, s := range p.Shards {
		if s.Tokens < 1 || s.Tokens > MaxShardTokens {
			return fmt.Errorf("shard %d: %d tokens", i, s.Tokens)
		}
		sum += int64(s.Tokens)
	}
	if sum != p.Tokens {
		return fmt.Errorf("%d tokens, but the shards have %d", p.Tokens, sum)
	}
	if p.windows(context) < 1 {
		return fmt.Errorf("%d tokens do not fill one window of %d", p.Tokens, context+1)
	}
	return nil
}

// Contribution reports whether the corpus holds nothing out: it is text that a
// recipe adds to another corpus, whose held-out part judges the two of them.
func (m *Manifest) Contribution() bool {
	h := m.HeldOut
	return m.Recipe.HeldOutPerMille == 0 && len(h.Shards) == 0 && h.Documents == 0 && h.Bytes == 0 && h.Tokens == 0
}

// windows counts windows; none crosses from one shard to the next.
func (p *Part) windows(context int) int {
	n := 0
	for _, s := range p.Shards {
		n += windowsIn(s.Tokens, context)
	}
	return n
}

// windowsIn counts the windows of a shard: each has context inputs and shares
// its last token, a target only, with the next.
func windowsIn(tokens, context int) int { return (tokens - 1) / context }

// Part returns the description of a split.
func (m *Manifest) Part(s Split) *Part {
	if s == HeldOut {
		return &m.HeldOut
	}
	return &m.Train
}

// leaves returns the leaves of the Merkle tree.
func (m *Manifest) leaves() []crescendo.Hash {
	leaves := make([]crescendo.Hash, 0, len(m.Train.Shards)+len(m.HeldOut.Shards))
	for _, p := range []*Part{&m.Train, &m.HeldOut} {
		for _, s := range p.Shards {
			leaves = append(leaves, s.Blob)
		}
	}
	return leaves
}

// Prove returns the proof that a shard belongs to the corpus.
func (m *Manifest) Prove(s Split, index int) (Proof, error) {
	if index < 0 || index >= len(m.Part(s).Shards) {
		return Proof{}, fmt.Errorf("prove shard %d of %s: no such shard", index, s)
	}
	if s == HeldOut {
		index += len(m.Train.Shards)
	}
	return Prove(m.leaves(), index)
}
