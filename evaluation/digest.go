package evaluation

import (
	"encoding/binary"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
)

// VoteDigest names a vote: equal digests are equal votes.
func VoteDigest(v Vote) crescendo.Hash {
	return digest.Sum("crescendo/evaluation/vote/v1", canon.Encode(v))
}

// VoteCommitment is what MsgCommitVote carries for a later MsgRevealVote.
func VoteCommitment(chainID string, rung crescendo.RungID, round crescendo.Round, evaluator crescendo.Account, salt crescendo.Hash, v Vote) crescendo.Hash {
	return digest.Sum("crescendo/evaluation/commit/v1", canon.Encode(struct {
		Chain     string            `pb:"1"`
		Rung      crescendo.RungID  `pb:"2"`
		Round     crescendo.Round   `pb:"3"`
		Evaluator crescendo.Account `pb:"4"`
		Salt      crescendo.Hash    `pb:"5"`
		Vote      crescendo.Hash    `pb:"6"`
	}{chainID, rung, round, evaluator, salt, VoteDigest(v)}))
}

// Designated returns the member of a panel that replays a trainer's window
// first. The panel is not empty.
func Designated(draw crescendo.Hash, trainer crescendo.Account, panel []crescendo.Account) crescendo.Account {
	h := digest.Sum("crescendo/evaluation/designate/v1", draw[:], []byte(trainer))
	return panel[binary.BigEndian.Uint64(h[:8])%uint64(len(panel))]
}
