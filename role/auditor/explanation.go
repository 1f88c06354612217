package auditor

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/revenue"
)

// Why is every number behind what an account was paid, each with the place
// where the chain records it.
type Why struct {
	Account crescendo.Account `json:"account"`
	Names   []string          `json:"names"` // it gave itself
	ChainID string            `json:"chain_id"`
	Height  crescendo.Height  `json:"height"`
	Balance crescendo.Amount  `json:"balance"`
	Genesis crescendo.Amount  `json:"genesis_balance"`
	// Payments are all transfers of rules and people to and from the account.
	Payments  []PaymentLine  `json:"payments"`
	Evaluator *EvaluatorLine `json:"evaluator,omitempty"`
	Rungs     []WhyRung      `json:"rungs"`
	Trust     string         `json:"trust"`   // hash of the newest block: says which chain this is about
	Recheck   string         `json:"recheck"` // command that checks all of this
}

// Place is where the chain records something.
type Place struct {
	Height crescendo.Height `json:"height"`
	Tx     string           `json:"tx,omitempty"` // empty: the end of the block
}

// PaymentLine is one transfer.
type PaymentLine struct {
	Place
	From   crescendo.Account `json:"from"`
	To     crescendo.Account `json:"to"`
	Amount crescendo.Amount  `json:"amount"`
	Reason string            `json:"reason"`
}

// EvaluatorLine is an account's standing as an evaluator.
type EvaluatorLine struct {
	Bond    crescendo.Amount `json:"bond"`
	Earned  crescendo.Amount `json:"earned"`
	Burned  crescendo.Amount `json:"burned"`
	Slashes []EventLine      `json:"slashes"`
}

// EventLine is an event with its place.
type EventLine struct {
	Place
	Text string `json:"text"`
}

// WhyRung is what an account has to do with one rung.
type WhyRung struct {
	Rung          crescendo.RungID `json:"rung"`
	Name          string           `json:"name"`
	Stage         string           `json:"stage"`
	Contributions []EventLine      `json:"contributions"` // to the raise
	Trainer       *TrainerLine     `json:"trainer,omitempty"`
	Judged        []JudgedLine     `json:"judged"` // rounds it was paid for as an evaluator
	Revenue       *RevenueLine     `json:"revenue,omitempty"`
	Events        []EventLine      `json:"events"` // everything else that names the account
}

// TrainerLine is an account's work in a rung's training.
type TrainerLine struct {
	Name     string           `json:"name"`
	Bond     crescendo.Amount `json:"bond"`   // still held
	Escrow   crescendo.Amount `json:"escrow"` // earned, not released
	Released crescendo.Amount `json:"released"`
	Burned   crescendo.Amount `json:"burned"`
	Fault    string           `json:"fault"`
	Earned   crescendo.Amount `json:"earned"` // sum of the rounds below
	Rounds   []RoundLine      `json:"rounds"`
	Ranking  *RankingLine     `json:"ranking,omitempty"`
}

// RoundLine is a trainer's part in a round and what it earned.
type RoundLine struct {
	Round       crescendo.Round     `json:"round"`
	Base        crescendo.Hash      `json:"base"`
	Payload     crescendo.Hash      `json:"payload"`
	Start       crescendo.Hash      `json:"start_state"`
	End         crescendo.Hash      `json:"end_state"`
	Tokens      uint64              `json:"tokens"`
	Before      crescendo.MicroNats `json:"loss_before"` // summed over targets
	After       crescendo.MicroNats `json:"loss_after"`
	Targets     uint64              `json:"targets"`
	Gain        int64               `json:"gain"` // micro-nats per target
	Included    bool                `json:"included"`
	Fault       string              `json:"fault,omitempty"`
	PerRound    crescendo.Amount    `json:"per_round"`
	RoundTokens uint64              `json:"round_tokens"` // of all included payloads
	Pay         crescendo.Amount    `json:"pay"`
	Formula     string              `json:"formula"`
	Commit      Place               `json:"commit"`
	Reveal      Place               `json:"reveal"`
	Closed      Place               `json:"closed"`
	Drawn       bool                `json:"drawn"`
	Settled     bool                `json:"settled"`
	Replays     []ReplayLine        `json:"replays"`
}

// ReplayLine is an evaluator's report about a window.
type ReplayLine struct {
	Place
	Evaluator crescendo.Account `json:"evaluator"`
	Match     bool              `json:"match"`
}

// RankingLine is a trainer's place in a finished rung.
type RankingLine struct {
	Place  int    `json:"place"`
	Mean   int64  `json:"mean"` // gain per round, micro-nats per target
	Lower  int64  `json:"lower"`
	Upper  int64  `json:"upper"`
	Rounds uint32 `json:"rounds"`
	Tokens uint64 `json:"verified_tokens"`
	Kept   bool   `json:"kept"`
	Reason string `json:"reason,omitempty"`
}

// JudgedLine is an evaluator's pay for a round.
type JudgedLine struct {
	Place
	Round   crescendo.Round  `json:"round"`
	Pay     crescendo.Amount `json:"pay"`
	Formula string           `json:"formula"`
}

// RevenueLine is an account's part in what a rung earned.
type RevenueLine struct {
	Book        revenue.Book     `json:"book"`
	Shares      crescendo.Amount `json:"shares"`
	Points      uint64           `json:"points"`
	Holder      RoleLine         `json:"holder"`
	Contributor RoleLine         `json:"contributor"`
	Operator    RoleLine         `json:"operator"`
	Claims      []EventLine      `json:"claims"`
}

// RoleLine is what one role in a rung is worth to the account.
type RoleLine struct {
	Total   crescendo.Amount `json:"total"`
	Paid    crescendo.Amount `json:"paid"`
	Due     crescendo.Amount `json:"due"`
	Formula string           `json:"formula"`
}
