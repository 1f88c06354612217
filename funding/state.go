package funding

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Status of a raise.
type Status uint32

// The states of a raise.
const (
	Active Status = iota + 1
	Succeeded
	Failed // soft cap missed, or halted: refunds
)

// String returns the status in one word.
func (s Status) String() string {
	switch s {
	case Active:
		return "active"
	case Succeeded:
		return "succeeded"
	case Failed:
		return "failed"
	}
	return "unknown"
}

// Raise is the sale of one rung's shares.
type Raise struct {
	Status     Status           `pb:"1"`
	SoftCap    crescendo.Amount `pb:"2"`
	HardCap    crescendo.Amount `pb:"3"`
	Deadline   crescendo.Height `pb:"4"`
	Raised     crescendo.Amount `pb:"5"` // shares outstanding, one unit each
	Reinvested crescendo.Amount `pb:"6"` // part of Raised that came from earlier rungs
	Holders    uint64           `pb:"7"`
	Spent      crescendo.Amount `pb:"8"` // drawn from the purse by verified work
	Refunded   crescendo.Amount `pb:"9"`
}

// Position is a holder's shares in a rung.
type Position struct {
	Shares   crescendo.Amount `pb:"1"`
	Refunded bool             `pb:"2"`
}

// Treasury owns the shares bought with an earlier rung's next-rung part.
const Treasury crescendo.Account = "@treasury"

// The rule's collections.
var (
	Raises    = kv.Map[Raise]{Name: "funding/raise"}       // key: uint32(rung)
	Positions = kv.Map[Position]{Name: "funding/position"} // key: uint32(rung), account
)
