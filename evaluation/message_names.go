package evaluation

import "github.com/crescendo-network/crescendo"

// TypeURL implements crescendo.Message.
func (*MsgRegister) TypeURL() string { return "/crescendo.evaluation.v1.MsgRegister" }

// From implements crescendo.Message.
func (m *MsgRegister) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgCommitVote) TypeURL() string { return "/crescendo.evaluation.v1.MsgCommitVote" }

// From implements crescendo.Message.
func (m *MsgCommitVote) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgRevealVote) TypeURL() string { return "/crescendo.evaluation.v1.MsgRevealVote" }

// From implements crescendo.Message.
func (m *MsgRevealVote) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgReplay) TypeURL() string { return "/crescendo.evaluation.v1.MsgReplay" }

// From implements crescendo.Message.
func (m *MsgReplay) From() crescendo.Account { return m.Sender }
