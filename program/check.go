package program

import "github.com/crescendo-network/crescendo"

// Check implements crescendo.Message.
func (m *MsgOpenRaise) Check() error {
	if m.Rung == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "open raise: rungs are numbered from 1")
	}
	return nil
}
