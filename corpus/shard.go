package corpus

import (
	"encoding/binary"
	"fmt"

	"github.com/crescendo-network/crescendo"
)

// The layout of a shard, little-endian throughout; docs/formats/corpus.md is
// the specification.
//
//	 0  magic "CRSSHARD"
//	 8  version     uint16
//	10  split       uint8: 0 train, 1 held out
//	11  zero
//	12  vocabulary  uint32
//	16  index       uint32, within the split
//	20  tokens      uint32
//	24  hash of the tokenizer
//	56  zero, 8 bytes
//	64  tokens, uint16 each
const (
	shardMagic   = "CRSSHARD"
	shardVersion = 1
	shardHeader  = 64
)

// MaxShardTokens bounds a shard.
const MaxShardTokens = 1 << 24

// Split is one of the two parts of a corpus.
type Split uint8

// The parts of a corpus. HeldOut is never trained on.
const (
	Train Split = iota
	HeldOut
)

// String returns the name of the split.
func (s Split) String() string {
	switch s {
	case Train:
		return "train"
	case HeldOut:
		return "held-out"
	}
	return fmt.Sprintf("split %d", uint8(s))
}

// Shard is a piece of the token sequence of a split, as one blob.
type Shard struct {
	Split     Split
	Index     int // within the split
	Vocab     int
	Tokenizer crescendo.Hash
	Tokens    []uint16
}

// Encode returns the bytes of the shard's blob.
func (s *Shard) Encode() []byte {
	b := make([]byte, shardHeader, shardHeader+2*len(s.Tokens))
	copy(b, shardMagic)
	binary.LittleEndian.PutUint16(b[8:], shardVersion)
	b[10] = byte(s.Split)
	binary.LittleEndian.PutUint32(b[12:], uint32(s.Vocab))
	binary.LittleEndian.PutUint32(b[16:], uint32(s.Index))
	binary.LittleEndian.PutUint32(b[20:], uint32(len(s.Tokens)))
	copy(b[24:], s.Tokenizer[:])
	for _, t := range s.Tokens {
		b = binary.LittleEndian.AppendUint16(b, t)
	}
	return b
}

// DecodeShard reads what Encode wrote and refuses everything else.
func DecodeShard(b []byte) (*Shard, error) {
	if len(b) < shardHeader || string(b[:8]) != shardMagic {
		return nil, fmt.Errorf("decode shard: not a shard")
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != shardVersion {
		return nil, fmt.Errorf("decode shard: version %d, this program reads %d", v, shardVersion)
	}
	n := binary.LittleEndian.Uint32(b[20:])
	if n > MaxShardTokens || len(b) != shardHeader+2*int(n) {
		return nil, fmt.Errorf("decode shard: %d bytes for %d tokens", len(b), n)
	}
	if b[10] > byte(HeldOut) || b[11] != 0 || binary.LittleEndian.Uint64(b[56:]) != 0 {
		return nil, fmt.Errorf("decode shard: unknown split or non-zero padding")
	}
	s := &Shard{
		Split:     Split(b[10]),
		Index:     int(binary.LittleEndian.Uint32(b[16:])),
		Vocab:     int(binary.LittleEndian.Uint32(b[12:])),
		Tokenizer: crescendo.Hash(b[24:56]),
		Tokens:    make([]uint16, n),
	}
	for i := range s.Tokens {
		s.Tokens[i] = binary.LittleEndian.Uint16(b[shardHeader+2*i:])
		if int(s.Tokens[i]) >= s.Vocab {
			return nil, fmt.Errorf("decode shard: token %d is %d, vocabulary %d", i, s.Tokens[i], s.Vocab)
		}
	}
	return s, nil
}
