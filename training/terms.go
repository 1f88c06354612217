package training

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// MaxMembers bounds everybody who ever joined a rung, so that the work at the
// end of a round is bounded.
const MaxMembers = 512

// MaxMissed is how many rounds in a row a member may miss before it loses its
// seat. It keeps what it has earned and may join again.
const MaxMissed = 5

// MaxDropped is how often a member may lose its seat that way before it cannot
// take one any more: rounds wait for members, so absence costs the others.
const MaxDropped = 3

// stallRounds is after how many rounds' worth of deadlines without a closed
// round a run counts as abandoned.
const stallRounds = 200

// Terms is what a rung's programme says about its training.
type Terms struct {
	Rung          crescendo.RungID
	Rounds        uint32
	MinTrainers   uint32
	Seats         uint32
	Probation     uint32
	AuditPerMille uint32
	Eager         uint32 // most steps a trainer may do before the base is known
	Tokens        uint64 // one trainer's full round
	MaxPayload    uint64 // bytes
	Bond          crescendo.Amount
	CommitBlocks  uint64
	RevealBlocks  uint64
	VoteBlocks    uint64
}

func (t Terms) key() uint32 { return uint32(t.Rung) }

// Pot holds the rung's bonds and escrowed pay.
func Pot(rung crescendo.RungID) crescendo.Account { return crescendo.Pot("training", rung) }

var phaseNames = [...]string{"waiting", "working", "revealing", "voting", "unveiling", "auditing", "finished"}

// String returns the phase's name in lower case.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase %d", uint32(p))
}

// Quorum is two thirds of a panel, rounded up.
func Quorum(panel uint32) uint32 { return (2*panel + 2) / 3 }

// Standing reports whether the member holds a seat.
func (m Member) Standing() bool { return !m.Left && m.Fault == "" }

// load returns the rung's run, or a waiting one if nobody has touched it.
func load(r kv.Reader, rung crescendo.RungID) (Run, error) {
	run, err := Runs.Get(r, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) {
		return Run{}, nil
	}
	return run, err
}

func member(r kv.Reader, rung crescendo.RungID, account crescendo.Account) (Member, error) {
	m, err := Members.Get(r, uint32(rung), string(account))
	if errors.Is(err, kv.ErrNotFound) {
		return Member{}, crescendo.Errorf(crescendo.CodeForbidden, "%s is not a trainer of rung %d", account, rung).
			WithHint("join the rung's training first")
	}
	return m, err
}

func work(r kv.Reader, rung crescendo.RungID, round crescendo.Round, account crescendo.Account) (Work, error) {
	w, err := Works.Get(r, uint32(rung), uint32(round), string(account))
	if errors.Is(err, kv.ErrNotFound) {
		return Work{}, crescendo.Errorf(crescendo.CodeNotFound, "%s has committed nothing in rung %d round %d", account, rung, round)
	}
	return w, err
}

// Account reads the account at the end of a key, as List returns it.
func Account(rest []byte) crescendo.Account {
	if n := len(rest); n > 0 && rest[n-1] == 0 {
		rest = rest[:n-1]
	}
	return crescendo.Account(rest)
}

func wrongTime(doing string, t Terms, run Run) *crescendo.Error {
	return crescendo.Errorf(crescendo.CodeWrongTime, "%s in rung %d: round %d is %s", doing, t.Rung, run.Round, run.Phase)
}
