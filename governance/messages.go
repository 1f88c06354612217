package governance

import "github.com/crescendo-network/crescendo"

// What a proposal may ask for.
const (
	Halt      = "halt"      // stop the rung and refund what is unspent
	Statement = "statement" // nothing: it is on record
)

// MsgPropose puts a question to the holders of a rung. Only a holder whose
// shares vote may send it.
type MsgPropose struct {
	Sender  crescendo.Account `pb:"1"`
	Rung    crescendo.RungID  `pb:"2"`
	Kind    string            `pb:"3"` // Halt or Statement
	Text    string            `pb:"4"` // the reasons, or the statement; at most MaxText bytes
	Deposit crescendo.Amount  `pb:"5"` // what the programme asks for, named so that the sender agrees to it
}

// MsgVote says yes or no to a proposal, with all of the sender's shares that
// count in it.
type MsgVote struct {
	Sender   crescendo.Account `pb:"1"`
	Proposal uint64            `pb:"2"`
	Yes      bool              `pb:"3"`
}
