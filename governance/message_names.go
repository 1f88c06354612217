package governance

import "github.com/crescendo-network/crescendo"

// TypeURL implements crescendo.Message.
func (*MsgPropose) TypeURL() string { return "/crescendo.governance.v1.MsgPropose" }

// From implements crescendo.Message.
func (m *MsgPropose) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgVote) TypeURL() string { return "/crescendo.governance.v1.MsgVote" }

// From implements crescendo.Message.
func (m *MsgVote) From() crescendo.Account { return m.Sender }
