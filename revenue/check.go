package revenue

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

// Check implements crescendo.Message.
func (m *MsgClaim) Check() error {
	if m.Rung == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "claim: the rung is missing: rungs count from 1")
	}
	return address.CheckSender(m.Sender)
}
