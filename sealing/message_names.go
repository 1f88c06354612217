package sealing

import "github.com/crescendo-network/crescendo"

// TypeURL implements crescendo.Message.
func (*MsgRegisterVault) TypeURL() string { return "/crescendo.sealing.v1.MsgRegisterVault" }

// From implements crescendo.Message.
func (m *MsgRegisterVault) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgRegisterKeeper) TypeURL() string { return "/crescendo.sealing.v1.MsgRegisterKeeper" }

// From implements crescendo.Message.
func (m *MsgRegisterKeeper) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgSeal) TypeURL() string { return "/crescendo.sealing.v1.MsgSeal" }

// From implements crescendo.Message.
func (m *MsgSeal) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgRequestKey) TypeURL() string { return "/crescendo.sealing.v1.MsgRequestKey" }

// From implements crescendo.Message.
func (m *MsgRequestKey) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgHandOver) TypeURL() string { return "/crescendo.sealing.v1.MsgHandOver" }

// From implements crescendo.Message.
func (m *MsgHandOver) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgPublishKey) TypeURL() string { return "/crescendo.sealing.v1.MsgPublishKey" }

// From implements crescendo.Message.
func (m *MsgPublishKey) From() crescendo.Account { return m.Sender }

// TypeURL implements crescendo.Message.
func (*MsgAllow) TypeURL() string { return "/crescendo.sealing.v1.MsgAllow" }

// From implements crescendo.Message.
func (m *MsgAllow) From() crescendo.Account { return m.Sender }
