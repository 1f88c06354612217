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

// TypeURL implements crescendo.Message.
func (*MsgEnter) TypeURL() string { return "/crescendo.research.v1.MsgEnter" }

// From implements crescendo.Message.
func (m *MsgEnter) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgRevealEntry) TypeURL() string { return "/crescendo.research.v1.MsgRevealEntry" }

// From implements crescendo.Message.
func (m *MsgRevealEntry) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgRun) TypeURL() string { return "/crescendo.research.v1.MsgRun" }

// From implements crescendo.Message.
func (m *MsgRun) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgCommitTrial) TypeURL() string { return "/crescendo.research.v1.MsgCommitTrial" }

// From implements crescendo.Message.
func (m *MsgCommitTrial) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgRevealTrial) TypeURL() string { return "/crescendo.research.v1.MsgRevealTrial" }

// From implements crescendo.Message.
func (m *MsgRevealTrial) From() crescendo.Account { return m.Sender }
