package research

import (
	"encoding/binary"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
)

// EntryCommitment is what MsgEnter carries for a later MsgRevealEntry. It binds
// the sender, so that nobody can enter by copying another's commitment.
func EntryCommitment(chainID string, at Contest, sender crescendo.Account, recipe, salt crescendo.Hash) crescendo.Hash {
	return digest.Sum("crescendo/research/entry/v1", canon.Encode(struct {
		Chain  string            `pb:"1"`
		Rung   crescendo.RungID  `pb:"2"`
		Sender crescendo.Account `pb:"3"`
		Recipe crescendo.Hash    `pb:"4"`
		Salt   crescendo.Hash    `pb:"5"`
		Season bool              `pb:"6"`
	}{chainID, at.Rung(), sender, recipe, salt, at.IsSeason()}))
}

// TrialCommitment is what MsgCommitTrial carries for the later reveal m.
func TrialCommitment(chainID string, m MsgRevealTrial) crescendo.Hash {
	result := ResultDigest(m.Weights, m.Losses)
	return digest.Sum("crescendo/research/trial/v1", canon.Encode(struct {
		Chain  string            `pb:"1"`
		Rung   crescendo.RungID  `pb:"2"`
		Sender crescendo.Account `pb:"3"`
		Stage  uint32            `pb:"4"`
		Recipe crescendo.Hash    `pb:"5"`
		Seed   uint32            `pb:"6"`
		Result crescendo.Hash    `pb:"7"`
		Salt   crescendo.Hash    `pb:"8"`
		Season bool              `pb:"9"`
	}{chainID, m.Rung, m.Sender, m.Stage, m.Recipe, m.Seed, result, m.Salt, m.Season}))
}

// ResultDigest names a trial's result: equal digests are equal results.
func ResultDigest(weights crescendo.Hash, losses []uint64) crescendo.Hash {
	return digest.Sum("crescendo/research/result/v1", canon.Encode(struct {
		Weights crescendo.Hash `pb:"1"`
		Losses  []uint64       `pb:"2"`
	}{weights, losses}))
}

// Draw picks the held-out documents of a competition. It is made when reveals
// close, so that no recipe can be fitted to them.
func Draw(beacon crescendo.Hash, at Contest) crescendo.Hash {
	return digest.Sum("crescendo/research/draw/v1", beacon[:], be32(uint32(at)))
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
