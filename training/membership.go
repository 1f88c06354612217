package training

import (
	"errors"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Join seats the sender, or gives a member that left its seat back. Its bond
// moves to the rung's pot once; it works from the next round to open.
func Join(env crescendo.Env, s kv.Store, t Terms, m *MsgJoin) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := load(s, t.Rung)
	if err != nil {
		return out, err
	}
	if run.Phase >= Auditing {
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "join rung %d: its training is over", t.Rung)
	}
	if run.Seated >= t.Seats {
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "join rung %d: all %d seats are taken", t.Rung, t.Seats)
	}
	mem, err := Members.Get(s, t.key(), string(m.Sender))
	switch {
	case errors.Is(err, kv.ErrNotFound):
		if run.Members >= MaxMembers {
			return out, crescendo.Errorf(crescendo.CodeWrongTime, "join rung %d: %d members have joined, no more are taken", t.Rung, MaxMembers)
		}
		run.Members++
		mem = Member{Bond: t.Bond}
		out.Pay(m.Sender, Pot(t.Rung), t.Bond)
	case err != nil:
		return out, err
	case mem.Fault != "":
		return out, crescendo.Errorf(crescendo.CodeForbidden, "join rung %d: %s was expelled: %s", t.Rung, m.Sender, mem.Fault)
	case mem.Dropped >= MaxDropped:
		return out, crescendo.Errorf(crescendo.CodeForbidden, "join rung %d: %s has lost its seat %d times by missing rounds", t.Rung, m.Sender, mem.Dropped)
	case !mem.Left:
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "join rung %d: %s is a member already", t.Rung, m.Sender)
	}
	mem.Name, mem.Left, mem.Missed, mem.Joined = m.Name, false, 0, run.Round+1
	run.Seated++
	out.Emit(crescendo.NewEvent("training.joined", t.Rung, "trainer", m.Sender, "name", m.Name, "from", mem.Joined, "bond", mem.Bond))
	return out, keep(s, t, run, m.Sender, mem)
}

// Leave gives the sender's seat back. Bond and escrow stay until the rung's
// audits are through.
func Leave(env crescendo.Env, s kv.Store, t Terms, m *MsgLeave) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := load(s, t.Rung)
	if err != nil {
		return out, err
	}
	mem, err := member(s, t.Rung, m.Sender)
	if err != nil {
		return out, err
	}
	if !mem.Standing() || run.Phase >= Auditing {
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "leave rung %d: %s has no seat to give back", t.Rung, m.Sender)
	}
	if err := vacate(s, t, &run, m.Sender, mem); err != nil {
		return out, err
	}
	mem.Left = true
	out.Emit(crescendo.NewEvent("training.left", t.Rung, "trainer", m.Sender, "reason", "by request"))
	return out, keep(s, t, run, m.Sender, mem)
}

// Expel takes a member's seat, bond and escrow: the money is burned. Its other
// windows need no replay any more. Expelling a second time changes nothing.
func Expel(env crescendo.Env, s kv.Store, t Terms, trainer crescendo.Account, fault string) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	run, err := load(s, t.Rung)
	if err != nil {
		return out, err
	}
	mem, err := member(s, t.Rung, trainer)
	if err != nil || mem.Fault != "" {
		return out, err
	}
	if mem.Standing() {
		if err := vacate(s, t, &run, trainer, mem); err != nil {
			return out, err
		}
	}
	if err := unwait(s, t, &run, trainer); err != nil {
		return out, err
	}
	burned, err := mem.Bond.Add(mem.Escrow)
	if err != nil {
		return out, err
	}
	mem.Fault, mem.Bond, mem.Escrow, mem.Burned = fault, 0, 0, burned
	out.Pay(Pot(t.Rung), crescendo.Burn, burned)
	out.Emit(crescendo.NewEvent("training.expelled", t.Rung, "trainer", trainer, "fault", fault, "burned", burned))
	if err := dropWindows(s, t, &run, trainer); err != nil {
		return out, err
	}
	return out, keep(s, t, run, trainer, mem)
}

// vacate stops the open round from waiting for a member that loses its seat.
func vacate(s kv.Store, t Terms, run *Run, trainer crescendo.Account, mem Member) error {
	run.Seated--
	if run.Phase != Working || mem.Joined > run.Round {
		return nil
	}
	committed, err := Works.Has(s, t.key(), uint32(run.Round), string(trainer))
	if err == nil && !committed {
		run.Active--
	}
	return err
}

// unwait stops the open round from waiting for what an expelled member
// committed to: it may not reveal it any more.
func unwait(s kv.Store, t Terms, run *Run, trainer crescendo.Account) error {
	w, err := Works.Get(s, t.key(), uint32(run.Round), string(trainer))
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case run.Phase == Working:
		run.Active--
		run.Committed--
	case run.Phase == Revealing && !w.Available:
		run.Committed--
	}
	return nil
}

// dropWindows settles all windows of an expelled member unseen.
func dropWindows(s kv.Store, t Terms, run *Run, trainer crescendo.Account) error {
	for {
		open, err := Windows.List(s, nil, kv.MaxPage, t.key(), string(trainer))
		if err != nil || len(open) == 0 {
			return err
		}
		for _, e := range open {
			round := readRound(e.Rest)
			w, err := work(s, t.Rung, round, trainer)
			if err != nil {
				return err
			}
			w.Settled = true
			if err := settle(s, t, run, round, trainer, w); err != nil {
				return err
			}
		}
	}
}

func keep(s kv.Store, t Terms, run Run, account crescendo.Account, mem Member) error {
	if err := Members.Set(s, mem, t.key(), string(account)); err != nil {
		return err
	}
	return Runs.Set(s, run, t.key())
}

// each visits every member of a rung in account order.
func each(s kv.Reader, rung crescendo.RungID, visit func(crescendo.Account, Member) error) error {
	all, err := Members.List(s, nil, MaxMembers, uint32(rung))
	if err != nil {
		return err
	}
	for _, e := range all {
		if err := visit(Account(e.Rest), e.Value); err != nil {
			return err
		}
	}
	return nil
}
