package research

import "github.com/crescendo-network/crescendo"

// TypeURL implements crescendo.Message.
func (*MsgRegister) TypeURL() string { return "/crescendo.research.v1.MsgRegister" }

// From implements crescendo.Message.
func (m *MsgRegister) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgAdopt) TypeURL() string { return "/crescendo.research.v1.MsgAdopt" }

// From implements crescendo.Message.
func (m *MsgAdopt) From() crescendo.Account { return m.Sender }
