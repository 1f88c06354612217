package funding

import "github.com/crescendo-network/crescendo"

// TypeURL implements crescendo.Message.
func (*MsgContribute) TypeURL() string { return "/crescendo.funding.v1.MsgContribute" }

// From implements crescendo.Message.
func (m *MsgContribute) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgRefund) TypeURL() string { return "/crescendo.funding.v1.MsgRefund" }

// From implements crescendo.Message.
func (m *MsgRefund) From() crescendo.Account { return m.Sender }
