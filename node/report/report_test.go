package report

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/training"
)

type fixed struct{}

func (fixed) Measure(_ context.Context, _ program.Spec, _ crescendo.RungID, _, checkpoint crescendo.Hash) (float64, float64, float64, error) {
	return float64(checkpoint[0]), 2.5, 4.25, nil
}

// The object of `up --exit --json` is a contract: this is what it looks like.
func TestTheSummaryOfARung(t *testing.T) {
	spec, _, err := programfile.Load("../../programs/smoke.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := kv.NewMemory()
	one := uint32(1)
	if err := errors.Join(
		program.Rungs.Set(s, program.RungState{Stage: program.StageServing, Kept: []crescendo.Account{"ada"}, Dropped: []crescendo.Account{"eve"}}, one),
		funding.Raises.Set(s, funding.Raise{Raised: 100, Reinvested: 40}, one),
		training.Runs.Set(s, training.Run{Start: crescendo.Hash{7}, Base: crescendo.Hash{4}, Final: crescendo.Hash{3}, Voids: 1}, one),
		training.Members.Set(s, training.Member{}, one, "ada"),
		training.Members.Set(s, training.Member{Burned: 5}, one, "eve"),
		training.Rounds.Set(s, training.Closed{Tokens: 10}, one, uint32(1)),
		training.Rounds.Set(s, training.Closed{Tokens: 20}, one, uint32(2)),
		inference.Usages.Set(s, inference.Usage{Requests: 3, Input: 4, Output: 5}, one),
		revenue.Books.Set(s, revenue.Book{Received: 15, Operators: 1, Holders: 2, Contributors: 3, NextRung: 4, Remainder: 5}, one),
		evaluation.Evaluators.Set(s, evaluation.Evaluator{Burned: 2}, "val"),
	); err != nil {
		t.Fatal(err)
	}
	r, err := RungOf(t.Context(), s, spec, 1, fixed{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(Programme{ChainID: "crescendo-dev-x", Seconds: 1.5, SupplyConserved: true, Rungs: []Rung{r}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"chain_id":"crescendo-dev-x","seconds":1.5,"supply_conserved":true,"rungs":[{"rung":1,"name":"0.2M","stage":"serving",` +
		`"parameters":166208,"raised":"100","reinvested":"40","trainers":2,"rounds":2,"void_rounds":1,"tokens":30,` +
		`"loss_first":7,"loss_last":3,"bits_per_byte":2.5,"bits_per_byte_bigram":4.25,"kept":["ada"],"dropped":["eve"],` +
		`"checkpoint":"0300000000000000000000000000000000000000000000000000000000000000","weights":"sealed-until-repaid",` +
		`"requests":3,"tokens_served":9,"revenue":"15","paid":{"operators":"1","holders":"2","contributors":"3","next_rung":"4","remainder":"5"}}]}`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	if burned, err := Burned(s, len(spec.Rungs)); err != nil || burned != 7 {
		t.Errorf("burned %d, %v", burned, err)
	}
}

func TestARungThatHasNotBegun(t *testing.T) {
	spec, _, err := programfile.Load("../../programs/smoke.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r, err := RungOf(t.Context(), kv.NewMemory(), spec, 2, fixed{})
	if err != nil || r.Stage != "announced" || r.Kept == nil || r.LossFirst != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := RungOf(t.Context(), kv.NewMemory(), spec, 9, nil); crescendo.CodeOf(err) != crescendo.CodeNotFound {
		t.Error(err)
	}
}
