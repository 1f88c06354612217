package program

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Stage is where a rung stands.
type Stage uint32

// The stages of a rung, in the order of a rung that succeeds.
const (
	StageAnnounced Stage = iota
	StageRaising
	StageCompeting
	StageTraining
	StageSelecting
	StageSealing
	StageServing
	StageOpened
	StageRefunding
)

// RungState is the composer's own record of a rung.
type RungState struct {
	Stage   Stage               `pb:"1"`
	Since   crescendo.Height    `pb:"2"`
	Recipe  crescendo.Hash      `pb:"3"`
	Kept    []crescendo.Account `pb:"4"`
	Dropped []crescendo.Account `pb:"5"`
}

// Treasury is what the pot "@treasury" holds. Rules see no balances, so the
// composer keeps count.
type Treasury struct {
	Balance crescendo.Amount `pb:"1"`
}

// Specs holds the one Spec; Rungs the state of each rung that is no longer
// just announced.
var (
	Specs = kv.Map[Spec]{Name: "program/spec"}      // key: none
	Rungs = kv.Map[RungState]{Name: "program/rung"} // key: uint32(rung)
	// Treasuries holds the one Treasury; key: none.
	Treasuries = kv.Map[Treasury]{Name: "program/treasury"}
)
