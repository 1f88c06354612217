package planner

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/program"
)

// mixed is the announced ladder with a last rung that is a mixture of experts
// with about as many parameters as the plain one.
func mixed(t testing.TB) program.Spec {
	spec := announced(t)
	spec.Rungs = append([]program.Rung{}, spec.Rungs...)
	m := &spec.Rungs[len(spec.Rungs)-1].Model
	m.FFN, m.Experts, m.ExpertsPerToken, m.BalanceMillionths = m.FFN/16, 16, 1, 1000
	if err := spec.Validate(); err == nil || !strings.Contains(err.Error(), "feed-forward width") {
		t.Fatalf("a ladder that cannot grow: %v", err)
	}
	spec.Rungs[len(spec.Rungs)-1].Start = program.Start{}
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	return spec
}

// A programme that names experts comes to what the plan says of the same rung
// as a mixture of experts, when that is told how much of the model a token uses.
func TestMixtureIsTheVariant(t *testing.T) {
	spec := mixed(t)
	last := len(spec.Rungs) - 1
	total, active := spec.Parameters(last), spec.ActiveParameters(last)
	got := plan(t, spec, nil).Rungs[last]

	// The plain model that the variant is of: as many parameters, to one part in
	// ten thousand, which is what the router has.
	plain := announced(t)
	share := fmt.Sprint(float64(active) / float64(total))
	want := plan(t, plain, map[string]string{"moe-active": share}).Rungs[last]
	close := func(a, b float64) bool { return a > b*0.9999 && a < b*1.0001 }
	if !close(float64(got.Parameters), float64(want.Parameters)) || !close(float64(got.ActiveParameters), float64(want.MoE.ActiveParameters)) {
		t.Fatalf("%d parameters, %d a token; the variant has %d and %d", got.Parameters, got.ActiveParameters, want.Parameters, want.MoE.ActiveParameters)
	}
	for name, pair := range map[string][2]float64{
		"operations": {got.FLOPs, want.MoE.FLOPs}, "GPU-hours": {got.GPUHours, want.MoE.GPUHours}, "dollars": {got.Dollars, want.MoE.Dollars},
		"utilisation": {got.Utilisation, want.MoE.Utilisation}, "days": {got.Days, want.MoE.Days},
		"memory": {float64(got.SiteMemory), float64(want.SiteMemory)}, "upload": {float64(got.Upload), float64(want.Upload)},
		"checkpoint": {float64(got.Checkpoint), float64(want.Checkpoint)}, "tokens": {float64(got.Tokens), float64(want.Tokens)},
	} {
		if !close(pair[0], pair[1]) {
			t.Errorf("%s: %.8g, the variant %.8g", name, pair[0], pair[1])
		}
	}
	if got.ChinchillaTokens != 20*active {
		t.Errorf("compute-optimal are %d tokens, want 20 for each of %d parameters that a token uses", got.ChinchillaTokens, active)
	}
	// It is the variant of itself, whatever is assumed of others.
	for _, share := range []string{"0.001", "0.5"} {
		r := plan(t, spec, map[string]string{"moe-active": share}).Rungs[last]
		self := MoE{r.ActiveParameters, r.FLOPs, r.GPUHours, r.Dollars, r.Utilisation, r.Days}
		if diff := cmp.Diff(self, r.MoE); diff != "" {
			t.Errorf("moe-active=%s (-rung +as a mixture):\n%s", share, diff)
		}
	}
}

func TestMixtureSaysSo(t *testing.T) {
	spec := mixed(t)
	l := plan(t, spec, nil)
	var b bytes.Buffer
	Write(&b, l)
	r := l.Rungs[len(l.Rungs)-1]
	want := fmt.Sprintf("a mixture of experts: a token uses %s of %s parameters", CountText(float64(r.ActiveParameters)), CountText(float64(r.Parameters)))
	if strings.Count(b.String(), "a mixture of experts:") != 1 || !strings.Contains(b.String(), want) {
		t.Errorf("want %q once:\n%s", want, b.String())
	}
}
