package program

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/sealing"
)

// Rules is the one door to the rules. The zero value works, but accepts no
// vaults.
type Rules struct {
	// Appraise judges the evidence of vaults. It is a means, not a rule, and
	// so comes from outside; every validator must use the same.
	Appraise sealing.Appraiser
}

// Genesis writes the programme into an empty store.
func Genesis(s kv.Store, spec Spec) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	return Specs.Set(s, spec)
}

// Apply carries out one message. On error nothing has been written and the
// outcome is empty. The sender's signature has been checked by the ledger.
func (r Rules) Apply(env crescendo.Env, s kv.Store, m crescendo.Message) (crescendo.Outcome, error) {
	if m == nil {
		return crescendo.Outcome{}, crescendo.Errorf(crescendo.CodeInvalid, "apply: no message")
	}
	if err := address.CheckSender(m.From()); err != nil {
		return crescendo.Outcome{}, err
	}
	if err := m.Check(); err != nil {
		return crescendo.Outcome{}, err
	}
	return r.within(env, s, func(c *call) error { return c.apply(m) })
}

// EndBlock ends phases that are complete or out of time. The ledger calls it
// once after the messages of every block. It fails only when an invariant is
// broken, never for a reason that a stranger can bring about.
func (r Rules) EndBlock(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
	return r.within(env, s, func(c *call) error { return c.endBlock() })
}

// call is one message or one block's end on its way through the rules.
type call struct {
	Rules
	env   crescendo.Env
	store kv.Store
	spec  Spec
	out   crescendo.Outcome

	broken error // the store contradicts itself
}

func (r Rules) within(env crescendo.Env, s kv.Store, do func(*call) error) (crescendo.Outcome, error) {
	spec, err := Specs.Get(s)
	if errors.Is(err, kv.ErrNotFound) {
		return crescendo.Outcome{}, crescendo.Errorf(crescendo.CodeInternal, "the ledger has no programme")
	}
	if err != nil {
		return crescendo.Outcome{}, err
	}
	overlay := kv.NewOverlay(s)
	c := &call{Rules: r, env: env, store: overlay, spec: spec}
	if err := do(c); err != nil {
		return crescendo.Outcome{}, err
	}
	if c.broken != nil {
		return crescendo.Outcome{}, c.broken
	}
	if err := c.bookTreasury(); err != nil {
		return crescendo.Outcome{}, err
	}
	if err := overlay.Commit(s); err != nil {
		return crescendo.Outcome{}, fmt.Errorf("keep writes: %w", err)
	}
	return c.out, nil
}

// join adds what a rule wants done to the call's outcome, if it succeeded.
func (c *call) join(out crescendo.Outcome, err error) error {
	if err == nil {
		c.out.Join(out)
	}
	return err
}
