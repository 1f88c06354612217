package program

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/governance"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// Messages returns one zero value of every message a ledger accepts, in the
// order in which a rung lives.
func Messages() []crescendo.Message {
	return []crescendo.Message{
		&MsgOpenRaise{},
		&funding.MsgContribute{}, &funding.MsgRefund{},
		&research.MsgRegister{}, &research.MsgAdopt{}, &research.MsgNameCorpus{},
		&research.MsgEnter{}, &research.MsgRevealEntry{}, &research.MsgRun{}, &research.MsgCommitTrial{}, &research.MsgRevealTrial{},
		&training.MsgJoin{}, &training.MsgLeave{}, &training.MsgStart{},
		&training.MsgCommit{}, &training.MsgReveal{}, &training.MsgAttest{},
		&evaluation.MsgRegister{}, &evaluation.MsgCommitVote{}, &evaluation.MsgRevealVote{}, &evaluation.MsgReplay{},
		&sealing.MsgRegisterVault{}, &sealing.MsgRegisterKeeper{}, &sealing.MsgSeal{},
		&sealing.MsgRequestKey{}, &sealing.MsgHandOver{}, &sealing.MsgPublishKey{}, &sealing.MsgAllow{},
		&inference.MsgOpen{}, &inference.MsgSettle{}, &inference.MsgClose{},
		&revenue.MsgClaim{},
		&governance.MsgPropose{}, &governance.MsgVote{},
	}
}

// Decode reads the canonical encoding of a message of the named type.
func Decode(typeURL string, raw []byte) (crescendo.Message, error) {
	for _, m := range Messages() {
		if m.TypeURL() != typeURL {
			continue
		}
		if err := canon.Decode(raw, m); err != nil {
			return nil, crescendo.Errorf(crescendo.CodeInvalid, "decode %s: %v", typeURL, err)
		}
		return m, nil
	}
	return nil, crescendo.Errorf(crescendo.CodeInvalid, "decode message: unknown type %.100q", typeURL)
}
