package wire

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

const sendURL = "/cosmos.bank.v1beta1.MsgSend"

// Coin is an amount of a denom as the bank writes it.
type Coin struct {
	Denom  string `pb:"1"`
	Amount string `pb:"2"` // decimal digits
}

// MsgSend is the bank's own transfer between accounts.
type MsgSend struct {
	Sender crescendo.Account `pb:"1"`
	To     crescendo.Account `pb:"2"`
	Coins  []Coin            `pb:"3"`
}

// Send returns the message that moves settlement money between accounts.
func Send(denom string, from, to crescendo.Account, amount crescendo.Amount) *MsgSend {
	return &MsgSend{Sender: from, To: to, Coins: []Coin{{denom, amount.String()}}}
}

// TypeURL implements crescendo.Message.
func (*MsgSend) TypeURL() string { return sendURL }

// From implements crescendo.Message.
func (m *MsgSend) From() crescendo.Account { return m.Sender }

// Check implements crescendo.Message.
func (m *MsgSend) Check() error {
	for _, a := range []crescendo.Account{m.Sender, m.To} {
		if err := address.Validate(a); err != nil {
			return crescendo.Errorf(crescendo.CodeInvalid, "send: %v", err)
		}
	}
	if len(m.Coins) != 1 {
		return crescendo.Errorf(crescendo.CodeInvalid, "send: %d coins, want one", len(m.Coins))
	}
	return nil
}

// Other is a message that no rule knows, such as a delegation of stake.
type Other struct {
	URL   string
	Value []byte `pb:"1"`
}

// TypeURL implements crescendo.Message.
func (o *Other) TypeURL() string { return o.URL }

// From implements crescendo.Message; the sender is not known.
func (o *Other) From() crescendo.Account { return "" }

// Check implements crescendo.Message.
func (o *Other) Check() error { return nil }
