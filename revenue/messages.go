package revenue

import "github.com/crescendo-network/crescendo"

// MsgClaim pays the sender everything a rung owes it as holder, contributor
// and operator. With Reinvest set the holder's and contributor's part buys
// shares of that rung's raise instead, in the same message.
type MsgClaim struct {
	Sender   crescendo.Account `pb:"1"`
	Rung     crescendo.RungID  `pb:"2"`
	Reinvest crescendo.RungID  `pb:"3"`
}
