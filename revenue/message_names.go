package revenue

import "github.com/crescendo-network/crescendo"

// TypeURL implements crescendo.Message.
func (*MsgClaim) TypeURL() string { return "/crescendo.revenue.v1.MsgClaim" }

// From implements crescendo.Message.
func (m *MsgClaim) From() crescendo.Account { return m.Sender }
