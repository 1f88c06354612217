package program

import "github.com/crescendo-network/crescendo"

// TypeURL implements crescendo.Message.
func (*MsgOpenRaise) TypeURL() string { return "/crescendo.program.v1.MsgOpenRaise" }

// From implements crescendo.Message.
func (m *MsgOpenRaise) From() crescendo.Account { return m.Sender }
