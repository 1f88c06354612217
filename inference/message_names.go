package inference

import "github.com/crescendo-network/crescendo"

// TypeURL implements crescendo.Message.
func (*MsgOpen) TypeURL() string { return "/crescendo.inference.v1.MsgOpen" }

// From implements crescendo.Message.
func (m *MsgOpen) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgSettle) TypeURL() string { return "/crescendo.inference.v1.MsgSettle" }

// From implements crescendo.Message.
func (m *MsgSettle) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgClose) TypeURL() string { return "/crescendo.inference.v1.MsgClose" }

// From implements crescendo.Message.
func (m *MsgClose) From() crescendo.Account { return m.Sender }
