package evaluation

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
)

// Bounds on what a message may carry.
const (
	MaxName   = 64
	MaxFault  = 64
	MaxScores = 256
)

// maxLoss bounds a summed loss, far above anything finite training shows, so
// that sums of losses stay inside 64 bits.
const maxLoss = crescendo.MicroNats(1 << 53)

// Check implements crescendo.Message.
func (m *MsgRegister) Check() error {
	if len(m.Name) > MaxName {
		return crescendo.Errorf(crescendo.CodeInvalid, "register evaluator: name of %d bytes, at most %d", len(m.Name), MaxName)
	}
	return nil
}

// Check implements crescendo.Message.
func (m *MsgCommitVote) Check() error {
	if m.Commitment.IsZero() {
		return crescendo.Errorf(crescendo.CodeInvalid, "vote in rung %d round %d: empty commitment", m.Rung, m.Round)
	}
	return checkAttempt("vote", m.Rung, m.Round, m.Attempt)
}

// Check implements crescendo.Message.
func (m *MsgRevealVote) Check() error {
	if err := checkRound("open vote", m.Rung, m.Round); err != nil {
		return err
	}
	if err := m.Vote.check(); err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "open vote in rung %d round %d: %v", m.Rung, m.Round, err)
	}
	return nil
}

// check refuses a vote that no honest evaluator could have computed.
func (v *Vote) check() error {
	switch {
	case v.Targets == 0 || v.Targets > 1<<40:
		return fmt.Errorf("losses over %d targets, want 1 to %d", v.Targets, uint64(1)<<40)
	case v.Before < 0 || v.Before > maxLoss:
		return fmt.Errorf("loss before out of range")
	case v.Update.IsZero() || v.Checkpoint.IsZero() || v.Error.IsZero():
		return fmt.Errorf("update, checkpoint and error state are all needed")
	case len(v.Scores) == 0 || len(v.Scores) > MaxScores:
		return fmt.Errorf("%d scores, want 1 to %d", len(v.Scores), MaxScores)
	}
	for i, s := range v.Scores {
		switch {
		case i > 0 && s.Trainer <= v.Scores[i-1].Trainer:
			return fmt.Errorf("scores not sorted by trainer")
		case s.After < 0 || s.After > maxLoss:
			return fmt.Errorf("loss after %s out of range", s.Trainer)
		case len(s.Fault) > MaxFault:
			return fmt.Errorf("fault of %s longer than %d bytes", s.Trainer, MaxFault)
		case s.Fault != "" && s.After != 0:
			return fmt.Errorf("refused payload of %s has a loss", s.Trainer)
		}
	}
	return nil
}

// Check implements crescendo.Message.
func (m *MsgReplay) Check() error {
	if m.Trainer == "" {
		return crescendo.Errorf(crescendo.CodeInvalid, "replay in rung %d round %d: no trainer named", m.Rung, m.Round)
	}
	return checkAttempt("replay", m.Rung, m.Round, m.Attempt)
}

func checkAttempt(doing string, rung crescendo.RungID, round crescendo.Round, attempt uint32) error {
	if attempt == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "%s in rung %d round %d: attempts are numbered from 1", doing, rung, round).
			WithHint("say which attempt at the round it is for")
	}
	return checkRound(doing, rung, round)
}

func checkRound(doing string, rung crescendo.RungID, round crescendo.Round) error {
	if rung == 0 || round == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "%s: rungs and rounds are numbered from 1", doing)
	}
	return nil
}
