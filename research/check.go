package research

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

// Check implements crescendo.Message.
func (m *MsgRegister) Check() error {
	if err := check(m.Sender, m.Rung, m.Recipe); err != nil {
		return err
	}
	return checkParents(m.Recipe, m.Parents)
}

// Check implements crescendo.Message.
func (m *MsgAdopt) Check() error { return check(m.Sender, m.Rung, m.Recipe) }

// Check implements crescendo.Message.
func (m *MsgEnter) Check() error {
	if m.Commitment.IsZero() {
		return crescendo.Errorf(crescendo.CodeInvalid, "enter rung %d: the commitment is missing", m.Rung)
	}
	return checkRung(m.Sender, m.Rung)
}

// Check implements crescendo.Message.
func (m *MsgRevealEntry) Check() error {
	if err := checkRung(m.Sender, m.Rung); err != nil {
		return err
	}
	if m.Recipe.Author != m.Sender {
		return crescendo.Errorf(crescendo.CodeForbidden, "reveal entry: the recipe names %.100q as its author, not the sender", m.Recipe.Author)
	}
	if err := m.Recipe.checkTask(m.Task); err != nil {
		return err
	}
	return m.Recipe.Check()
}

// Check implements crescendo.Message.
func (m *MsgRun) Check() error { return checkRung(m.Sender, m.Rung) }

// Check implements crescendo.Message.
func (m *MsgCommitTrial) Check() error {
	if m.Commitment.IsZero() || m.Stage == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "commit trial: stages count from 1, and the commitment must not be zero")
	}
	return check(m.Sender, m.Rung, m.Recipe)
}

// Check implements crescendo.Message.
func (m *MsgRevealTrial) Check() error {
	switch {
	case m.Stage == 0 || m.Weights.IsZero():
		return crescendo.Errorf(crescendo.CodeInvalid, "reveal trial: stages count from 1, and the weights must be named")
	case len(m.Losses) == 0 || len(m.Losses) > MaxDocuments+MaxTasks*MaxTaskItems:
		return crescendo.Errorf(crescendo.CodeInvalid, "reveal trial: %d losses, want 1 to %d", len(m.Losses), MaxDocuments+MaxTasks*MaxTaskItems)
	}
	for _, l := range m.Losses {
		if l > MaxLoss*maxWindow {
			return crescendo.Errorf(crescendo.CodeInvalid, "reveal trial: a loss of %d micro-nats, at most %d", l, uint64(MaxLoss*maxWindow))
		}
	}
	return check(m.Sender, m.Rung, m.Recipe)
}

func check(sender crescendo.Account, rung crescendo.RungID, recipe crescendo.Hash) error {
	if err := checkRung(sender, rung); err != nil {
		return err
	}
	if recipe.IsZero() {
		return crescendo.Errorf(crescendo.CodeInvalid, "the recipe's hash is missing")
	}
	return nil
}

// checkRung refuses numbers that no rung has: with the top bit set one would
// pass for a season's (see Contest).
func checkRung(sender crescendo.Account, rung crescendo.RungID) error {
	switch {
	case rung == 0:
		return crescendo.Errorf(crescendo.CodeInvalid, "the rung is missing: rungs count from 1")
	case Contest(rung).IsSeason():
		return crescendo.Errorf(crescendo.CodeInvalid, "rung %d: there is no such rung", rung)
	}
	return address.CheckSender(sender)
}
