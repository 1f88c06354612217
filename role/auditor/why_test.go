package auditor

import (
	"context"
	"testing"

	"github.com/crescendo-network/crescendo"
)

func explained(t *testing.T, who string) Why {
	t.Helper()
	r := recorded(t)
	w, err := Explain(context.Background(), archiveOf(t, r.blobs, r.blocks).config(r), who, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Whoever it is: what came in and went out is what is left.
	sum := w.Genesis
	for _, p := range w.Payments {
		if p.To == w.Account {
			sum += p.Amount
		}
		if p.From == w.Account {
			sum -= p.Amount
		}
		if p.Reason == "" || p.Height == 0 {
			t.Errorf("payment without evidence: %+v", p)
		}
	}
	if sum != w.Balance {
		t.Errorf("%s: payments lead to %s, the balance is %s", who, sum, w.Balance)
	}
	return w
}

func TestWhyTrainer(t *testing.T) {
	w := explained(t, "ada")
	if len(w.Rungs) != 1 || w.Rungs[0].Trainer == nil {
		t.Fatalf("%+v", w)
	}
	m := w.Rungs[0].Trainer
	var sum crescendo.Amount
	for _, x := range m.Rounds {
		sum += x.Pay
		if x.Commit.Height == 0 || x.Reveal.Height <= x.Commit.Height || x.Closed.Height <= x.Reveal.Height || x.Reveal.Tx == "" || x.Formula == "" {
			t.Errorf("round %d: %+v", x.Round, x)
		}
		if !x.Drawn || len(x.Replays) == 0 || !x.Replays[0].Match || x.Replays[0].Tx == "" {
			t.Errorf("round %d: window %+v", x.Round, x.Replays)
		}
	}
	if len(m.Rounds) != 3 || sum != m.Released || sum != m.Earned || m.Ranking == nil || m.Ranking.Place == 0 {
		t.Errorf("%+v", m)
	}
	rev := w.Rungs[0].Revenue
	if rev == nil || rev.Contributor.Paid == 0 || rev.Contributor.Paid+rev.Contributor.Due != rev.Contributor.Total || len(rev.Claims) != 1 {
		t.Errorf("revenue: %+v", rev)
	}
}

func TestWhyOthers(t *testing.T) {
	if w := explained(t, rider); w.Rungs[0].Trainer.Fault == "" || w.Rungs[0].Trainer.Released != 0 || w.Rungs[0].Trainer.Burned == 0 {
		t.Errorf("free rider: %+v", w.Rungs[0].Trainer)
	}
	if w := explained(t, "eva"); w.Evaluator == nil || len(w.Rungs[0].Judged) != 3 {
		t.Errorf("evaluator: %+v", w)
	}
	fred := explained(t, string(signer("fred").Account()))
	if rev := fred.Rungs[0].Revenue; rev == nil || rev.Holder.Paid == 0 || rev.Shares != 600_000 || len(fred.Rungs[0].Contributions) != 1 {
		t.Errorf("holder: %+v", fred)
	}
	if op := explained(t, string(signer("operator").Account())); op.Rungs[0].Revenue.Operator.Paid == 0 {
		t.Errorf("operator: %+v", op)
	}
	explained(t, "@revenue/1")
	r := recorded(t)
	if _, err := Explain(context.Background(), archiveOf(t, r.blobs, r.blocks).config(r), "nobody", 0); crescendo.CodeOf(err) != crescendo.CodeNotFound {
		t.Errorf("nobody: %v", err)
	}
}
