package training

import "github.com/crescendo-network/crescendo"

// MaxName bounds the name a member shows to people, in bytes.
const MaxName = 64

// MaxAttested bounds the trainers of one MsgAttest.
const MaxAttested = 256

// Check implements crescendo.Message.
func (m *MsgJoin) Check() error {
	if len(m.Name) > MaxName {
		return crescendo.Errorf(crescendo.CodeInvalid, "join rung %d: name of %d bytes, at most %d", m.Rung, len(m.Name), MaxName)
	}
	return checkRung("join", m.Rung)
}

// Check implements crescendo.Message.
func (m *MsgLeave) Check() error { return checkRung("leave", m.Rung) }

// Check implements crescendo.Message.
func (m *MsgStart) Check() error {
	for _, part := range []struct {
		name string
		hash crescendo.Hash
	}{{"corpus", m.Corpus}, {"corpus root", m.Root}, {"base", m.Base}, {"error state", m.Error}} {
		if part.hash.IsZero() {
			return crescendo.Errorf(crescendo.CodeInvalid, "start rung %d: no %s given", m.Rung, part.name)
		}
	}
	return checkRung("start", m.Rung)
}

// Check implements crescendo.Message.
func (m *MsgCommit) Check() error {
	if m.Commitment.IsZero() {
		return crescendo.Errorf(crescendo.CodeInvalid, "commit in rung %d round %d: empty commitment", m.Rung, m.Round)
	}
	return checkAttempt("commit", m.Rung, m.Round, m.Attempt)
}

// Check implements crescendo.Message.
func (m *MsgReveal) Check() error {
	switch {
	case m.Payload.IsZero() || m.Base.IsZero() || m.End.IsZero():
		return crescendo.Errorf(crescendo.CodeInvalid, "reveal in rung %d round %d: payload, base and end state are all needed", m.Rung, m.Round)
	case m.Size == 0 || m.Tokens == 0:
		return crescendo.Errorf(crescendo.CodeInvalid, "reveal in rung %d round %d: size and tokens must be above zero", m.Rung, m.Round)
	case m.Start.IsZero() && m.Eager > 0:
		return crescendo.Errorf(crescendo.CodeInvalid, "reveal in rung %d round %d: a fresh state has no eager steps", m.Rung, m.Round)
	}
	return checkRound("reveal", m.Rung, m.Round)
}

// Check implements crescendo.Message.
func (m *MsgAttest) Check() error {
	if len(m.Trainers) == 0 || len(m.Trainers) > MaxAttested {
		return crescendo.Errorf(crescendo.CodeInvalid, "attest in rung %d round %d: %d trainers, want 1 to %d", m.Rung, m.Round, len(m.Trainers), MaxAttested)
	}
	return checkAttempt("attest", m.Rung, m.Round, m.Attempt)
}

func checkRung(doing string, rung crescendo.RungID) error {
	if rung == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "%s: rungs are numbered from 1", doing)
	}
	return nil
}

func checkAttempt(doing string, rung crescendo.RungID, round crescendo.Round, attempt uint32) error {
	if attempt == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "%s in rung %d round %d: attempts are numbered from 1", doing, rung, round).
			WithHint("say which attempt at the round it is for")
	}
	return checkRound(doing, rung, round)
}

func checkRound(doing string, rung crescendo.RungID, round crescendo.Round) error {
	if round == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "%s in rung %d: rounds are numbered from 1", doing, rung)
	}
	return checkRung(doing, rung)
}
