package research

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

// Check implements crescendo.Message.
func (m *MsgRegister) Check() error {
	if err := check(m.Sender, m.Rung, m.Recipe); err != nil {
		return err
	}
	if len(m.Parents) > MaxParents {
		return crescendo.Errorf(crescendo.CodeInvalid, "register recipe %s: %d parents, at most %d are allowed",
			m.Recipe.Short(), len(m.Parents), MaxParents)
	}
	for i, p := range m.Parents {
		if p.IsZero() || p == m.Recipe {
			return crescendo.Errorf(crescendo.CodeInvalid, "register recipe %s: it cannot be built on %s", m.Recipe.Short(), p.Short())
		}
		for _, q := range m.Parents[:i] {
			if p == q {
				return crescendo.Errorf(crescendo.CodeInvalid, "register recipe %s: parent %s is named twice", m.Recipe.Short(), p.Short())
			}
		}
	}
	return nil
}

// Check implements crescendo.Message.
func (m *MsgAdopt) Check() error { return check(m.Sender, m.Rung, m.Recipe) }

func check(sender crescendo.Account, rung crescendo.RungID, recipe crescendo.Hash) error {
	if rung == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "the rung is missing: rungs count from 1")
	}
	if recipe.IsZero() {
		return crescendo.Errorf(crescendo.CodeInvalid, "the recipe's hash is missing")
	}
	return address.CheckSender(sender)
}
