package funding

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

// Check implements crescendo.Message.
func (m *MsgContribute) Check() error {
	if m.Amount == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "contribute to rung %d: the amount is zero", m.Rung)
	}
	return checkSenderAndRung(m.Sender, m.Rung)
}

// Check implements crescendo.Message.
func (m *MsgRefund) Check() error { return checkSenderAndRung(m.Sender, m.Rung) }

func checkSenderAndRung(sender crescendo.Account, rung crescendo.RungID) error {
	if rung == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "the rung is missing: rungs count from 1")
	}
	return address.CheckSender(sender)
}
