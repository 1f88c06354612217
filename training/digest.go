package training

import (
	"encoding/binary"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
)

// Commitment is what MsgCommit carries for a later reveal. It binds chain,
// round and trainer, so that nobody can commit to another's work by copying
// its commitment. The reveal's sender, rung and round are not read.
func Commitment(chainID string, rung crescendo.RungID, round crescendo.Round, trainer crescendo.Account, reveal MsgReveal) crescendo.Hash {
	return digest.Sum("crescendo/training/commit/v1", canon.Encode(struct {
		Chain   string            `pb:"1"`
		Rung    crescendo.RungID  `pb:"2"`
		Round   crescendo.Round   `pb:"3"`
		Trainer crescendo.Account `pb:"4"`
		Salt    crescendo.Hash    `pb:"5"`
		Base    crescendo.Hash    `pb:"6"`
		Payload crescendo.Hash    `pb:"7"`
		Size    uint64            `pb:"8"`
		Start   crescendo.Hash    `pb:"9"`
		End     crescendo.Hash    `pb:"10"`
		Eager   uint32            `pb:"11"`
		Tokens  uint64            `pb:"12"`
	}{chainID, rung, round, trainer, reveal.Salt, reveal.Base, reveal.Payload,
		reveal.Size, reveal.Start, reveal.End, reveal.Eager, reveal.Tokens}))
}

// Seed is the seed of one attempt at a round. Batches are drawn from it.
func Seed(beacon crescendo.Hash, rung crescendo.RungID, round crescendo.Round, attempt uint32) crescendo.Hash {
	return digest.Sum("crescendo/training/seed/v1", beacon[:], be32(uint32(rung)), be32(uint32(round)), be32(attempt))
}

// Draw is made when reveals close. Held-out sequences and replayed windows
// are drawn from it.
func Draw(beacon crescendo.Hash, rung crescendo.RungID, round crescendo.Round) crescendo.Hash {
	return digest.Sum("crescendo/training/draw/v1", beacon[:], be32(uint32(rung)), be32(uint32(round)))
}

// Audited reports whether a draw picks a trainer's window by chance, at the
// given rate.
func Audited(draw crescendo.Hash, trainer crescendo.Account, perMille uint32) bool {
	h := digest.Sum("crescendo/training/audit/v1", draw[:], []byte(trainer))
	return binary.BigEndian.Uint64(h[:8])%1000 < uint64(perMille)
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
