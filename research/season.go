package research

import (
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo"
)

// Contest is the number of a competition, and the first part of the keys of
// all that is stored about it. A rung's own competition has the rung's number.
// With each later rung's raise the first rung reopens for a season, in which
// newcomers compete for places in the later rung's competition; it has the
// later rung's number with the top bit set.
type Contest uint32

const season = Contest(1 << 31)

// SeasonOf is the season that opens with a rung's raise.
func SeasonOf(rung crescendo.RungID) Contest { return Contest(rung) | season }

// ContestOf is a rung's competition, or the season that opens with its raise.
func ContestOf(rung crescendo.RungID, ofNewcomers bool) Contest {
	if ofNewcomers {
		return SeasonOf(rung)
	}
	return Contest(rung)
}

// Rung is the rung that the contest's winners are for.
func (c Contest) Rung() crescendo.RungID { return crescendo.RungID(c &^ season) }

// IsSeason reports whether only newcomers may enter.
func (c Contest) IsSeason() bool { return c&season != 0 }

// String names the contest for people.
func (c Contest) String() string {
	if c.IsSeason() {
		return fmt.Sprintf("the season of rung %d", c.Rung())
	}
	return fmt.Sprintf("rung %d", c.Rung())
}

// event is an event of the contest. What happens in a season has kinds of its
// own, so that nobody takes it for the rung's competition.
func (c Contest) event(kind string, pairs ...any) crescendo.Event {
	if what, ok := strings.CutPrefix(kind, "research."); ok && c.IsSeason() {
		kind = "season." + what
	}
	return crescendo.NewEvent(kind, c.Rung(), pairs...)
}

// Contest is the competition that the message is for.
func (m *MsgEnter) Contest() Contest { return ContestOf(m.Rung, m.Season) }

// Contest is the competition that the message is for.
func (m *MsgRevealEntry) Contest() Contest { return ContestOf(m.Rung, m.Season) }

// Contest is the competition that the message is for.
func (m *MsgRun) Contest() Contest { return ContestOf(m.Rung, m.Season) }

// Contest is the competition that the message is for.
func (m *MsgCommitTrial) Contest() Contest { return ContestOf(m.Rung, m.Season) }

// Contest is the competition that the message is for.
func (m *MsgRevealTrial) Contest() Contest { return ContestOf(m.Rung, m.Season) }
