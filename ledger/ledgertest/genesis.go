package ledgertest

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
)

// Genesis is what the suite expects a fixture's ledger to begin with.
type Genesis struct {
	ChainID  string
	Spec     program.Spec
	Balances map[crescendo.Account]crescendo.Amount // in Spec.Denom
}

const (
	chainID = "crescendo-dev-ledgertest"
	denom   = "udemo"
	initial = 1_000_000 // every account's balance
	hardCap = 100_000
	people  = 8
)

func organiser() *memory.Signer { return memory.NewSigner("ledgertest/organiser") }

func person(i int) *memory.Signer { return memory.NewSigner(fmt.Sprintf("ledgertest/person-%d", i)) }

// NewGenesis returns the genesis that Run's fixtures must have.
func NewGenesis() Genesis {
	g := Genesis{ChainID: chainID, Spec: spec(), Balances: map[crescendo.Account]crescendo.Amount{}}
	for _, s := range everybody() {
		g.Balances[s.Account()] = initial
	}
	return g
}

func everybody() []ledger.Signer {
	all := []ledger.Signer{organiser()}
	for i := range people {
		all = append(all, person(i))
	}
	return all
}

func spec() program.Spec {
	return program.Spec{
		Name: "ledgertest", Denom: denom, Organiser: organiser().Account(),
		Corpus:     program.Corpus{Source: "go", Vocabulary: 1024, HeldOutPerMille: 20},
		Evaluation: program.Evaluation{MinEvaluators: 1, Bond: 1000, Sequences: 8},
		Simulated:  true,
		Rungs: []program.Rung{{
			Name:  "first",
			Model: program.Model{Dim: 32, Layers: 2, Heads: 2, KVHeads: 2, FFN: 64, Context: 64, Tied: true},
			Raise: program.Raise{SoftCap: 50_000, HardCap: hardCap, Blocks: 1_000_000},
			Training: program.Training{
				Rounds: 2, Steps: 2, Sequences: 2, MinTrainers: 2, Seats: 4, Keep: 2, Codec: "q2", Probation: 2,
				AuditPerMille: 1000, Bond: 1000, CommitBlocks: 100, RevealBlocks: 100, VoteBlocks: 100,
				TrainersBP: 6000, EvaluatorsBP: 2000, OperatorBP: 1000,
				Optimizer: program.Optimizer{
					Kind: "muon", LRMillionths: 24_000, MatrixLRMillionths: 20_000, Beta1Millionths: 900_000,
					Beta2Millionths: 999_000, MomentumMillionths: 950_000, ClipMillionths: 1_000_000, WarmupBP: 500, FinalBP: 1000,
				},
			},
			Sealing:   program.Sealing{Policy: program.SealedUntilRepaid, FinalSteps: 2},
			Inference: program.Inference{InputPrice: 100, OutputPrice: 400, GraceBlocks: 5},
			Revenue:   program.Revenue{OperatorsBP: 2000, HoldersBP: 6000, HoldersCapBP: 10_000, ContributorsBP: 2500, RoyaltyBP: 1000},
		}},
	}
}
