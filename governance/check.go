package governance

import (
	"strings"
	"unicode/utf8"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

// MaxText bounds the text of a proposal, in bytes.
const MaxText = 500

// Check implements crescendo.Message.
func (m *MsgPropose) Check() error {
	switch {
	case m.Rung == 0:
		return crescendo.Errorf(crescendo.CodeInvalid, "propose: the rung is missing: rungs count from 1")
	case m.Kind != Halt && m.Kind != Statement:
		return crescendo.Errorf(crescendo.CodeInvalid, "propose for rung %d: kind %.40q, want %s or %s", m.Rung, m.Kind, Halt, Statement)
	case m.Text == "" || len(m.Text) > MaxText:
		return crescendo.Errorf(crescendo.CodeInvalid, "propose for rung %d: the text has %d bytes, want 1 to %d", m.Rung, len(m.Text), MaxText)
	case !utf8.ValidString(m.Text) || strings.ContainsFunc(m.Text, control):
		return crescendo.Errorf(crescendo.CodeInvalid, "propose for rung %d: the text is not one line of UTF-8", m.Rung)
	}
	return address.CheckSender(m.Sender)
}

// control finds what could move a reader's cursor or begin a line of its own.
func control(r rune) bool {
	return r < ' ' || (r >= 0x7f && r < 0xa0) || r == 0x2028 || r == 0x2029
}

// Check implements crescendo.Message.
func (m *MsgVote) Check() error {
	if m.Proposal == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "vote: the proposal is missing: proposals count from 1")
	}
	return address.CheckSender(m.Sender)
}
