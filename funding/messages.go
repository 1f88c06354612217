package funding

import "github.com/crescendo-network/crescendo"

// MsgContribute buys shares of a rung at the fixed price of one unit each.
// The amount waits in the rung's pot until the raise closes.
type MsgContribute struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Amount crescendo.Amount  `pb:"3"`
}

// MsgRefund takes a contribution back after a raise that missed its soft cap
// or a rung that was halted. Each holder pulls its own refund.
type MsgRefund struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
}
