package program

import "github.com/crescendo-network/crescendo"

// MsgOpenRaise opens the raise of an announced rung. Only the organiser may
// send it.
type MsgOpenRaise struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
}
