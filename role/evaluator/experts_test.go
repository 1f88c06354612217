package evaluator_test

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/trainer/freerider"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

// A rung whose model is a mixture of experts is trained and judged like any
// other: replays reach the bits of those who worked, and not of who did not.
func TestExperts(t *testing.T) {
	spec := testSpec(3)
	m := &spec.Rungs[0].Model
	m.FFN, m.Experts, m.ExpertsPerToken, m.BalanceMillionths = 16, 4, 2, 10_000
	rider := "rider-" + freerider.Kinds()[0]
	s := newStage(t, spec, "eva", "eli", "ada", "bob", "cyd", rider)
	s.begin()
	honest := []string{"ada", "bob", "cyd"}
	for _, n := range honest {
		s.trainer(n, "")
	}
	s.trainer(rider, freerider.Kinds()[0])
	// Without evaluators no round begins: all four are there for the first.
	s.until("four seats", func(run training.Run) bool { return run.Seated == 4 })
	s.evaluate("eva")
	s.evaluate("eli")
	run := s.until("the end", finished)
	s.checkVotes("eva", "eli")
	for _, n := range honest {
		if m := s.member(n); m.Fault != "" || m.Rounds == 0 || m.Verified < uint64(m.Rounds)*spec.Rungs[0].RoundTokens() || m.Paid == 0 {
			t.Errorf("honest %s: %+v", n, m)
		}
	}
	if m := s.member(rider); !strings.HasPrefix(m.Fault, "replay mismatch") || m.Paid != 0 {
		t.Errorf("free rider: %+v", m)
	}
	// The last checkpoint is of the mixture, and of no plain model.
	data, err := s.blobs.Get(s.ctx, run.Final, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	shape := outer.ShapeOf(*m, spec.Corpus.Vocabulary)
	v, err := outer.DecodeCheckpoint(shape, data)
	if err != nil || v.Round != crescendo.Round(spec.Rungs[0].Training.Rounds) || len(v.Values) != int(program.Parameters(*m, spec.Corpus.Vocabulary)) {
		t.Errorf("the last checkpoint is of round %d with %d parameters: %v", v.Round, len(v.Values), err)
	}
	shape.Balance = 0
	if _, err := outer.DecodeCheckpoint(shape, data); err == nil {
		t.Error("a mixture trained with another balance has the same checkpoint")
	}
}
