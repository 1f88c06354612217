package page

import "github.com/crescendo-network/crescendo"

// Rung is everything about one model of the ladder.
type Rung struct {
	Step
	Unit     string      `json:"unit"`
	Facts    []Fact      `json:"-"`
	Deadline string      `json:"deadline"` // of what is going on now
	Loss     Loss        `json:"loss"`
	Rounds   []RoundLine `json:"rounds_closed"`
	Members  []Seat      `json:"members"`
	Ranking  []Rank      `json:"ranking"`
	Moved    Moved       `json:"moved"`
	Audits   Audits      `json:"audits"`
	Use      Use         `json:"utilisation"`
	Book     []Part      `json:"revenue"`
	News     []News      `json:"news"`
}

// Use is how trainers' time was used, as far as the chain can tell.
type Use struct {
	Working   int64 `json:"working_milliseconds"` // rounds open until all had committed or the deadline passed
	Total     int64 `json:"total_milliseconds"`   // from the first round's opening to the last one's close
	PerMille  int   `json:"per_mille"`
	RoundMean int64 `json:"round_milliseconds"`
}

// RoundLine is a closed round in the table of a rung.
type RoundLine struct {
	Round      crescendo.Round     `json:"round"`
	Loss       crescendo.MicroNats `json:"loss_before"` // per token
	Included   uint32              `json:"included"`
	Tokens     uint64              `json:"tokens"`
	Uploaded   uint64              `json:"uploaded_bytes"`
	Millis     int64               `json:"milliseconds"`
	Attempts   int                 `json:"attempts"`
	Height     crescendo.Height    `json:"height"`
	Checkpoint crescendo.Hash      `json:"checkpoint"`
}

// Rank is a line of the ranking at the end of a rung.
type Rank struct {
	Place  int    `json:"place"`
	Person Person `json:"person"`
	Mean   int64  `json:"mean"` // micro-nats per target
	Lower  int64  `json:"lower"`
	Upper  int64  `json:"upper"`
	Rounds uint32 `json:"rounds"`
	Kept   bool   `json:"kept"`
	Reason string `json:"reason"`
}

// Round is everything about one round.
type Round struct {
	Rung       crescendo.RungID    `json:"rung"`
	Name       string              `json:"name"`
	Unit       string              `json:"unit"`
	Round      crescendo.Round     `json:"round"`
	Last       crescendo.Round     `json:"last"` // that has been opened
	Open       bool                `json:"open"`
	Phase      string              `json:"phase"`
	Facts      []Fact              `json:"-"`
	Before     crescendo.MicroNats `json:"loss_before"`
	PerRound   crescendo.Amount    `json:"per_round"`
	Works      []WorkLine          `json:"works"`
	Votes      []VoteLine          `json:"votes"`
	Events     []News              `json:"events"`
	Checkpoint crescendo.Hash      `json:"checkpoint"`
}

// WorkLine is a trainer's part in a round.
type WorkLine struct {
	Person   Person           `json:"person"`
	State    string           `json:"state"`
	Payload  crescendo.Hash   `json:"payload"`
	Bytes    uint64           `json:"bytes"`
	Holders  int              `json:"holders"`
	Gain     int64            `json:"gain"` // micro-nats per target
	Scored   bool             `json:"scored"`
	Included bool             `json:"included"`
	Pay      crescendo.Amount `json:"pay"`
	Audit    string           `json:"audit"`
	Fault    string           `json:"fault"`
}

// VoteLine is an evaluator's part in a round.
type VoteLine struct {
	Person  Person           `json:"person"`
	Vote    string           `json:"vote"` // "committed", or the vote's short digest
	Carried bool             `json:"carried"`
	Replays []string         `json:"replays"`
	Pay     crescendo.Amount `json:"pay"`
}
