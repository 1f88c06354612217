package revenue

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Book is a rung's waterfall. The four credited totals plus Remainder equal
// Received; the rung's pot holds Received less what has been claimed or moved
// to the treasury.
//
// Shares and Points are fixed before the first credit, therefore the credited
// totals are the accumulators: what an account is due in all is Holders *
// its shares / Shares, and likewise for Contributors, rounded down.
type Book struct {
	Received     crescendo.Amount `pb:"1"`
	Operators    crescendo.Amount `pb:"2"`
	Holders      crescendo.Amount `pb:"3"`
	Contributors crescendo.Amount `pb:"4"`
	NextRung     crescendo.Amount `pb:"5"`
	Remainder    crescendo.Amount `pb:"6"`
	Claimed      crescendo.Amount `pb:"7"`
	Cap          crescendo.Amount `pb:"8"` // holders get this much in all
	Repaid       bool             `pb:"9"`
	Shares       crescendo.Amount `pb:"10"` // holders' shares, fixed when the raise closed
	Points       uint64           `pb:"11"` // contributors' points, fixed at selection
}

// Claimable is what one account may claim from a rung.
type Claimable struct {
	Operator     crescendo.Amount `pb:"1"` // credited directly, in all
	Points       uint64           `pb:"2"` // contributor's points
	HolderPaid   crescendo.Amount `pb:"3"` // claimed so far, per role
	ContribPaid  crescendo.Amount `pb:"4"`
	OperatorPaid crescendo.Amount `pb:"5"`
}

// The rule's collections.
var (
	Books      = kv.Map[Book]{Name: "revenue/book"}       // uint32(rung)
	Claimables = kv.Map[Claimable]{Name: "revenue/claim"} // uint32(rung), account
)
