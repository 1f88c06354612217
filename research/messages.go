package research

import "github.com/crescendo-network/crescendo"

// MsgRegister enters a recipe: the hash of its file and what it builds on.
type MsgRegister struct {
	Sender  crescendo.Account `pb:"1"`
	Rung    crescendo.RungID  `pb:"2"`
	Recipe  crescendo.Hash    `pb:"3"`
	Parents []crescendo.Hash  `pb:"4"` // at most MaxParents registered recipes
}

// MsgAdopt names the recipe a rung is trained with. Only the organiser may
// send it; its author earns the rung's royalty.
type MsgAdopt struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Recipe crescendo.Hash    `pb:"3"`
}
