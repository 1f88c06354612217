package program

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// apply routes a message to its rule: which stages it is for, who may send
// it, and what else happens with it.
func (c *call) apply(m crescendo.Message) error {
	switch m := m.(type) {
	case *MsgOpenRaise:
		return c.openRaise(m)
	case *funding.MsgContribute:
		if _, err := c.at(m.Rung, "contribute", StageRaising); err != nil {
			return err
		}
		return c.contribute(m, false)
	case *funding.MsgRefund:
		return c.join(funding.Refund(c.env, c.store, m))
	case *revenue.MsgClaim:
		return c.claim(m)
	case *inference.MsgOpen:
		return c.openSession(m)
	case *inference.MsgSettle:
		out, settled, err := inference.Settle(c.env, c.store, m)
		if err := c.join(out, err); err != nil {
			return err
		}
		return c.distribute(settled.Rung, settled.Amount, settled.Operator)
	case *inference.MsgClose:
		return c.closeSession(m)
	}
	return c.applyWork(m)
}

// applyWork routes the messages of training and evaluation.
func (c *call) applyWork(m crescendo.Message) error {
	switch m := m.(type) {
	case *training.MsgJoin:
		return c.joinTraining(m)
	case *training.MsgLeave:
		return c.work(m.Rung, "leave", func(t training.Terms) error { return c.join(training.Leave(c.env, c.store, t, m)) })
	case *training.MsgStart:
		return c.startTraining(m)
	case *training.MsgCommit:
		return c.work(m.Rung, "commit", func(t training.Terms) error { return c.join(training.Commit(c.env, c.store, t, m)) })
	case *training.MsgReveal:
		return c.work(m.Rung, "reveal", func(t training.Terms) error { return c.join(training.Reveal(c.env, c.store, t, m)) })
	case *training.MsgAttest:
		return c.work(m.Rung, "attest", func(t training.Terms) error {
			if _, err := evaluation.OnPanel(c.store, m.Rung, m.Round, m.Sender); err != nil {
				return err
			}
			return c.join(training.Attest(c.env, c.store, t, m))
		})
	case *evaluation.MsgRegister:
		return c.join(evaluation.Register(c.env, c.store, m, c.spec.Evaluation.Bond))
	case *evaluation.MsgCommitVote:
		return c.commitVote(m)
	case *evaluation.MsgRevealVote:
		return c.openVote(m)
	case *evaluation.MsgReplay:
		return c.replay(m)
	}
	return c.applySealing(m)
}

// applySealing routes the messages of sealing.
func (c *call) applySealing(m crescendo.Message) error {
	switch m := m.(type) {
	case *sealing.MsgRegisterVault:
		return c.join(sealing.RegisterVault(c.env, c.store, m, c.Appraise, c.spec.Simulated))
	case *sealing.MsgRegisterKeeper:
		return c.join(sealing.RegisterKeeper(c.env, c.store, m, c.spec.Organiser))
	case *sealing.MsgAllow:
		if err := c.organiserOnly(m.Sender, "change the sealing policy"); err != nil {
			return err
		}
		return c.join(sealing.Allow(c.env, c.store, m))
	case *sealing.MsgSeal:
		return c.seal(m)
	case *sealing.MsgRequestKey:
		if _, err := c.at(m.Rung, "request key", StageServing, StageOpened); err != nil {
			return err
		}
		return c.join(sealing.RequestKey(c.env, c.store, m))
	case *sealing.MsgHandOver:
		return c.join(sealing.HandOver(c.env, c.store, m))
	case *sealing.MsgPublishKey:
		return c.publish(m)
	}
	if handled, err := c.applyGovernance(m); handled {
		return err
	}
	return c.applyResearch(m)
}

// rung returns what the programme says about a rung.
func (c *call) rung(id crescendo.RungID) (Rung, error) {
	if id == 0 || int(id) > len(c.spec.Rungs) {
		return Rung{}, crescendo.Errorf(crescendo.CodeNotFound, "rung %d: the programme has rungs 1 to %d", id, len(c.spec.Rungs))
	}
	return c.spec.Rungs[id-1], nil
}

// StateOf returns where a rung stands; a rung that was never raised for is
// announced.
func StateOf(r kv.Reader, rung crescendo.RungID) (RungState, error) {
	state, err := Rungs.Get(r, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) {
		return RungState{}, nil
	}
	if err != nil {
		return state, fmt.Errorf("read state of rung %d: %w", rung, err)
	}
	return state, nil
}

// at returns a rung's state and refuses if it is in none of the stages.
func (c *call) at(id crescendo.RungID, doing string, stages ...Stage) (RungState, error) {
	if _, err := c.rung(id); err != nil {
		return RungState{}, err
	}
	state, err := StateOf(c.store, id)
	if err != nil {
		return state, err
	}
	for _, s := range stages {
		if state.Stage == s {
			return state, nil
		}
	}
	return state, crescendo.Errorf(crescendo.CodeWrongTime, "%s: rung %d is %s, not %s", doing, id, state.Stage, stages[0]).
		WithHint("wait for the rung to reach that stage, or name another rung")
}

// move takes a rung to another stage.
func (c *call) move(id crescendo.RungID, state RungState, to Stage) error {
	c.out.Emit(crescendo.NewEvent("program.stage", id, "from", state.Stage, "to", to))
	state.Stage, state.Since = to, c.env.Height
	return Rungs.Set(c.store, state, uint32(id))
}

func (c *call) organiserOnly(sender crescendo.Account, doing string) error {
	if sender != c.spec.Organiser {
		return crescendo.Errorf(crescendo.CodeForbidden, "%s: only the organiser may", doing)
	}
	return nil
}
