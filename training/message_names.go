package training

import "github.com/crescendo-network/crescendo"

// TypeURL implements crescendo.Message.
func (*MsgJoin) TypeURL() string { return "/crescendo.training.v1.MsgJoin" }

// From implements crescendo.Message.
func (m *MsgJoin) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgLeave) TypeURL() string { return "/crescendo.training.v1.MsgLeave" }

// From implements crescendo.Message.
func (m *MsgLeave) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgStart) TypeURL() string { return "/crescendo.training.v1.MsgStart" }

// From implements crescendo.Message.
func (m *MsgStart) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgCommit) TypeURL() string { return "/crescendo.training.v1.MsgCommit" }

// From implements crescendo.Message.
func (m *MsgCommit) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgReveal) TypeURL() string { return "/crescendo.training.v1.MsgReveal" }

// From implements crescendo.Message.
func (m *MsgReveal) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgAttest) TypeURL() string { return "/crescendo.training.v1.MsgAttest" }

// From implements crescendo.Message.
func (m *MsgAttest) From() crescendo.Account { return m.Sender }
