package program

import "github.com/crescendo-network/crescendo"

func (c *call) apply(m crescendo.Message) error {
	return crescendo.Errorf(crescendo.CodeInvalid, "apply %T: no rule takes this message", m)
}
