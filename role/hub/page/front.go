package page

import "github.com/crescendo-network/crescendo"

// Front is the programme in one look.
type Front struct {
	Programme string           `json:"programme"`
	ChainID   string           `json:"chain_id"`
	Unit      string           `json:"unit"`
	Height    crescendo.Height `json:"height"`
	Target    crescendo.Height `json:"newest_height"` // more than Height while the hub catches up
	Time      int64            `json:"time"`          // of the newest block, Unix milliseconds
	Headline  string           `json:"headline"`
	Detail    string           `json:"detail"`
	Rungs     []Step           `json:"rungs"`
	Flow      Flow             `json:"flow"`
	Loss      Loss             `json:"loss"`
	Moved     Moved            `json:"moved"`
	Speed     Speed            `json:"speed"`
	Audits    Audits           `json:"audits"`
	Supply    Supply           `json:"supply"`
	Crew      []Seat           `json:"crew"`
	News      []News           `json:"news"`
}

// Step is one rung of the ladder.
type Step struct {
	Rung       crescendo.RungID `json:"rung"`
	Name       string           `json:"name"`
	Stage      string           `json:"stage"`
	Parameters uint64           `json:"parameters"`
	SoftCap    crescendo.Amount `json:"soft_cap"`
	HardCap    crescendo.Amount `json:"hard_cap"`
	Raised     crescendo.Amount `json:"raised"`
	Purse      crescendo.Amount `json:"purse"` // not yet spent
	Earned     crescendo.Amount `json:"earned"`
	Rounds     uint32           `json:"rounds"` // closed
	Of         uint32           `json:"of"`     // planned
	PerMille   int              `json:"per_mille"`
	Note       string           `json:"note"`
}

// Part is one part of a sum.
type Part struct {
	Name   string           `json:"name"`
	Amount crescendo.Amount `json:"amount"`
	Class  string           `json:"-"` // style
}

// Flow is where money came from and went, over all rungs. The sum of each
// list is the total before it.
type Flow struct {
	Raised     crescendo.Amount `json:"raised"`
	Sources    []Part           `json:"sources"` // of what was raised
	Uses       []Part           `json:"uses"`    // of what was raised
	Earned     crescendo.Amount `json:"earned"`
	Shares     []Part           `json:"shares"`     // of what was earned
	Due        crescendo.Amount `json:"due"`        // to holders, in all, when they are repaid
	Repaid     crescendo.Amount `json:"repaid"`     // of it, credited to holders
	Reinvested crescendo.Amount `json:"reinvested"` // income that bought shares of later rungs
	Treasury   crescendo.Amount `json:"treasury"`   // waits for the next rung's raise
}

// Loss is the course of a rung's held-out loss.
type Loss struct {
	Rung   crescendo.RungID `json:"rung"`
	Name   string           `json:"name"`
	Points []LossPoint      `json:"points"`
	Bigram float64          `json:"bigram"` // bits per byte; zero: not known
	Gzip   float64          `json:"gzip"`   // bits per byte; zero: not known
	Of     uint32           `json:"of"`     // rounds planned
	Closed uint32           `json:"closed"` // rounds closed, shown or not
	Range  `json:"range"`   // of rounds that are shown
}

// LossPoint is the loss of the base of one round.
type LossPoint struct {
	Round crescendo.Round     `json:"round"`
	Nats  crescendo.MicroNats `json:"micro_nats"` // per token
	Bits  float64             `json:"bits_per_byte"`
	Time  int64               `json:"time"`
}

// Newest is the last point shown.
func (l Loss) Newest() LossPoint {
	if len(l.Points) == 0 {
		return LossPoint{}
	}
	return l.Points[len(l.Points)-1]
}

// Moved compares bytes moved with those of dense training.
type Moved struct {
	Bytes uint64 `json:"bytes"` // uploaded by trainers
	Dense uint64 `json:"dense"` // float32 gradients, every step
}

// Speed is how much is trained.
type Speed struct {
	Tokens    uint64  `json:"tokens"` // in all closed rounds of the rung shown
	PerSecond float64 `json:"tokens_per_second"`
	Rounds    int     `json:"over_rounds"` // the mean is over so many
}

// Audits counts replayed windows of training.
type Audits struct {
	Verified  int `json:"verified"`
	Undecided int `json:"undecided"`
	Caught    int `json:"caught"` // trainers expelled for a fault
}

// Supply is whether money is conserved.
type Supply struct {
	Genesis crescendo.Amount `json:"genesis"`
	Held    crescendo.Amount `json:"held"` // by all accounts and pots
	Burned  crescendo.Amount `json:"burned"`
	Error   int64            `json:"error"`
}

// Seat is who takes part in a rung's training.
type Seat struct {
	Account crescendo.Account `json:"account"`
	Name    string            `json:"name"`
	Demo    bool              `json:"demo"`
	State   string            `json:"state"` // "training", "committed", "expelled" ...
	Good    bool              `json:"good"`
	Rounds  uint32            `json:"rounds"`
	Tokens  uint64            `json:"tokens"`
	Earned  crescendo.Amount  `json:"earned"`
}

// News is an event as a sentence.
type News struct {
	ID     int64            `json:"id"`
	Height crescendo.Height `json:"height"`
	Time   int64            `json:"time"`
	Tx     string           `json:"tx,omitempty"`
	Kind   string           `json:"kind"`
	Rung   crescendo.RungID `json:"rung,omitempty"`
	Text   string           `json:"text"`
}

// Link is where an event can be looked up.
func (n News) Link() string {
	if n.Tx != "" {
		return "/tx/" + n.Tx
	}
	return "/block/" + Decimal(n.Height)
}

type amount = crescendo.Amount

// summary says in words what the picture of the money shows.
func (f Flow) summary(unit string) string {
	if f.Raised == 0 {
		return "No money has been raised yet."
	}
	s := "Raised " + Money(unit, f.Raised)
	for _, p := range f.Uses {
		if p.Class == "purse" {
			s += ", of which " + Plain(p.Amount) + " is still in purses"
		}
	}
	if f.Earned == 0 {
		return s + ". Nothing has been earned yet."
	}
	return s + ". Clients paid " + Plain(f.Earned) + "; holders have been credited " + Plain(f.Repaid) + " of the " + Plain(f.Due) +
		" at which they are repaid; " + Plain(f.Reinvested) + " has been reinvested in later rungs."
}

// stageWord is a stage as the ladder names it.
func stageWord(stage string) string {
	switch stage {
	case "competing":
		return "research"
	case "selecting":
		return "selecting people"
	case "opened":
		return "open weights"
	}
	return stage
}

// ratio prints how many times more one size is than another.
func ratio(more, less uint64) string {
	if less == 0 {
		return "–"
	}
	x := float64(more) / float64(less)
	return Fixed(x, decimals(x)) + " times"
}

// purse says how much of what a rung raised is not yet spent.
func (s Step) purse() string {
	if s.Purse == 0 {
		return "raised"
	}
	return "raised; " + Plain(s.Purse) + " in the purse"
}
